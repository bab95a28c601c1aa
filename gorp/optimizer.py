"""GorpAdamW: AdamW whose moments live in low-rank gradient subspaces, orthogonal to the bases of earlier tasks."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from gorp.projection import down, extend, remove, subspace, up, whole_first


class GorpAdamW(torch.optim.Optimizer):
    """AdamW (decoupled weight decay, bias correction) in reduced coordinates.

    Each step of a matrix W [out, in] with gradient G (the whole side first, G_wn):

        P_nk  <- leading right singular vectors of G      every `refresh_every` steps, where `rank` is given
        R_wk  <- G P                                      (R = G where `rank` is None)
        R_wk  <- R - S S^T R                              where the matrix has a basis S_wm of earlier tasks
        N_wk  <- Adam's normalised step from the moments of R
        N_wk  <- N - S S^T N                              with `project_update`
        W     <- W - lr (scale N P^T + weight_decay W)

    Adam's moments are kept when the subspace is refreshed. The state holds tensors and numbers only.

    Args:
        named_parameters: (name, matrix) pairs, or groups {"params": pairs, ...options}; float32 matrices.
        bases: orthonormal S_wm by parameter name, as `gradient_space` returned them after the task before.
        lr, betas, eps, weight_decay: as in torch.optim.AdamW, but no decay by default.
        whole: the side of a matrix that stays whole and has the basis, "larger" or "in" (see `whole_first`).
        rank: k, the dimensions of the subspace; None trains the whole matrix.
        refresh_every: steps from one subspace to the next.
        scale: factor on the lifted update.
        project_update: also take S out of Adam's step, so that S^T dW = 0 exactly (weight decay aside); the paper
            projects the gradient alone.

    Raises:
        ValueError: a parameter is not a matrix, a basis names none of them, or an option is out of range.
        FloatingPointError: in `step`, a gradient is not finite; the message names the parameter and the step.
    """

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]],
        bases: Mapping[str, Tensor] | None = None,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        whole: str = "larger",
        rank: int | None = None,
        refresh_every: int = 10,
        scale: float = 1.0,
        project_update: bool = False,
    ):
        options = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, whole=whole, rank=rank)
        options |= dict(refresh_every=refresh_every, scale=scale, project_update=project_update)
        super().__init__(named_parameters, options)
        bases = dict(bases or {})
        for group, name, parameter in self._named():
            check_options(group)
            if parameter.dim() != 2:
                raise ValueError(f"{name}: expected a matrix, got {parameter.dim()} dimensions")
            if name in bases:
                self.state[parameter]["basis"] = bases.pop(name).to(parameter.device, torch.float32)
        if bases:
            raise ValueError(f"bases of parameters that are not trained: {', '.join(bases)}")

    def _named(self) -> Iterable[tuple[dict, str, Tensor]]:
        for group in self.param_groups:
            for name, parameter in zip(group["param_names"], group["params"], strict=True):
                yield group, name, parameter

    @torch.no_grad()
    def step(self, closure=None):
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for _, name, parameter in self._named():  # all before the first update: a refused step changes nothing
            if parameter.grad is not None:
                check_finite(name, parameter.grad, int(self.state[parameter].get("step", 0)) + 1)
        for group, _, parameter in self._named():
            if parameter.grad is not None:
                self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict) -> None:
        state = self.state[parameter]
        G_wn = whole_first(parameter.grad, group["whole"])
        step = int(state.get("step", 0))
        if group["rank"] is not None and step % group["refresh_every"] == 0:
            state["subspace"] = subspace(G_wn, group["rank"])
        R_wk = down(G_wn, state["subspace"]) if group["rank"] is not None else G_wn
        basis = state.get("basis")
        if basis is not None:
            R_wk = remove(R_wk, basis)
        if step == 0:
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(R_wk), torch.zeros_like(R_wk)
        state["step"] = step + 1
        N_wk = adam_step(R_wk, state["exp_avg"], state["exp_avg_sq"], step + 1, group["betas"], group["eps"])
        if basis is not None and group["project_update"]:
            N_wk = remove(N_wk, basis)
        update_wn = up(N_wk, state["subspace"]) if group["rank"] is not None else N_wk
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        whole_first(parameter, group["whole"]).add_(update_wn, alpha=-group["lr"] * group["scale"])

    @torch.no_grad()
    def gradient_space(self, energy: float) -> dict[str, Tensor]:
        """After a task: each parameter's basis, extended by the directions of its first moment (see `extend`)."""
        spaces = {}
        for _, name, parameter in self._named():
            state = self.state[parameter]
            if "exp_avg" in state:
                spaces[name] = extend(state.get("basis"), state["exp_avg"], energy)
            elif "basis" in state:
                spaces[name] = state["basis"]
        return spaces


def adam_step(
    R: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, step: int, betas: tuple[float, float], eps: float
) -> Tensor:
    """Updates Adam's two moments of R in place and returns the bias-corrected, normalised step, shaped like R."""
    exp_avg.lerp_(R, 1 - betas[0])
    exp_avg_sq.mul_(betas[1]).addcmul_(R, R, value=1 - betas[1])
    denominator = (exp_avg_sq.sqrt() / (1 - betas[1] ** step) ** 0.5).add_(eps)
    return (exp_avg / denominator).div_(1 - betas[0] ** step)


def check_finite(name: str, gradient: Tensor, step: int) -> None:
    """Raises FloatingPointError that names the parameter and the step unless every entry is finite."""
    if not torch.isfinite(gradient).all():
        raise FloatingPointError(f"{name}, step {step}: the gradient is not finite")


def check_options(group: Mapping[str, Any]) -> None:
    """Raises ValueError for an option of a parameter group that is out of range."""
    for key, valid in (
        ("lr", group["lr"] >= 0),
        ("betas", all(0 <= beta < 1 for beta in group["betas"])),
        ("eps", group["eps"] > 0),
        ("weight_decay", group["weight_decay"] >= 0),
        ("whole", group["whole"] in ("larger", "in")),
        ("rank", group["rank"] is None or group["rank"] >= 1),
        ("refresh_every", group["refresh_every"] >= 1),
    ):
        if not valid:
            raise ValueError(f"{key}: {group[key]} is out of range")
