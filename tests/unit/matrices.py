"""Matrices and tensors that several tests are made of."""

import torch
from torch import Tensor


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def orthonormal(n: int, m: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(random(n, m, seed=seed)).Q


def with_spectrum(w: int, n: int, sigmas, seed: int = 0) -> Tensor:
    """A matrix [w, n] of known singular values."""
    sigmas = torch.tensor([float(sigma) for sigma in sigmas])
    return orthonormal(w, len(sigmas), seed) * sigmas @ orthonormal(n, len(sigmas), seed + 1).mT


def off_orthonormal(S: Tensor) -> float:
    """The largest deviation of S^T S from the identity."""
    return (S.mT @ S - torch.eye(S.shape[1])).abs().max().item() if S.shape[1] else 0.0


def energy(G_wn: Tensor, P_nk: Tensor) -> float:
    """The energy of a matrix along the columns of P, in float64."""
    return (G_wn.double() @ P_nk.double()).square().sum().item()


def inside(S_wm: Tensor, X: Tensor, mode: int) -> float:
    """The largest entry of S^T X on a mode."""
    return torch.tensordot(S_wm, X, ([0], [mode])).abs().max().item()
