"""The architecture of a base model, read without its weights: its class and its linear modules.

The config.json of the presets' models and of those that the workflow makes ship with the package: the files of a
published model do not change, and so neither a network nor the permission that some of them ask for is needed.
"""

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.pytorch_utils import Conv1D

from gorp.config.model_names import SHIPPED, is_local
from gorp.util.errors import UserError


def read_architecture(model: str) -> PretrainedConfig:
    """The config of a folder, of a model that ships with the package or is made by the workflow, or of a hub id.

    Raises UserError if a folder is not there or has no config, or the hub cannot be reached.
    """
    local = is_local(model)
    source = Path(model).expanduser() if local else SHIPPED / f"{model}.json"
    if local and not source.is_dir():
        raise UserError(f"model: {model}: no such folder")
    return read_config(source if source.exists() else model, model)


def read_config(source: Path | str, name: str) -> PretrainedConfig:
    """The config in a file or a folder, or of a hub id; `name` is that of the model. Raises UserError if it fails."""
    try:
        # without code of the model's own, for which transformers would ask at the terminal
        config = AutoConfig.from_pretrained(source, local_files_only=isinstance(source, Path), trust_remote_code=False)
    except (OSError, ValueError) as error:
        if "trust_remote_code" in str(error):
            raise UserError(f"model: {name} comes with its own code, which is never run") from None
        where = "" if isinstance(source, Path) else "there is no such folder; from the hub: "
        raise UserError(f"model: the config of {name} cannot be read: {where}{str(error).splitlines()[0]}") from error
    config._name_or_path = name
    return config


def model_class(config: PretrainedConfig, name: str) -> type[AutoModelForCausalLM | AutoModelForSeq2SeqLM]:
    """The class that loads a model. Raises UserError, with the name given, if it cannot be trained here."""
    what = f"model: {name}: a model of type {config.model_type!r}"
    if getattr(config, "quantization_config", None):
        raise UserError(f"model: {name}: its weights are quantized and cannot be trained; use the original model")
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    if type(config) not in kind._model_mapping:
        raise UserError(f"{what} generates no text; a decoder-only or an encoder-decoder model is needed")
    if config.is_encoder_decoder:
        return kind
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise UserError(f"{what} fills gaps in a text that it sees as a whole; one that generates text is needed")
    loaded: Any = kind._model_mapping[type(config)]  # the class that the auto class stands for
    accepted = inspect.signature(loaded.forward).parameters
    for argument in ("position_ids", "logits_to_keep"):
        if argument not in accepted:
            raise UserError(f"{what} takes no {argument}, which prompts of different lengths in one batch need")
    return kind


def build_base(config: PretrainedConfig, dtype: str) -> PreTrainedModel:
    """A model of a config, with random weights ("float32" or "bfloat16"), frozen and in eval mode.

    Raises UserError if it is none that can be trained here.
    """
    kind = model_class(config, str(config.name_or_path))
    return kind.from_config(config, dtype=getattr(torch, dtype)).requires_grad_(False).eval()


def on_meta(config: PretrainedConfig, dtype: str = "float32") -> PreTrainedModel:
    """`build_base` on torch's meta device, where weights take no memory."""
    with torch.device("meta"):
        return build_base(config, dtype)


def stored_by_columns(module: nn.Module) -> bool:
    """Whether a linear module, or the one inside a LoRA layer, has its weight as [in, out], as in GPT-2."""
    return isinstance(getattr(module, "base_layer", module), Conv1D)


def linear_modules(base: nn.Module) -> dict[str, tuple[int, int]]:
    """(out, in) of each linear module by name, in model order."""
    shapes = {}
    for name, module in base.named_modules():
        if isinstance(module, nn.Linear | Conv1D):
            out, into = module.weight.mT.shape if stored_by_columns(module) else module.weight.shape
            shapes[name] = (out, into)
    return shapes


def tied_modules(base: nn.Module) -> dict[str, str]:
    """The linear modules whose weight is another module's too, and the name of one such module."""
    owners: dict[nn.Parameter, list[str]] = {}
    for name, parameter in base.named_parameters(remove_duplicate=False):
        owners.setdefault(parameter, []).append(name.removesuffix(".weight"))
    tied: dict[str, str] = {}
    for names in owners.values():
        tied |= {name: next(other for other in names if other != name) for name in names if len(set(names)) > 1}
    return {name: tied[name] for name in linear_modules(base) if name in tied}
