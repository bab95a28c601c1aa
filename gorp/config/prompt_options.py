"""The options of `gorp preprocess` that a config asks for."""

from collections.abc import Mapping
from typing import Any


def prompt_options(prompts: Mapping[str, Any], split: str, several: bool) -> list[str]:
    """The options of `gorp preprocess` that change the rows of a split; several: whether the task has instructions to
    choose from."""
    options = {"shots": prompts["shots"], "min-rows": prompts["min_rows"] if split == "train" else 0}
    drawn = any(options.values())
    if several and prompts["instruction"] != 1:
        options["instruction"] = prompts["instruction"]
        drawn = drawn or prompts["instruction"] == "drawn"
    if drawn:
        options["seed"] = prompts["seed"]
    left_out = [f"--no-{name.replace('_', '-')}" for name in ("dataset_name", "task_name") if not prompts[name]]
    return [*(f"--{key}={value}" for key, value in sorted(options.items()) if value), *left_out]
