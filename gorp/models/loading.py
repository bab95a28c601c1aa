"""Base models: loading one with its tokenizer, and the context to run it in."""

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gorp.config.model_names import check_model, model_source
from gorp.data.tokenizers import load_tokenizer
from gorp.models.architecture import model_class, read_config
from gorp.models.base_digests import check_digests
from gorp.parallel import processes
from gorp.util.errors import UserError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_base(model: str, dtype: str = "float32") -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A pretrained model ("float32" or "bfloat16"), frozen and in eval mode, and its tokenizer; a folder or a hub id.

    The model is on this process's device.

    Raises UserError if a local path is not there (the network is not tried), the model cannot be loaded, or a file is
    not as `gorp base` made it.
    """
    source, local = model_source(model)
    check_digests(source)
    check_model(model)
    try:
        config = read_config(Path(source) if local else source, model)
        kind = model_class(config, model)
        options = {"config": config, "dtype": DTYPES[dtype], "local_files_only": local}
        options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
        loaded: Any = kind.from_pretrained(source, **options)
        base, found = loaded
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"model: {model} cannot be loaded: {str(error).splitlines()[0]}") from error
    random = sorted({*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])})
    if random:
        raise UserError(
            f"model: {model}: its weights are not those of the {config.model_type} in its config.json: "
            f"{random[0]}, and {len(random) - 1} more, are missing or of another shape"
        )
    return base.requires_grad_(False).eval().to(processes.device()), load_tokenizer(model)


def autocast(model: PreTrainedModel | PeftModel) -> torch.autocast:
    """The context in which to run a model: products in bf16 where the base model is, so that fp32 parts fit in."""
    return torch.autocast(model.device.type, torch.bfloat16, enabled=model.dtype == torch.bfloat16)
