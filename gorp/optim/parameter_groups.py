"""What GorpAdamW is given: groups of named parameters, their options and bases, and saved states; checked, in words."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gorp.optim.modes import PROJECTIONS, basis_mode
from gorp.util.errors import close_names

EXPECTED = (
    "give GorpAdamW named parameters: model.named_parameters(), or groups "
    '[{"params": [(name, parameter), ...], "rank": 8}, {"params": [(name, parameter), ...], "rank": None}]'
)


OPTIONS = (
    *("params", "lr", "betas", "eps", "weight_decay", "projection", "rank", "refresh_every", "stagger"),
    *("exact_svd", "turn_moments", "scale", "project_update", "param_names", "initial_lr"),  # the last: schedulers'
)


def as_groups(given: Any) -> list[dict[str, Any]]:
    """Parameter groups {"params": [(name, parameter), ...], ...options}, from pairs or from groups.

    Raises TypeError for any other form, and ValueError where there is no parameter.
    """
    if isinstance(given, nn.Module | Tensor | str | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"got a {type(given).__name__}; {EXPECTED}")
    given = list(given)
    groups = given if given and all(isinstance(item, dict) for item in given) else [{"params": given}]
    return [as_group(group) for group in groups]


def as_group(group: Any) -> dict[str, Any]:
    """One parameter group with a list of pairs; raises as `as_groups` does."""
    pairs = group.get("params") if isinstance(group, dict) else None
    if isinstance(pairs, nn.Module | Tensor | str | Mapping) or not isinstance(pairs, Iterable):
        raise TypeError(f"a group has no list of pairs under 'params'; {EXPECTED}")
    pairs = list(pairs)
    if not pairs:
        raise ValueError(f"no parameters: an empty list, or a generator that was used up before; {EXPECTED}")
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise TypeError(f"got a {type(pair).__name__} where a pair (name, parameter) was expected; {EXPECTED}")
        if not isinstance(pair[1], Tensor):
            raise TypeError(f"{pair[0]}: got a {type(pair[1]).__name__}, not a parameter; {EXPECTED}")
    return {**group, "params": [tuple(pair) for pair in pairs]}


def check_group(group: Mapping[str, Any], known: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless a group can be trained with its options, beside the parameters known before it."""
    check_options(group)
    for key in group:
        if key not in OPTIONS:
            raise ValueError(f"{key}: no option of a group; {close_names(key, OPTIONS)}")
    names = {id(parameter): name for name, parameter in known.items()}
    taken = set(known)
    for name, parameter in group["params"]:
        if name in taken:
            raise ValueError(f"{name}: two parameters have this name; bases and saved states are matched by name")
        if id(parameter) in names:
            raise ValueError(f"{name}: it is the parameter {names[id(parameter)]} again; give it once")
        check_parameter(name, parameter, group)
        taken.add(name)
        names[id(parameter)] = name


def check_options(group: Mapping[str, Any]) -> None:
    """Raises ValueError for an option of a parameter group that is out of range."""
    for key, valid in (
        ("lr", group["lr"] >= 0),
        ("betas", all(0 <= beta < 1 for beta in group["betas"])),
        ("eps", group["eps"] > 0),
        ("weight_decay", group["weight_decay"] >= 0),
        ("projection", group["projection"] in PROJECTIONS),
        ("rank", group["rank"] is None or group["rank"] >= 1),
        ("refresh_every", group["refresh_every"] >= 1),
    ):
        if not valid:
            raise ValueError(f"{key}: {group[key]} is out of range")


def check_parameter(name: str, parameter: Tensor, group: Mapping[str, Any]) -> None:
    """Raises ValueError unless a parameter can be trained with the options of its group."""
    if not parameter.requires_grad:
        raise ValueError(
            f"{name}: it is frozen (requires_grad is False); leave it out, as by "
            "[(name, p) for name, p in model.named_parameters() if p.requires_grad]"
        )
    check_dtype(name, parameter)
    if parameter.dim() < 2 and group["rank"] is not None:
        raise ValueError(
            f"{name}: expected two or more dimensions, got {parameter.dim()}: it has no subspace; "
            f'put it into a group of its own: {{"params": [({name!r}, parameter)], "rank": None}}'
        )


def check_dtype(name: str, parameter: Tensor) -> None:
    """Raises ValueError unless a parameter is float32."""
    if parameter.dtype != torch.float32:
        raise ValueError(
            f"{name}: expected float32, got {parameter.dtype}: small steps are lost in fewer bits; "
            "train a copy in float32, or freeze it and leave it out"
        )


def check_basis(name: str, parameter: Tensor, group: Mapping[str, Any], basis: Tensor) -> None:
    """Raises ValueError unless a basis of earlier tasks fits a parameter and its projection."""
    if parameter.dim() < 2:
        raise ValueError(f"{name}: expected two or more dimensions, got {parameter.dim()}: it has no basis")
    size = parameter.shape[basis_mode(parameter.shape, PROJECTIONS[group["projection"]](parameter.shape))]
    if basis.dim() != 2 or basis.shape[0] != size:
        raise ValueError(f"{name}: expected a basis [{size}, directions], got {list(basis.shape)}")


def check_saved(saved: Mapping[str, Any], groups: Iterable[Mapping[str, Any]]) -> None:
    """Raises ValueError unless a saved state is one of the same parameters, by name, in the same groups and order.

    Only names could tell: torch puts states in by position.
    """
    groups = list(groups)
    advice = "create the optimizer with the same parameters, groups and order before it loads the state"
    for group in saved["param_groups"]:
        if "param_names" not in group:
            raise ValueError("the state has no names of parameters: it was not saved by a GorpAdamW")
    before = [name for group in saved["param_groups"] for name in group["param_names"]]
    now = [name for group in groups for name in group["param_names"]]
    if before != now:
        number = next((i for i, pair in enumerate(zip(before, now, strict=False)) if len(set(pair)) > 1), None)
        if number is None:
            raise ValueError(f"the state has {len(before)} parameters, the optimizer {len(now)}; {advice}")
        raise ValueError(f"the state has {before[number]} where the optimizer has {now[number]}; {advice}")
    if [len(group["params"]) for group in saved["param_groups"]] != [len(group["params"]) for group in groups]:
        raise ValueError(f"the state has the same parameters in other groups; {advice}")
    parameters = [parameter for group in groups for parameter in group["params"]]
    numbers = [number for group in saved["param_groups"] for number in group["params"]]
    for number, name, parameter in zip(numbers, now, parameters, strict=True):
        state = saved["state"].get(number, {})
        if "exp_avg" in state:
            subspaces = state.get("subspaces", {})
            shape = [
                len(subspaces[mode]) if mode in subspaces else size for mode, size in enumerate(state["exp_avg"].shape)
            ]
            if shape != list(parameter.shape):
                raise ValueError(f"{name}: the state has shape {shape}, the parameter {list(parameter.shape)}")
