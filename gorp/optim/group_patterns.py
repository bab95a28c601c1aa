"""Parameter groups for GorpAdamW from a model and two patterns."""

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from gorp.optim.parameter_groups import check_dtype
from gorp.util.errors import close_names

COPY = re.compile(r"\.modules_to_save\.[^.]+")  # peft's trained copy of a module, by adapter; it stands for the module


def parameter_groups(
    model: nn.Module,
    full_rank: str | None = None,
    lora: str | None = None,
    *,
    rank: int = 8,
    lr: float = 1e-3,
    full_rank_lr: float = 1e-5,
    **options: Any,
) -> list[dict[str, Any]]:
    """Chooses what is trained of a model, a peft model too, and freezes the rest; returns groups for `GorpAdamW`.

    Patterns are regular expressions that match a whole name, of a parameter or of its module, as `model.named_modules`
    has them; of a module that peft saves whole (`modules_to_save`) its own name counts.

    full_rank: what is trained in gradient subspaces of `rank`, at `full_rank_lr`. Of what matches, biases and other
        parameters of one dimension stay frozen.
    lora: what is trained without a subspace, at `lr`: LoRA factors, or any others.
    options: of the group of `full_rank`, such as `refresh_every` (see `GorpAdamW`).

    Raises ValueError, and changes nothing, if a pattern is invalid or matches nothing, one parameter is matched by
    both, or one is not float32.
    """
    if options and full_rank is None:
        raise ValueError(f"{', '.join(options)}: options of the group of full_rank, of which there is no pattern")
    chosen = {"full_rank": choose(model, full_rank, "full_rank", least=2), "lora": choose(model, lora, "lora", least=0)}
    if not any(chosen.values()):
        raise ValueError("full_rank, lora: give at least one pattern")
    if both := set(chosen["full_rank"]) & set(chosen["lora"]):
        raise ValueError(f"full_rank, lora: both patterns match {min(both)}; train a parameter in one way")
    trained = {**chosen["full_rank"], **chosen["lora"]}
    for name, parameter in trained.items():
        check_dtype(name, parameter)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameter in trained.values():
        parameter.requires_grad_(True)
    own = {"full_rank": {"lr": full_rank_lr, "rank": rank, **options}, "lora": {"lr": lr, "rank": None}}
    return [{"params": [*pairs.items()], **own[key]} for key, pairs in chosen.items() if pairs]


def choose(model: nn.Module, pattern: str | None, key: str, least: int) -> dict[str, nn.Parameter]:
    """Parameters of at least so many dimensions that a pattern matches, by name; ValueError if there are none."""
    if pattern is None:
        return {}
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{key}: '{pattern}' is not a regular expression: {error}") from None
    named = {name: p for name, p in model.named_parameters() if ".original_module." not in name}
    matched = {name: p for name, p in named.items() if any(map(expression.fullmatch, names_of(name)))}
    if not matched:
        raise ValueError(f"{key}: '{pattern}' matches no parameter or module; {advice(pattern, named)}")
    found = {name: p for name, p in matched.items() if p.dim() >= least}
    if not found:
        raise ValueError(f"{key}: '{pattern}' matches no matrix; {min(matched)} has one dimension: train it as lora")
    return found


def names_of(parameter: str) -> list[str]:
    """The names by which a parameter may be chosen: its own, and its module's; without what peft puts around it."""
    names = [parameter, COPY.sub("", parameter)]
    return [*names, *(name.rpartition(".")[0] for name in names)]


def advice(pattern: str, named: Iterable[str]) -> str:
    """What to do about a pattern that matches nothing."""
    modules = list(dict.fromkeys(names_of(name)[-1] for name in named))
    for name in modules:
        if name.endswith(".base_layer") and re.fullmatch(pattern, name.removesuffix(".base_layer")):
            return f"{name} is the weight that LoRA is put on: train a module in one way"
    wider = f".*({pattern})" if "|" in pattern else f".*{pattern}"
    if any(re.fullmatch(wider, name) for name in (*named, *modules)):
        return f"it has to match a whole name: did you mean '{wider}'?"
    kinds = dict.fromkeys(re.sub(r"\d+", "N", name) for name in modules)  # layers as one
    plain = re.sub(r"\\d\+?", "N", pattern).replace(".*", "").replace("\\", "").strip(".")
    ends = {name: ".".join(name.split(".")[-1 - plain.count(".") :]) for name in kinds}
    return close_names(plain, dict.fromkeys(ends.values()))
