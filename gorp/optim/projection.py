"""The subspace mathematics of GORP, as pure functions on tensors.

A gradient is a tensor of two or more modes (dimensions); a projection names the modes that are reduced. Shape suffixes
of matrices: n, the mode that is reduced; w, all that stays whole; k, the rank of the subspace; m, the directions of a
basis. `P_nk` always spans a gradient subspace, `S_wm` a shared gradient space.
"""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

SMALL = 128  # a matrix whose smaller side is no longer gets an exact SVD, which takes a millisecond there
OVERSAMPLING = 8  # directions iterated beside the k asked for: the last of them converge slowly
FEWEST, MOST = 2, 32  # rounds of subspace iteration; one alone may miss what its start does not know
LEFT = 0.003  # rounds go on while more than this part of the energy is expected to come
SLOWEST = 0.9  # the largest ratio of two gains that is believed: they may not shrink at all for a round
ROUNDING = 3e-6  # a singular value that grows by no larger part of the first may have grown by rounding


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """fp32 products in whole fp32 on a GPU, though the model's may be in TF32: bases are to stay orthonormal."""
    matmul = torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, False
    try:
        yield
    finally:
        matmul.allow_tf32 = before


def unfold(G: Tensor, mode: int) -> Tensor:
    """The tensor as a matrix G_wn with `mode` as its columns; a view where the tensor is a matrix."""
    return G.movedim(mode, -1).reshape(-1, G.shape[mode])


def subspace(G_wn: Tensor, k: int, start_nk: Tensor | None = None, exact: bool = False) -> Tensor:
    """The leading k right singular vectors P_nk of a gradient (fp32, orthonormal columns; section 3.2 of the paper).

    By subspace iteration from `start_nk`, such as the subspace before, and random directions, always the same ones;
    `exact`, or where the matrix is small or k large, by a full SVD. k is capped at min(w, n). Directions whose singular
    value is rounding alone become zero columns: Adam would divide their noise up to steps of full size. Raises
    ValueError if the gradient is not finite, before a decomposition meets it.
    """
    G_wn = G_wn.float()
    k = min(k, *G_wn.shape)
    if exact or min(G_wn.shape) <= max(SMALL, 2 * (k + OVERSAMPLING)):
        require_finite(G_wn)
        _, sigma, V_mn = torch.linalg.svd(G_wn, full_matrices=False)
    else:
        Q_nl = random_directions(G_wn, k + OVERSAMPLING)
        if start_nk is not None:
            known = start_nk.any(dim=0)  # zero columns know no direction
            Q_nl[:, : start_nk.shape[1]][:, known] = start_nk[:, known]
        sigma, V_mn = iterate(G_wn, Q_nl, k)
    if start_nk is not None:  # a singular vector's sign is free; moments that are kept fit the one nearer to before
        V_mn[:k] *= torch.where((V_mn[:k] * start_nk.mT).sum(1) < 0, -1.0, 1.0)[:, None]
    noise = sigma[0] * (max(G_wn.shape) * torch.finfo(G_wn.dtype).eps)
    # in memory of its own, since a view would keep the whole factor alive; by columns, which products like best
    return (V_mn[:k] * (sigma[:k] > noise)[:, None]).mT


