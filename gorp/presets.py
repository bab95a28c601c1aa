"""The workflow's configuration, read without Snakemake: a preset laid over config.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gorp.errors import UserError, close_names
from gorp.settings import TrainSettings, make_settings, parse_assignments, used_settings

DEFAULTS = Path("config.yaml")  # as Snakemake reads it: in the working directory
REPOSITORY = Path(__file__).resolve().parent.parent


def read_preset(preset: Path) -> dict[str, Any]:
    """config.yaml of the working directory, or else of the repository, with a preset laid over it key by key.

    Raises UserError if a file is missing or is not a mapping, or the preset has a key that config.yaml has not.
    """
    defaults = read_yaml(DEFAULTS if DEFAULTS.is_file() else REPOSITORY / DEFAULTS)
    over = read_yaml(preset)
    for key in over:
        if key not in defaults:
            raise UserError(f"{preset}: {key}: not a key of config.yaml; {close_names(key, defaults)}")
    return laid_over(defaults, over)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping. Raises UserError if it does not, or is not there."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected KEY: VALUE lines")
    return content


def laid_over(defaults: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `over` in place of those of `defaults`; mappings are merged, anything else is replaced."""
    merged = dict(defaults)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = laid_over(merged[key], value) if both else value
    return merged


def training_of(config: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """(method, training settings) of a method or variant of a config; without the overrides of single stages."""
    own = dict(config["variants"].get(name, {"method": name}))
    return own.pop("method"), {**config["training"], **own}


def asked_training(
    preset: Path | None, model: str | None, name: str | None, dtype: str | None, assignments: list[str]
) -> tuple[str, str, TrainSettings, str]:
    """(model, method, settings, dtype) of a training, from a preset, from what is asked for beside it, or both.

    `name` is a method, or a variant of the preset. Raises UserError if something is missing, unknown or out of range.
    """
    changes = parse_assignments(assignments)
    if preset is None:
        if model is None or name is None:
            raise UserError("give --preset FILE, or --model and --method")
        return model, name, make_settings(name, changes), dtype or "float32"
    config = read_preset(preset)
    method, values = training_of(config, name or config["methods"][0])
    settings = make_settings(method, {**used_settings(method, values), **changes})
    return model or config["model"], method, settings, dtype or config["dtype"]
