"""The workflow's configuration, read without Snakemake: a preset laid over config.yaml."""

from pathlib import Path
from typing import Any

from gorp.config.checked import checked_config, read_schema
from gorp.config.orders import kept
from gorp.config.settings import TrainSettings, make_settings, parse_assignments
from gorp.config.variants import distinct, stages_of, training_settings, variant
from gorp.util.errors import UserError, close_names
from gorp.util.places import HOME
from gorp.util.yaml_files import laid_over, read_yaml

DEFAULTS = Path("config.yaml")  # as Snakemake reads it: in the working directory


def read_preset(preset: Path) -> dict[str, Any]:
    """config.yaml of the working directory, or else of the repository, with a preset laid over it key by key.

    Raises UserError if a file is missing or is not a mapping, the preset has a key that config.yaml has not, or a value
    is none that the workflow takes.
    """
    defaults = read_yaml(DEFAULTS if DEFAULTS.is_file() else HOME / DEFAULTS)
    over = read_yaml(preset)
    for key in over:
        if key not in defaults:
            raise UserError(f"{preset}: {key}: not a key of config.yaml; {close_names(key, defaults)}")
    try:
        return checked_config(laid_over(defaults, over), read_schema())
    except UserError as error:
        raise UserError("\n".join(f"{preset}: {line}" for line in str(error).splitlines())) from None


def asked_training(
    preset: Path | None,
    model: str | None,
    name: str | None,
    dtype: str | None,
    assignments: list[str],
    suite: str | None = None,
    stage: str | None = None,
) -> tuple[str, str, TrainSettings, str]:
    """(model, method, settings, dtype) of a training, from a preset, from what is asked for beside it, or both.

    `name` is a method, or a variant of the preset; `suite` and `stage` choose among the preset's overrides (without
    them: its first suite, and what holds for all its stages). Raises UserError if something is missing, unknown or out
    of range.
    """
    changes = parse_assignments(assignments)
    if preset is None:
        if model is None or name is None:
            raise UserError("give --preset FILE, or --model and --method")
        if suite or stage:
            raise UserError("--suite and --stage choose among the overrides of a preset; give --preset FILE")
        return model, name, make_settings(name, changes), dtype or "float32"
    config = read_preset(preset)
    orders = kept(config["orders"])
    suite = suite or next(iter(orders))
    if suite not in orders:
        raise UserError(f"--suite: no suite {suite!r}; {close_names(suite, orders)}")
    if stage and stage not in (stages := stages_of(orders[suite])):
        raise UserError(f"--stage: no order of {suite} has the stage {stage!r}; {close_names(stage, stages)}")
    name = name or config["methods"][0]
    method, settings = variant(config, name)[0], training_settings(config, suite, name, stage)
    return model or config["model"], method, make_settings(method, {**settings, **changes}), dtype or config["dtype"]


def other_settings(preset: Path) -> list[str]:
    """The options of `gorp plan` that ask for each of a preset's different settings, with what its overrides change."""
    lines = []
    for suite, stage, changed in distinct(read_preset(preset)):
        options = f"--suite {suite}" + (f" --stage {stage}" if stage else "")
        lines.append(f"{options}: " + (" ".join(f"{key}={value}" for key, value in changed.items()) or "no overrides"))
    return lines if len(set(line.partition(": ")[2] for line in lines)) > 1 else []