def iterate(G_wn: Tensor, Q_nl: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """About the leading l singular values and right singular vectors (as rows, [l, n]), from any l directions.

    Subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4). A round has two halves, G Q and G^T Y, and the
    leading k singular values grow with each. Rounds go on until they have `settled`, at most `MOST`.
    """
    halves = []  # the k leading singular values after each
    for number in range(1, MOST + 1):
        Y_wl = down(G_wn, {1: Q_nl})
        if number == 1 and not is_finite(Y_wl):  # as it is where an entry of G is not, and smaller to look through
            require_finite(G_wn)
        Y_wl, R_ll = torch.linalg.qr(Y_wl)
        if number > 1:  # before, Q is not orthonormal
            halves.append(torch.linalg.svdvals(R_ll)[:k])
        Q_nl, R_ll = torch.linalg.qr((Y_wl.mT @ G_wn).mT)
        _, sigma, V_ll = torch.linalg.svd(R_ll.mT)  # Y^T G = R^T Q^T
        halves.append(sigma[:k])
        if number >= FEWEST and settled(*halves[-3:]):
            break
    return sigma, V_ll @ Q_nl.mT


def settled(first_k: Tensor, second_k: Tensor, third_k: Tensor) -> bool:
    """Whether little energy is to come, from the leading singular values after each of three halves of a round.

    A direction's energy is the square of its singular value. Its gains shrink about geometrically: with q the ratio of
    the last two, last * q / (1 - q) is to come. The mean is over directions, each as a part of its own energy, for Adam
    makes weak ones count as much as strong ones.
    """
    first, second = (first_k / third_k).square(), (second_k / third_k).square()
    before, last = second - first, 1 - second
    to_come = last.square() / torch.maximum(before - last, (1 / SLOWEST - 1) * last)
    rounding = third_k - second_k <= ROUNDING * third_k[0]
    return bool(torch.where(rounding, 0.0, to_come).mean() <= LEFT)


def require_finite(G: Tensor) -> None:
    """Raises ValueError unless every entry of a gradient is finite."""
    if not is_finite(G):
        raise ValueError("the gradient is not finite")


def is_finite(G: Tensor) -> bool:
    """Whether every entry is finite; a sum, ten times as fast, tells in all but rare cases."""
    return bool(torch.isfinite(G.sum()) or torch.isfinite(G).all())


def random_directions(G_wn: Tensor, count: int) -> Tensor:
    """A Gaussian matrix [n, count], the same for the same shape, so that runs repeat and processes agree."""
    generator = torch.Generator(G_wn.device).manual_seed(0)
    return torch.randn(G_wn.shape[1], count, generator=generator, device=G_wn.device)


def down(G: Tensor, subspaces: Mapping[int, Tensor]) -> Tensor:
    """The reduced gradient: each mode of `subspaces` (mode: P_nk) goes from n to k; R = G P where it is the last."""
    for mode, P_nk in subspaces.items():
        # P^T first, then G: the other order takes up to three times as long
        G = torch.tensordot(P_nk, G, ([0], [mode])).movedim(0, mode)
    return G


def up(R: Tensor, subspaces: Mapping[int, Tensor]) -> Tensor:
    """A reduced gradient, or update, lifted back to full size: R P^T where the mode is the last."""
    return down(R, {mode: P_nk.mT for mode, P_nk in subspaces.items()})


def add_lifted(W: Tensor, R: Tensor, subspaces: Mapping[int, Tensor], alpha: float) -> None:
    """W += alpha * up(R, subspaces), in place; the last product is summed into a matrix without a full-size copy."""
    *first, last = subspaces.items()
    R = up(R, dict(first))
    if W.dim() == 2:
        mode, P_nk = last
        W.movedim(mode, -1).addmm_(R.movedim(mode, -1), P_nk.mT, alpha=alpha)
    else:
        W.add_(up(R, dict([last])), alpha=alpha)


def remove(R: Tensor, S_wm: Tensor, mode: int = 0) -> Tensor:
    """The part of R orthogonal to the basis S on a mode: R - S S^T R (the paper's shared gradient space)."""
    inside = torch.tensordot(S_wm, torch.tensordot(S_wm, R, ([0], [mode])), 1)
    return R - inside.movedim(0, mode)


def turn(exp_avg: Tensor, exp_avg_sq: Tensor, old_nk: Tensor, new_nk: Tensor, mode: int) -> tuple[Tensor, Tensor]:
    """Adam's moments in the coordinates of a new subspace, T = P_old^T P_new: M T, and V (T * T) elementwise.

    V is taken for the variances of uncorrelated coordinates, so that it stays above zero. What the old subspace did
    not hold starts at zero.
    """
    T_kk = old_nk.mT @ new_nk
    return down(exp_avg, {mode: T_kk}), down(exp_avg_sq, {mode: T_kk.square()})


def extend(S_wm: Tensor | None, M_wk: Tensor, energy: float, max_directions: int | None = None) -> Tensor:
    """The basis S with the leading directions of a first moment M added, the fewest that reach the energy.

    Directions come from the SVD of M' = M - S S^T M; they are added until the energy of M explained by S and them
    is at least `energy` * ||M||_F^2, so none where S alone explains as much, or the basis has `max_directions`: then
    the earlier tasks keep theirs. Returns an orthonormal basis (fp32, [w, m'], m <= m' <= w). Raises ValueError if M
    is not finite.
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
    room = min(S_wm.shape[0], max_directions or S_wm.shape[0]) - S_wm.shape[1]
    count = min(count, len(sigma_k), max(room, 0))
    # a second pass against S: rounding in the first grows where M' is small beside M
    added_wm = remove(U_wk[:, :count], S_wm)
    return torch.cat([S_wm, torch.linalg.qr(added_wm).Q], dim=1)
