"""What is trained on a base model: LoRA by peft, and the full-rank matrices."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from torch import Tensor, nn
from transformers import PreTrainedModel

from gorp.config.settings import TrainSettings
from gorp.models.architecture import linear_modules, stored_by_columns, tied_modules
from gorp.models.families import choose_modules, refuse_both, refuse_tied
from gorp.models.stage import Stage
from gorp.optim.projection import full_precision, remove
from gorp.parallel.zero3 import shard
from gorp.util.errors import UserError

CURRENT, PREVIOUS = "current", "previous"  # peft's names of the factors being trained, and of the frozen ones before


@dataclass(frozen=True)
class Adapted:
    """A base model with adapters attached, and its trained parameters by name.

    Names are those of the base model's modules, such as `encoder.block.0.layer.0.SelfAttention.q.lora_A` (LoRA) or
    `decoder.block.0.layer.1.EncDecAttention.q.weight` (full rank).
    """

    model: PeftModel
    lora: dict[str, nn.Parameter]
    full_rank: dict[str, nn.Parameter]

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        return {**self.lora, **self.full_rank}

    @property
    def saved_whole(self) -> dict[str, Tensor]:
        """The full-rank matrices, and in fp32 the frozen biases of their modules: peft loads a module as a whole."""
        tensors: dict[str, Tensor] = {**self.full_rank}
        for name in self.full_rank:
            module: Any = base_of(self.model).get_submodule(name.removesuffix(".weight"))
            if module.bias is not None:
                tensors[f"{name.removesuffix('.weight')}.bias"] = module.bias.float()
        return tensors


def base_of(model: PeftModel) -> PreTrainedModel:
    """The base model inside, with its adapters."""
    return cast(PreTrainedModel, model.get_base_model())


def matching_modules(base: PreTrainedModel, pattern: str, key: str) -> list[str]:
    """Names of the linear modules that a pattern matches whole, in model order; "auto" is that of the model's family.

    Raises UserError that names the settings key where the expression is invalid or matches none, or where a module
    shares its weight with another one, such as an output layer with the embeddings.
    """
    names = choose_modules(linear_modules(base), pattern, key, base.config.model_type)
    refuse_tied(names, tied_modules(base), key)
    return names


def attach(
    base: PreTrainedModel,
    settings: TrainSettings,
    full_rank_modules: str | None,
    parent: Stage | None,
    new_lora: bool,
    zero: Mapping[str, Any] | None = None,
    keep_factors: bool = False,
) -> Adapted:
    """Puts trainable LoRA factors and full-rank matrices on a frozen base model, on top of what `parent` has learnt.

    With `new_lora` the parent's factors are frozen: merged into the weights where they can be (`merges`), or beside the
    new ones with `keep_factors`. Else they are trained on. The full-rank matrices are trained in fp32. With `zero` the
    base model is sharded, see `gorp.parallel.zero3`.
    Raises UserError if a module pattern matches nothing, or one module is matched for LoRA and for full rank.
    """
    lora_names = matching_modules(base, settings.lora_modules, "lora_modules")
    full_names = matching_modules(base, full_rank_modules, "full_rank_modules") if full_rank_modules else []
    refuse_both(lora_names, full_names)
    if parent is not None:
        check_modules(base, parent, lora_names, full_names)
        load_full_rank(base, parent)
        if merged := new_lora and not keep_factors and merges(base):
            merge_lora(base, parent)
    if zero is not None:  # what the parent has learnt is in the weights already, what is trained is not there yet
        shard(base, full_names, zero)
    config = lora_config(base, settings.lora_r, settings.lora_alpha, lora_names, settings.lora_dropout)
    model = get_peft_model(base, config, adapter_name=CURRENT)
    if parent is not None and not merged:
        add_parent_lora(model, parent, settings, new_lora)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(f".{CURRENT}." in name)
    full_rank, lora = {}, {}
    for name in full_names:
        module: Any = base_of(model).get_submodule(name)
        module.weight = nn.Parameter(module.weight.float())
        full_rank[f"{name}.weight"] = module.weight
    for name in lora_names:
        module = base_of(model).get_submodule(name)
        lora[f"{name}.lora_A"] = module.lora_A[CURRENT].weight
        lora[f"{name}.lora_B"] = module.lora_B[CURRENT].weight
    return Adapted(model, lora, full_rank)


def lora_config(
    base: PreTrainedModel, r: int, alpha: float, names: list[str], dropout: float, full_rank: list[str] | None = None
) -> LoraConfig:
    """peft's configuration of LoRA on exactly the named modules."""
    kind = "SEQ_2_SEQ_LM" if base.config.is_encoder_decoder else "CAUSAL_LM"
    return LoraConfig(
        r=r,
        lora_alpha=alpha,  # type: ignore[arg-type]  # peft takes fractions too
        lora_dropout=dropout,
        target_modules="|".join(re.escape(name) for name in names),
        modules_to_save=full_rank or None,
        fan_in_fan_out=any(stored_by_columns(base.get_submodule(name)) for name in names),
        task_type=kind,
        base_model_name_or_path=base.name_or_path,
    )


