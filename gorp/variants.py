"""What a training depends on: a method or variant of it, the settings of the config, and the overrides of its stage.

A config is what `gorp.run_config.checked_config` gives. Loads neither torch nor pandas, so that the workflow can use it
while it builds its graph.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gorp.errors import UserError, close_names
from gorp.orders import kept
from gorp.settings import SETTINGS, make_settings, used_settings
from gorp.trainable import Layers, check_trainable
from gorp.zero_config import read_zero_config

Config = Mapping[str, Any]


def variant(config: Config, name: str) -> tuple[str, dict[str, Any]]:
    """(method, settings changed) behind a name in `methods:`: a variant of the config, or a method itself.

    Raises UserError for a name that is neither.
    """
    if name in config["variants"]:
        own = dict(config["variants"][name])
        return own.pop("method"), own
    if name not in SETTINGS:
        raise UserError(f"methods: no method {name!r}; {close_names(name, [*SETTINGS, *config['variants']])}")
    return name, {}


def fits(override: Mapping[str, Any], suite: str, stage: str | None) -> bool:
    """Whether an override is for a stage; stage None: whether it is for all stages of a suite."""
    if override.get("suite", suite) != suite:
        return False
    if stage is None:
        return "task" not in override and "stage" not in override
    task = stage.rpartition("/")[2]
    return override.get("task", task) == task and bool(re.fullmatch(override.get("stage", ".*"), stage))


def overrides_of(config: Config, suite: str, stage: str | None) -> dict[str, Any]:
    """Settings that the config changes for a stage, or for a whole suite (stage None): the later of two wins."""
    changed: dict[str, Any] = {}
    for override in config["overrides"]:
        if fits(override, suite, stage):
            changed |= override["training"]
    return changed


def training_settings(config: Config, suite: str, name: str, stage: str | None) -> dict[str, Any]:
    """The settings that a stage's training by a method or variant depends on, keys sorted.

    What a variant says holds against an override. Raises UserError that names the method or variant.
    """
    method, changed = variant(config, name)
    try:
        return used_settings(method, {**config["training"], **overrides_of(config, suite, stage), **changed})
    except UserError as error:
        raise UserError(f"methods: {name}: {error}") from None


def stages_of(orders: Mapping[str, Sequence[str]]) -> list[str]:
    """The stages of a suite's orders, each once: `["dbpedia", "dbpedia/amazon", ...]`."""
    prefixes = ("/".join(tasks[: i + 1]) for tasks in orders.values() for i in range(len(tasks)))
    return list(dict.fromkeys(prefixes))


def distinct(config: Config) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """(suite, stage, settings changed) for each different set of overrides; stage None: the suite as a whole."""
    for suite, orders in kept(config["orders"]).items():
        seen = [overrides_of(config, suite, None)]
        yield suite, None, seen[0]
        for stage in stages_of(orders) if config["overrides"] else ():
            changed = overrides_of(config, suite, stage)
            if changed not in seen:
                seen.append(changed)
                yield suite, stage, changed


def check_trainings(config: Config, processes: int, layers: Layers | None = None) -> None:
    """Raises UserError for an invalid setting of a stage, or an invalid variant; the config's DeepSpeed file included.

    processes: of a training, on all its machines; layers: of the base model, which the settings must fit.
    """
    for name, own in config["variants"].items():
        if name in SETTINGS:
            raise UserError(f"variants: {name} is a method, which it would hide; give the variant another name")
        if own["method"] not in SETTINGS:
            raise UserError(f"variants: {name}: no method {own['method']!r}; {close_names(own['method'], SETTINGS)}")
        try:
            make_settings(own["method"], {key: value for key, value in own.items() if key != "method"})
        except UserError as error:
            raise UserError(f"variants: {name}: {error}") from None
    check_overrides(config)
    for suite, stage, _ in distinct(config):
        for name in config["methods"]:
            made = SETTINGS[variant(config, name)[0]](**training_settings(config, suite, name, stage))
            if layers is not None:
                check_trainable(layers, made)
            if config["deepspeed"]:
                try:
                    read_zero_config(config["deepspeed"], made, config["dtype"], processes)
                except UserError as error:
                    raise UserError(f"deepspeed: {error}") from None


def check_overrides(config: Config) -> None:
    """Raises UserError for an override that fits no stage, and so would change nothing."""
    orders = kept(config["orders"])
    dropped = [suite for suite in config["orders"] if suite not in orders]
    tasks = {task for own in orders.values() for names in own.values() for task in names}
    stages = {suite: stages_of(own) for suite, own in orders.items()}
    for number, override in enumerate(config["overrides"], 1):
        where, suite = f"overrides: number {number}", override.get("suite")
        if suite in dropped:
            continue
        if suite is not None and suite not in orders:
            raise UserError(f"{where}: no suite {suite!r}; {close_names(suite, orders)}")
        if any(fits(override, own, stage) for own in ([suite] if suite else orders) for stage in stages[own]):
            continue
        if (task := override.get("task")) is not None and task not in tasks:
            raise UserError(f"{where}: no order has a task {task!r}; {close_names(task, tasks)}")
        example = min(stages[suite or next(iter(orders))], key=len)
        wants = ", ".join(f"{key} {override[key]!r}" for key in ("suite", "task", "stage") if key in override)
        raise UserError(f"{where}: no stage fits {wants}; a stage of {suite or 'the orders'} is {example}")
