"""A nested state of tensors and numbers in one safetensors file that vouches for itself. Nothing is pickled.

Tensors stand in the file by number. Its metadata hold all else as JSON, the key that the state belongs to, and a
SHA-256 over the key, the JSON and the tensors.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gorp.util.files import replacing

PLAIN = (bool, int, float, str, type(None))


class DamagedState(Exception):
    """A file does not hold the state that was asked for; the message says why, without the file's name."""


def save_state(path: Path, state: Any, key: str) -> None:
    """Writes nested dicts, lists and tuples of tensors, numbers, texts and None, atomically; it is on disk at the end.

    Raises TypeError for a value of another type.
    """
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(encode(state, tensors))
    metadata = {"key": key, "structure": structure, "sha256": digest(key, structure, tensors)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())


def read_state(path: Path, key: str) -> Any:
    """What `save_state` wrote, bit for bit: types, dtypes and strides as they were, tensors on the CPU.

    Raises DamagedState unless the file is whole, unchanged and saved under the same key.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise DamagedState(f"it cannot be read: {error}") from None
    structure = metadata.get("structure", "")
    if metadata.get("sha256") != digest(metadata.get("key", ""), structure, tensors):
        raise DamagedState("its content does not match the SHA-256 saved with it")
    if metadata.get("key") != key:
        raise DamagedState("it was saved by another training")
    return decode(json.loads(structure), tensors)


def encode(value: Any, tensors: dict[str, Tensor]) -> Any:
    """A value as JSON can hold it; its tensors are added to `tensors` under the numbers that stand for them."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous()
        return {"tensor": name, "stride": value.stride()}
    if isinstance(value, Mapping):  # keys may be numbers, which JSON would turn into texts
        return {"dict": [[key, encode(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [encode(item, tensors) for item in value]}
    if isinstance(value, PLAIN):
        return value
    raise TypeError(f"a state cannot hold {type(value).__name__}")


def decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The value that `encode` was given."""
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        saved = tensors[value["tensor"]]
        # in memory of its own and laid out as it was: the last bits of a product depend on both
        return torch.empty_strided(saved.shape, value["stride"], dtype=saved.dtype).copy_(saved)
    ((kind, items),) = value.items()
    if kind == "dict":
        return {key: decode(item, tensors) for key, item in items}
    decoded = [decode(item, tensors) for item in items]
    return tuple(decoded) if kind == "tuple" else decoded


def digest(key: str, structure: str, tensors: Mapping[str, Tensor]) -> str:
    """Hexadecimal SHA-256 over all that a file holds."""
    named = sorted(tensors.items())
    kinds = [[name, str(tensor.dtype), list(tensor.shape)] for name, tensor in named]
    total = hashlib.sha256(json.dumps([key, structure, kinds]).encode())
    for _, tensor in named:
        total.update(tensor.reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]  # a buffer, to Python 3.12
    return total.hexdigest()