def check_modules(base: PreTrainedModel, parent: Stage, lora_names: list[str], full_names: list[str]) -> None:
    """Raises UserError unless the parent was made for this base model and has learnt in the same modules."""
    shapes = linear_modules(base)
    for key, value in parent.tensors.items():
        name = (
            key.removeprefix("base_model.model.").partition(".lora_")[0].removesuffix(".weight").removesuffix(".bias")
        )
        out, into = shapes.get(name, (None, None))
        if ".lora_A." in key:
            fits = value.shape[1] == into
        elif ".lora_B." in key or key.endswith(".bias"):
            fits = value.shape[0] == out
        else:
            fits = out is not None and value.shape == base.get_submodule(name).weight.shape
        if not fits:
            raise UserError(f"{parent.folder}: made for another base model: {key} does not fit it")
    learnt = {name.removesuffix(".weight") for name in parent.full_rank}
    for key, own, before in (
        ("lora_modules", lora_names, parent.lora_modules),
        ("full_rank_modules, full_rank", full_names, learnt),
    ):
        for name in sorted(set(own) ^ set(before)):
            raise UserError(f"{key}: {name} is trained by only one of this stage and {parent.folder}; keep the modules")


def load_full_rank(base: PreTrainedModel, parent: Stage) -> None:
    """Puts a stage's full-rank matrices, fp32, into the base model."""
    for name, weight in parent.full_rank.items():
        base.get_submodule(name.removesuffix(".weight")).weight = nn.Parameter(weight.to(base.device, copy=True))


def merges(base: PreTrainedModel) -> bool:
    """Whether frozen LoRA factors can be added to the weights, so that a step costs the same after any number of tasks.

    A bf16 weight would round them away, and has them beside it, as a second adapter.
    """
    return base.dtype == torch.float32


@torch.no_grad()
@full_precision()
def merge_lora(base: PreTrainedModel, parent: Stage) -> None:
    """Adds a stage's LoRA of all tasks, (alpha / r) B A, to the weights of a base model."""
    for name in parent.lora_modules:
        module: Any = base.get_submodule(name)
        W_oi = module.weight.mT if stored_by_columns(module) else module.weight
        A_ri, B_or = (
            parent.tensors[f"base_model.model.{name}.lora_{factor}.weight"].to(W_oi.device) for factor in "AB"
        )
        W_oi.addmm_(B_or, A_ri, alpha=parent.lora_alpha / parent.lora_r)


def add_parent_lora(model: PeftModel, parent: Stage, settings: TrainSettings, new_lora: bool) -> None:
    """Loads a stage's LoRA factors: as a frozen second adapter, or into the one being trained."""
    if new_lora:
        names = list(parent.lora_modules)
        model.add_adapter(PREVIOUS, lora_config(base_of(model), parent.lora_r, parent.lora_alpha, names, 0.0))
        tuner: Any = model.base_model
        tuner.set_adapter([CURRENT, PREVIOUS])
    elif (parent.lora_r, parent.lora_alpha) != (settings.lora_r, settings.lora_alpha):
        raise UserError(
            f"lora_r, lora_alpha: {settings.lora_r}, {settings.lora_alpha} differ from the {parent.lora_r}, "
            f"{parent.lora_alpha} of {parent.folder}, whose factors this method trains on"
        )
    missing: Any = set_peft_model_state_dict(model, parent.lora_state(), PREVIOUS if new_lora else CURRENT)
    if missing.unexpected_keys:
        raise UserError(f"{parent.folder}: made for another base model: no module for {missing.unexpected_keys[0]}")


def concatenated_lora(
    adapted: Adapted, parent: Stage | None, new_lora: bool
) -> tuple[Mapping[str, Tensor], int, float]:
    """The LoRA of all tasks so far in peft's naming, as one adapter: (tensors, r, lora_alpha).

    Frozen and trained factors are stacked along the rank: A [r', in], B [out, r'], with lora_alpha grown alike so
    that alpha / r, the scaling, stays. Where the parent's scaling differs, its B is rescaled.
    """
    config = adapted.model.peft_config[CURRENT]
    assert isinstance(config, LoraConfig)
    scaling = config.lora_alpha / config.r
    frozen = parent if new_lora else None
    state = {}
    for name, parameter in adapted.lora.items():
        key = f"base_model.model.{name}.weight"
        parts = [parameter.detach().cpu()]
        if frozen is not None:
            old = frozen.tensors[key]
            factor = frozen.lora_alpha / frozen.lora_r / scaling if name.endswith("lora_B") else 1.0
            parts.insert(0, old * factor)
        state[key] = torch.cat(parts, dim=0 if name.endswith("lora_A") else 1)
    r = config.r + (frozen.lora_r if frozen is not None else 0)
    return state, r, r * scaling


@torch.no_grad()
@full_precision()
def start_outside(lora: Mapping[str, nn.Parameter], bases: Mapping[str, Tensor]) -> None:
    """Takes the space out of LoRA A's random start, in place: with projected updates B A S = 0 then holds exactly."""
    for name, parameter in lora.items():
        if name in bases and name.endswith(".lora_A"):  # B starts at zero
            parameter.copy_(remove(parameter, bases[name], mode=1))
