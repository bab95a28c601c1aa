"""The subspace mathematics of GORP, as pure functions on tensors.

Shape suffixes: w, the side of a gradient that stays whole; n, the side that is reduced; k, the rank of the
subspace; m, the directions of a basis. A gradient is handed in as `G_wn`, the whole side first (`whole_first`),
so that one set of functions serves both orientations.
"""

import torch
from torch import Tensor


def whole_first(G_oi: Tensor, side: str = "larger") -> Tensor:
    """The gradient with the side that stays whole first: itself, or a view of its transpose.

    `side` is "larger" (out where out >= in, as for the full-rank matrices) or "in" (LoRA A, whatever its rank).
    """
    return G_oi if side == "larger" and G_oi.shape[0] >= G_oi.shape[1] else G_oi.mT


def subspace(G_wn: Tensor, k: int) -> Tensor:
    """The leading k right singular vectors P_nk of a gradient (fp32, orthonormal columns; section 3.2 of the paper).

    k is capped at min(w, n). Directions whose singular value is rounding alone become zero columns: Adam would divide
    their noise up to steps of full size. Raises ValueError if the gradient is not finite, before the SVD meets it.
    """
    G_wn = G_wn.float()
    if not torch.isfinite(G_wn).all():
        raise ValueError("the gradient is not finite")
    _, sigma_m, V_mn = torch.linalg.svd(G_wn, full_matrices=False)
    noise = sigma_m[0] * max(G_wn.shape) * torch.finfo(G_wn.dtype).eps
    V_mn = V_mn * (sigma_m > noise)[:, None]
    return V_mn[:k].mT.clone(memory_format=torch.contiguous_format)  # a view would keep the whole factor alive


def down(G_wn: Tensor, P_nk: Tensor) -> Tensor:
    """The reduced gradient R_wk = G P."""
    return G_wn @ P_nk


def up(R_wk: Tensor, P_nk: Tensor) -> Tensor:
    """A reduced gradient, or update, lifted back to full size: R P^T, [w, n]."""
    return R_wk @ P_nk.mT


def remove(R_wk: Tensor, S_wm: Tensor) -> Tensor:
    """The part of R orthogonal to the basis S: R - S S^T R (the projection of the paper's shared gradient space)."""
    return R_wk - S_wm @ (S_wm.mT @ R_wk)


def extend(S_wm: Tensor | None, M_wk: Tensor, energy: float) -> Tensor:
    """The basis S with the leading directions of a first moment M added, the fewest that reach the energy.

    Directions come from the SVD of M' = M - S S^T M; they are added until the energy of M explained by S and them
    is at least `energy` * ||M||_F^2, so none where S alone explains as much. Returns an orthonormal basis (fp32,
    [w, m'], m <= m' <= w). Raises ValueError if M is not finite.
    """
    M_wk = M_wk.float()
    if not torch.isfinite(M_wk).all():
        raise ValueError("the first moment is not finite")
    if S_wm is None:
        S_wm = M_wk.new_zeros(M_wk.shape[0], 0)
    new_wk = remove(M_wk, S_wm)
    total = M_wk.square().sum()
    explained = total - new_wk.square().sum()
    U_wk, sigma_k, _ = torch.linalg.svd(new_wk, full_matrices=False)
    reached = explained + torch.cat([sigma_k.new_zeros(1), sigma_k.square().cumsum(0)])
    count = int((reached < energy * total).sum())  # reached[c] is the energy with c directions added
    count = min(count, len(sigma_k), S_wm.shape[0] - S_wm.shape[1])
    # a second pass against S: rounding in the first grows where M' is small beside M
    added_wm = remove(U_wk[:, :count], S_wm)
    return torch.cat([S_wm, torch.linalg.qr(added_wm).Q], dim=1)
