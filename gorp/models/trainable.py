"""Checks from config.json alone, before anything costly runs, whether a model can be trained with some settings.

The workflow asks while it builds its graph. So torch is not loaded here: the linear modules of a model are found once,
on torch's meta device, in a process of its own, and kept as JSON under a key of all that they depend on.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gorp.config.model_names import SHIPPED, is_local
from gorp.config.settings import TrainSettings
from gorp.models.families import choose_modules, folded, refuse_both, refuse_tied
from gorp.util.errors import UserError
from gorp.util.files import write_json

if TYPE_CHECKING:
    from transformers import PretrainedConfig

PACKAGE = Path(__file__).resolve().parents[1]
CODE = ("models/trainable.py", "models/architecture.py")  # what the modules found depend on


@dataclasses.dataclass(frozen=True)
class Layers:
    """The linear modules of a model."""

    model_type: str
    shapes: dict[str, tuple[int, int]]  # (out, in) by module name, in model order
    tied: dict[str, str]  # modules whose weight is another module's too, and which
    positions: int | None = None  # tokens that it can read, prompt and answer together where it has no encoder
    encoder: bool = False
    refused: str | None = None  # why the model cannot be trained at all


def check_trainable(layers: Layers, settings: TrainSettings, full_rank_modules: str | None) -> None:
    """Raises UserError that names the key where a model cannot be trained with some settings.

    Each pattern has to match something, no module both ways, none that shares its weight; r may not be larger than the
    smaller side of a matrix, and no text longer than the model can read.
    """
    if layers.refused:
        raise UserError(layers.refused)
    lora = chosen_modules(layers, settings.lora_modules, "lora_modules")
    full_rank = chosen_modules(layers, full_rank_modules, "full_rank_modules") if full_rank_modules else []
    refuse_both(lora, full_rank)
    check_rank(layers, "lora_r", settings.lora_r, lora)
    check_length(layers, settings)


def chosen_modules(layers: Layers, pattern: str, key: str) -> list[str]:
    """The modules of a pattern. Raises UserError that names the key for none, or one that shares its weight."""
    names = choose_modules(layers.shapes, pattern, key, layers.model_type)
    refuse_tied(names, layers.tied, key)
    return names


def check_rank(layers: Layers, key: str, rank: int, names: Sequence[str]) -> None:
    """Raises UserError if a rank is larger than the smaller side of one of these matrices."""
    least = min(names, key=lambda name: min(layers.shapes[name]))
    out, into = layers.shapes[least]
    if rank > min(out, into):
        where = folded(name for name in names if tuple(layers.shapes[name]) == (out, into))[0]
        raise UserError(f"{key}: {rank} is larger than a side of {where}, {out} x {into}; at most {min(out, into)}")


def check_length(layers: Layers, settings: TrainSettings) -> None:
    """Raises UserError if the longest prompt and answer have more tokens than the model has positions."""
    source, target = settings.max_source_length, settings.max_target_length
    longest = max(source, target) if layers.encoder else source + target
    if layers.positions is not None and longest > layers.positions:
        raise UserError(
            f"max_source_length, max_target_length: {source} and {target} tokens are more than the model can read, "
            f"{layers.positions}{'' if layers.encoder else ' together'}"
        )


def read_layers(model: str, cache: Path) -> Layers | None:
    """The linear modules of a model, a folder, a name or a hub id, from its config.json; None where there is none here.

    The network is never tried: of a hub id the config ships with this package, or lies in the hub's local cache. What
    is found is kept in the folder `cache`, which may be deleted at any time.
    """
    file = config_file(model)
    if file is None:
        return None
    parts = [file.read_bytes(), importlib.metadata.version("transformers").encode()]
    parts += [(PACKAGE / name).read_bytes() for name in CODE]
    kept = cache / f"{hashlib.sha256(b'|'.join(parts)).hexdigest()[:16]}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Layers(**json.loads(kept.read_text(encoding="utf-8")))
    layers = find_or_refuse(model, file) if "torch" in sys.modules else find_layers_apart(model, file)
    if layers is not None and not layers.refused:  # which names the model
        with contextlib.suppress(OSError):  # a folder that cannot be written costs time alone
            cache.mkdir(parents=True, exist_ok=True)
            write_json(kept, dataclasses.asdict(layers))
    return layers


def config_file(model: str) -> Path | None:
    """The config.json of a model, as far as it is on this machine."""
    if is_local(model):
        file = Path(model).expanduser() / "config.json"
        return file if file.is_file() else None
    shipped = SHIPPED / f"{model}.json"
    if shipped.is_file():
        return shipped
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, "config.json")
    return Path(found) if isinstance(found, str) else None


def find_layers(config: "PretrainedConfig") -> Layers:
    """Builds a model of a config on torch's meta device and lists its linear modules.

    Raises UserError if it is none that can be trained here.
    """
    from gorp.models.architecture import linear_modules, on_meta, tied_modules

    base = on_meta(config)
    positions = getattr(config, "max_position_embeddings", None)
    return Layers(config.model_type, linear_modules(base), tied_modules(base), positions, config.is_encoder_decoder)


def find_or_refuse(model: str, file: Path) -> Layers:
    """`find_layers` of a config file; a refusal is part of the answer, which can be kept."""
    from gorp.models.architecture import read_config

    try:
        return find_layers(read_config(file, model))
    except UserError as error:
        return Layers("", {}, {}, refused=str(error))


def find_layers_apart(model: str, file: Path) -> Layers | None:
    """`find_or_refuse` in another process, so that torch does not stay in the memory of this one; None if it fails."""
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from gorp.models.trainable import tell; tell(*sys.argv[1:])",
            model,
            str(file),
        ],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    return Layers(**json.loads(done.stdout)) if done.returncode == 0 else None


def tell(model: str, file: str) -> None:
    """Prints `find_or_refuse` as JSON."""
    print(json.dumps(dataclasses.asdict(find_or_refuse(model, Path(file)))))
