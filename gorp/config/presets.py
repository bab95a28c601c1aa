"""The workflow's configuration, read without Snakemake: a preset laid over config.yaml."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gorp.config.checked import checked_config, read_schema
from gorp.config.settings import Kinds, TrainSettings, make_settings
from gorp.config.variants import Trainings
from gorp.util.errors import UserError, close_names
from gorp.util.places import HOME
from gorp.util.yaml_files import laid_over, read_yaml

DEFAULTS = Path("config.yaml")  # as Snakemake reads it: in the working directory


Known = Callable[[Mapping[str, Any]], Kinds]  # gives the settings classes of the methods that a config may use


def read_preset(preset: Path, known: Known) -> Trainings:
    """The trainings of a preset, laid key by key over config.yaml of the working directory, or else of the repository.

    Raises UserError if a file is missing or is not a mapping, the preset has a key that config.yaml has not, or a value
    is none that the workflow takes.
    """
    defaults = read_yaml(DEFAULTS if DEFAULTS.is_file() else HOME / DEFAULTS)
    over = read_yaml(preset)
    for key in over:
        if key not in defaults:
            raise UserError(f"{preset}: {key}: not a key of config.yaml; {close_names(key, defaults)}")
    merged = laid_over(defaults, over)
    try:
        kinds = known(merged)
        return Trainings(checked_config(merged, read_schema(kinds)), kinds)
    except UserError as error:
        raise UserError("\n".join(f"{preset}: {line}" for line in str(error).splitlines())) from None


def preset_training(
    preset: Path, known: Known, changes: Mapping[str, Any], name: str | None, suite: str | None, stage: str | None
) -> tuple[str, str, TrainSettings, str]:
    """(model, method, settings, dtype) of a training of a preset, with some settings changed.

    `name` is a method or a variant (None: the first); `suite` and `stage` choose among the preset's overrides (None:
    its first suite, and what holds for all its stages). Raises UserError if something is unknown or out of range.
    """
    trainings = read_preset(preset, known)
    config = trainings.config
    suite = suite or next(iter(trainings.orders))
    if suite not in trainings.orders:
        raise UserError(f"--suite: no suite {suite!r}; {close_names(suite, trainings.orders)}")
    if stage and stage not in (stages := trainings.stages[suite]):
        raise UserError(f"--stage: no order of {suite} has the stage {stage!r}; {close_names(stage, stages)}")
    name = name or config["methods"][0]
    method = trainings.variant(name)[0]
    values = {**trainings.settings(suite, name, stage), **changes}
    return config["model"], method, make_settings(method, trainings.kinds[method], values), config["dtype"]


def other_settings(preset: Path, known: Known) -> list[str]:
    """The options of `gorp plan` that ask for each of a preset's different settings, with what its overrides change."""
    lines = []
    for suite, stage, changed in read_preset(preset, known).distinct():
        options = f"--suite {suite}" + (f" --stage {stage}" if stage else "")
        lines.append(f"{options}: " + (" ".join(f"{key}={value}" for key, value in changed.items()) or "no overrides"))
    return lines if len(set(line.partition(": ")[2] for line in lines)) > 1 else []
