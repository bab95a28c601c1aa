"""Telling the names of base models apart: ones that the workflow makes, folders, hub ids. Standard library only."""

import importlib.metadata
import re
from pathlib import Path

from gorp.util.errors import UserError

EMBEDDED = ("tiny-t5", "tiny-llama")  # pretrained on the bundled text
MADE = (*EMBEDDED, "smollm2-135m")  # the workflow makes these itself
SHIPPED = (
    Path(__file__).resolve().parents[1] / "models/architectures"
)  # NAME.json or OWNER/NAME.json: config.json of some models
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
LOCAL = "initial_model"  # the folder in which O-LoRA's and GORP's original code look for their models
WEIGHTS = (".safetensors", ".bin")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
READERS = ("sentencepiece", "protobuf")  # packages that read the two that end with .model


# what `gorp base` makes, in the folder of a model
BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "digests.json")


def is_local(model: str) -> bool:
    """True if `model` means a folder rather than a hub id (`owner/name`).

    It does if it is one, is written like a path, begins with `initial_model/`, or its first folder is there.
    """
    if Path(model).expanduser().is_dir() or not HUB_ID.fullmatch(model):
        return True
    first, slash, _ = model.partition("/")
    return bool(slash) and (first == LOCAL or Path(first).is_dir())


def tidy(place: str) -> str:
    """A folder by its path from here where it lies below, in full elsewhere; names that are no folders as they are."""
    if not is_local(place):
        return place
    full, here = Path(place).expanduser().resolve(), Path().resolve()
    return str(full.relative_to(here) if full.is_relative_to(here) else full)


def check_model(model: str) -> None:
    """Raises UserError if `model` means a folder and is none with a saved model; hub ids are checked when loaded."""
    if model in MADE or not is_local(model):
        return
    folder = Path(model).expanduser()
    if not folder.is_dir():
        hint = f"give {', '.join(MADE)}, a folder with a saved model, or a hub id"
        if HUB_ID.fullmatch(model) and Path(model).parent.is_dir():
            hint = f"{model.partition('/')[0]} is a folder here, so this is not taken for a hub id"
        raise UserError(f"model: {model}: no such folder; {hint}")
    if not (folder / "config.json").is_file():
        inner = sorted(str(path.parent) for path in folder.glob("*/config.json"))
        hint = f"; did you mean {' or '.join(inner[:3])}?" if inner else ""
        if (folder / "params.json").is_file():
            hint = "; these files are in Meta's format: use those in transformers' format, NAME-hf"
        raise UserError(f"model: {model}: the folder has no config.json, as a saved transformers model has{hint}")
    if not any(path.suffix in WEIGHTS for path in folder.iterdir()):
        raise UserError(f"model: {model}: the folder has no weights, {' or '.join('*' + end for end in WEIGHTS)}")


def model_source(model: str) -> tuple[str, bool]:
    """What `from_pretrained` is to load, and whether it is local. Raises UserError if a local folder is not there."""
    if not is_local(model):
        if model in MADE:
            folder = f"results/models/{model}"
            raise UserError(f"model: {model}: give the folder that `gorp base --name {model} --output {folder}` makes")
        return model, False
    if not Path(model).expanduser().is_dir():
        check_model(model)
    return str(Path(model).expanduser()), True


def tokenizer_problem(folder: str) -> str | None:
    """Why a tokenizer cannot be loaded from a folder, where its files tell, after an attempt failed."""
    there = [name for name in TOKENIZERS if (Path(folder) / name).is_file()]
    if not there:
        return f"the folder has none: {', '.join(TOKENIZERS[:-1])} or {TOKENIZERS[-1]}"
    if not there[0].endswith(".model"):
        return f"{there[0]} cannot be read; is it complete?" if there[0] == "tokenizer.json" else None
    missing = [name for name in READERS if not installed(name)]
    return f"{there[0]} needs: pip install {' '.join(missing)}" if missing else f"{there[0]} is no SentencePiece model"


def installed(package: str) -> bool:
    """Whether a package is installed."""
    try:
        return bool(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return False
