"""Clipping, between the backward passes and the step."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gorp.optim.projection import is_finite


def clip_(gradients: Mapping[str, Tensor], max_norm: float, step: int) -> Tensor:
    """Scales all gradients so that their 2-norm together is at most `max_norm`; returns the norm before, a scalar.

    It is the norm of what is handed in: of a reduced gradient the part inside its subspace, before a shared gradient
    space is taken out of it. Raises FloatingPointError that names the first gradient
    that is not finite, or says that the norm is too large for float32; not on a GPU, which would have to be waited for
    (see `gorp.train.step_log`).
    """
    if not gradients:
        return torch.zeros(())
    norm = torch.nn.utils.get_total_norm(gradients.values())
    if not norm.is_cuda and not torch.isfinite(norm):  # clipping would spread a NaN over all of them
        for name, gradient in gradients.items():
            check_finite(name, gradient, step)
        raise FloatingPointError(f"step {step}: the norm of the gradients is too large for their dtype")
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0).nan_to_num(1.0)  # a NaN stays where it is
    torch._foreach_mul_(list(gradients.values()), factor)
    return norm


def check_finite(name: str, gradient: Tensor, step: int) -> None:
    """Raises FloatingPointError that names the parameter and the step unless every entry is finite."""
    if not is_finite(gradient):
        raise FloatingPointError(f"{name}, step {step}: the gradient is not finite")
