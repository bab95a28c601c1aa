"""GorpAdamW: AdamW whose moments live in low-rank gradient subspaces, orthogonal to the bases of earlier tasks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gorp.optim import projection as pr
from gorp.optim.clipping import check_finite, clip_
from gorp.optim.modes import PROJECTIONS, basis_mode
from gorp.optim.parameter_groups import as_group, as_groups, check_basis, check_group, check_saved
from gorp.optim.projection import down, full_precision, remove
from gorp.optim.reduced_gradient import ReducedGradient, whole_gradient
from gorp.parallel import processes


class GorpAdamW(torch.optim.Optimizer):
    """AdamW (decoupled weight decay, bias correction) in reduced coordinates.

    Each step of a matrix W [out, in] with gradient G, written for a projection that reduces in:

        P_nk  <- leading right singular vectors of G      every `refresh_every` steps, where `rank` is given
        R_wk  <- G P                                      (R = G where `rank` is None)
        R_wk  <- R - S S^T R                              where the matrix has a basis S_wm of earlier tasks
        N_wk  <- Adam's normalised step from the moments of R
        N_wk  <- N - S S^T N                              with `project_update`
        W     <- W - lr (scale N P^T + weight_decay W)

    S lives on the largest mode that the projection leaves whole. Where it leaves none ("full"), S lives on the largest
    and is taken out of G before that mode's P is chosen, so that S^T dW = 0 holds by itself.

    A gradient of accumulated backward passes is `p.grad`, as ever; after `project_early` it is reduced as soon as a
    backward pass has made it, and dropped: clip with `clip_grad_norm_` then, for torch's function refuses to. The state
    holds tensors and numbers only.

    Args:
        named_parameters: (name, parameter) pairs, as of `model.named_parameters()`, or groups {"params": pairs,
            ...options}; float32, none of them frozen.
        bases: orthonormal S_wm by parameter name, as `gradient_space` returned them after the task before.
        lr, betas, eps, weight_decay: as in torch.optim.AdamW, but no decay by default.
        projection: the modes that are reduced (`gorp.optim.modes.PROJECTIONS`); where `rank` is None none is, and
        the
            projection says on which mode the basis lives.
        rank: k, the dimensions of the subspace of each reduced mode; None trains the parameter as it is.
        refresh_every: steps from one subspace to the next.
        stagger: after their first step, spread the refreshes of a group's parameters over the period.
        exact_svd: take subspaces from a full SVD rather than by subspace iteration.
        turn_moments: turn Adam's moments into the new subspace at a refresh; else they are kept, as in the paper.
        scale: factor on the lifted update.
        project_update: also take S out of Adam's step, so that S^T dW = 0 exactly (weight decay aside); the paper
            projects the gradient alone.

    Raises:
        TypeError: parameters come without names, or in another form.
        ValueError: a parameter cannot be projected as asked, a basis names none of them, or an option is out of range.
        FloatingPointError: in `step`, a gradient is not finite (on a GPU, one whose subspace is due); the message names
            the parameter and the step.
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
        projection: str = "std",
        rank: int | None = None,
        refresh_every: int = 10,
        stagger: bool = False,
        exact_svd: bool = False,
        turn_moments: bool = False,
        scale: float = 1.0,
        project_update: bool = False,
    ):
        options = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, projection=projection, rank=rank)
        options |= dict(refresh_every=refresh_every, stagger=stagger, exact_svd=exact_svd, turn_moments=turn_moments)
        options |= dict(scale=scale, project_update=project_update)
        super().__init__(as_groups(named_parameters), options)
        self.complete, self._early, self._shared = True, False, False  # see `project_early`
        self._reduced: dict[Tensor, Tensor] = {}  # gradients of the step under way, already in their subspaces
        bases = dict(bases or {})
        for group, name, parameter in self._named():
            basis = bases.pop(name, None)
            if basis is not None:
                check_basis(name, parameter, group, basis)
                # a copy, since products depend in their last bits on where a file put the tensor in memory
                self.state[parameter]["basis"] = basis.to(parameter.device, torch.float32, copy=True)
        if bases:
            raise ValueError(f"bases of parameters that are not trained: {', '.join(bases)}")

    def _named(self) -> Iterator[tuple[dict, str, Tensor]]:
        for group in self.param_groups:
            for name, parameter in zip(group["param_names"], group["params"], strict=True):
                yield group, name, parameter

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group {"params": (name, parameter) pairs, ...options}. Raises as the class does."""
        group = as_group(param_group)
        check_group({**self.defaults, **group}, {name: parameter for _, name, parameter in self._named()})
        super().add_param_group(group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resumes from a state that a GorpAdamW of the same parameters saved. Raises ValueError for any other one."""
        check_saved(state_dict, self.param_groups)
        super().load_state_dict(state_dict)

    def project_early(self) -> None:
        """From now on a gradient to be projected is reduced and dropped during the backward pass.

        No whole gradient is left to be clipped: call `clip_grad_norm_` of the optimizer. In `p.grad` stands a
        `ReducedGradient`, so that torch's functions, and accelerate's, raise RuntimeError rather than pass over it.

        Reduced gradients are summed up over the backward passes of a step; projecting is linear, so the result is the
        same to rounding. A subspace that is due needs the whole gradient: set `complete` to False for all backward
        passes but a step's last, and the gradient of such a parameter is kept until then.

        Of many processes (`gorp.parallel.processes`) each has its share of a gradient, and what `reduce` returns is to
        be summed up over them. Where a subspace is due, `reduce` itself sums up the whole gradient; the subspace is
        that of process 0.
        """
        self._early, self._shared = True, processes.size() > 1
        for group, name, parameter in self._named():
            if group["rank"] is not None:
                parameter.register_hook(lambda _, parameter=parameter: self._make_room(parameter))
                parameter.register_post_accumulate_grad_hook(
                    lambda parameter, name=name: self._reduce_early(name, parameter)
                )

    def _make_room(self, parameter: Tensor) -> None:
        """Takes away the mark of a gradient that was reduced: none can be added to it, nor can a model with it move."""
        if self._early and parameter.grad is None:  # the mark is gone, such as by the model's zero_grad
            self._reduced.pop(parameter, None)
        parameter.grad = whole_gradient(parameter)

    def _reduce_early(self, name: str, parameter: Tensor) -> None:
        group = next(group for group, _, other in self._named() if other is parameter)  # loading a state replaces it
        # shares are summed up by `reduce`, always in the order of the parameters: that of hooks may differ
        if not self._due(group, parameter) or (self.complete and not self._shared):
            self._reduce(group, name, parameter)

    def _due(self, group: dict, parameter: Tensor) -> bool:
        """Whether the parameter gets a new subspace in the step under way and has not got it yet."""
        if parameter in self._reduced:
            return False
        step, period = int(self.state[parameter].get("step", 0)), group["refresh_every"]
        phase = 0
        if group["stagger"]:
            position = next(i for i, other in enumerate(group["params"]) if other is parameter)
            phase = position * period // len(group["params"])
        return step == 0 or step % period == phase

    @torch.no_grad()
    @full_precision()
    def _reduce(self, group: dict, name: str, parameter: Tensor) -> None:
        """Moves the gradient of a parameter into its subspace, after a refresh of it where that is due."""
        G, parameter.grad = parameter.grad, None
        assert G is not None
        state = self.state[parameter]
        due = self._due(group, parameter)
        if due:
            if self._shared:
                processes.sum_([G])
            try:
                refresh(state, G, group, self._shared)
            except ValueError as error:
                raise FloatingPointError(f"{name}, step {int(state.get('step', 0)) + 1}: {error}") from None
        R = down(G, state["subspaces"])
        if due and self._shared and processes.rank() > 0:
            R.zero_()  # process 0 brings the sum
        earlier = self._reduced.get(parameter)
        self._reduced[parameter] = R if earlier is None else earlier.add_(R)
        if self._early:
            parameter.grad = ReducedGradient(parameter, name)

    def reduce(self) -> dict[str, Tensor]:
        """The gradients of this step by parameter name as `step` will use them: in their subspaces where there is one.

        They may be changed in place, to clip or average them. Refreshes the subspaces that are due.
        """
        gradients = {}
        for group, name, parameter in self._named():
            if group["rank"] is not None and whole_gradient(parameter) is not None:
                self._reduce(group, name, parameter)
            gradient = self._reduced.get(parameter, whole_gradient(parameter))
            if gradient is not None:
                gradients[name] = gradient
        return gradients

    def clip_grad_norm_(self, max_norm: float) -> Tensor:
        """Clips the gradients of this step as they are `reduce`d (`gorp.optim.clipping.clip_`); returns their norm
        before.

        Call it after a step's last backward pass; of many processes, after what `reduce` returns is summed up.
        """
        done = (int(self.state[parameter].get("step", 0)) for _, _, parameter in self._named())
        return clip_(self.reduce(), max_norm, max(done) + 1)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients, the reduced ones too."""
        for _, _, parameter in self._named():
            self._make_room(parameter)
        super().zero_grad(set_to_none)
        self._reduced.clear()

    @torch.no_grad()
    @full_precision()
    def step(self, closure=None):
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = self.reduce()
        named = [item for item in self._named() if item[1] in gradients]
        # before the first update: a refused step changes no weight; a GPU would have to be waited for
        norm = torch.nn.utils.get_total_norm(gradients.values())
        if not norm.is_cuda and not torch.isfinite(norm):
            for _, name, parameter in named:
                check_finite(name, gradients[name], int(self.state[parameter].get("step", 0)) + 1)
        for group, name, parameter in named:
            update(parameter, gradients[name], self.state[parameter], group)
            self._make_room(parameter)
        self._reduced.clear()
        return loss

    def held(self) -> dict[str, list[Tensor]]:
        """The tensors that stay from one operation to the next: "gradients", "optimizer_state", "gradient_space"."""
        parameters = [parameter for _, _, parameter in self._named()]
        whole = [gradient for p in parameters if (gradient := whole_gradient(p)) is not None]
        states = [self.state[parameter] for parameter in parameters]
        rest = [{key: value for key, value in state.items() if key != "basis"} for state in states]
        return {
            "gradients": [*whole, *self._reduced.values()],
            "optimizer_state": [leaf for leaf in tree_leaves(rest) if isinstance(leaf, Tensor)],
            "gradient_space": [state["basis"] for state in states if "basis" in state],
        }

    @torch.no_grad()
    @full_precision()
    def gradient_space(self, energy: float, max_directions: int | None = None) -> dict[str, Tensor]:
        """After a task: the basis of each matrix, extended by directions of its first moment (see `extend`)."""
        spaces = {}
        for group, name, parameter in self._named():
            state = self.state[parameter]
            if "exp_avg" in state and parameter.dim() > 1:
                mode = basis_mode(parameter.shape, PROJECTIONS[group["projection"]](parameter.shape))
                M = state["exp_avg"]
                if mode in state.get("subspaces", {}):
                    M = pr.up(M, {mode: state["subspaces"][mode]})
                spaces[name] = pr.extend(state.get("basis"), pr.unfold(M, mode).mT, energy, max_directions)
            elif "basis" in state:
                spaces[name] = state["basis"]
        return spaces


def refresh(state: dict[str, Any], G: Tensor, group: Mapping[str, Any], shared: bool = False) -> None:
    """Takes the subspaces of a gradient into a parameter's state, {mode: P_nk}, and turns its moments where asked.

    Where it is `shared` they are those that process 0 finds, for kernels may differ from machine to machine.

    Raises ValueError if the gradient is not finite.
    """
    old, modes = state.get("subspaces", {}), PROJECTIONS[group["projection"]](G.shape)
    mode = basis_mode(G.shape, modes)
    if "basis" in state and mode in modes:
        G = remove(G, state["basis"], mode)
    k, exact = group["rank"], group["exact_svd"]
    new = {mode: pr.subspace(pr.unfold(G, mode), k, old.get(mode), exact) for mode in modes}
    if "basis" in state and mode in modes:  # once more: rounding in the first removal grows where little is outside S
        new[mode] = remove(new[mode], state["basis"])
    if shared:
        processes.broadcast_(new.values())
    if group["turn_moments"] and "exp_avg" in state:
        for mode in old:
            moments = pr.turn(state["exp_avg"], state["exp_avg_sq"], old[mode], new[mode], mode)
            state["exp_avg"], state["exp_avg_sq"] = moments
    state["subspaces"] = new


def update(parameter: Tensor, R: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
    """One step of a parameter from its gradient, reduced where it has a subspace."""
    subspaces = state.get("subspaces")
    mode = basis_mode(parameter.shape, PROJECTIONS[group["projection"]](parameter.shape)) if parameter.dim() > 1 else 0
    basis = None if subspaces and mode in subspaces else state.get("basis")  # such a subspace is outside S already
    if basis is not None:
        R = remove(R, basis, mode)
    if "step" not in state:
        state["step"], state["exp_avg"], state["exp_avg_sq"] = 0, torch.zeros_like(R), torch.zeros_like(R)
    state["step"] += 1
    N = adam_step(R, state["exp_avg"], state["exp_avg_sq"], state["step"], group["betas"], group["eps"])
    if basis is not None and group["project_update"]:
        N = remove(N, basis, mode)
    if group["weight_decay"]:
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
    alpha = -group["lr"] * group["scale"]
    if subspaces:
        pr.add_lifted(parameter, N, subspaces, alpha)
    else:
        parameter.add_(N, alpha=alpha)


def adam_step(
    R: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, step: int, betas: tuple[float, float], eps: float
) -> Tensor:
    """Updates Adam's two moments of R in place and returns the bias-corrected, normalised step, shaped like R."""
    exp_avg.lerp_(R, 1 - betas[0])
    exp_avg_sq.mul_(betas[1]).addcmul_(R, R, value=1 - betas[1])
    denominator = exp_avg_sq.sqrt().div_((1 - betas[1] ** step) ** 0.5).add_(eps)
    return exp_avg.div(denominator).div_(1 - betas[0] ** step)
