"""The LoRA factors that one task trained, alone: an adapter that stock peft loads, in a folder of the stage.

The folder stands among those of later tasks. Names of tasks begin with a letter or a digit, so none can be its.
For a method that trains one pair of factors on, they are the whole LoRA.
"""

import copy
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from peft import LoraConfig
from torch import Tensor

from gorp.config.result_paths import NEW_LORA_FILES
from gorp.util.files import replacing, write_json


def write_new_lora(stage: Path, config: LoraConfig, lora: Mapping[str, Tensor]) -> None:
    """Writes the adapter below a stage's folder; `lora` in peft's naming, `config` that of the whole, to scale by."""
    r = next(len(factor) for name, factor in lora.items() if ".lora_A." in name)
    own = copy.copy(config)
    own.r, own.modules_to_save = r, None
    own.lora_alpha = config.lora_alpha / config.r * r  # type: ignore[assignment]  # peft takes fractions too
    write_tensors(stage / NEW_LORA_FILES[0], lora)
    write_config(stage / NEW_LORA_FILES[1], own)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """A safetensors file, whole or not at all."""
    with replacing(path) as temporary:
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        safetensors.torch.save_file(whole, temporary, metadata={"format": "pt"})


def write_config(path: Path, config: LoraConfig) -> None:
    """peft's configuration as JSON, keys sorted, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        config.save_pretrained(scratch)
        written = json.loads((Path(scratch) / path.name).read_text(encoding="utf-8"))
    write_json(path, dict(sorted(written.items())))
