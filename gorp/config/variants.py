"""What a training depends on: a method or variant of it, the settings of the config, and the overrides of its stage.

A config is what `gorp.config.checked.checked_config` gives. Loads neither torch nor pandas, so that the workflow can
use it while it builds its graph.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gorp.config.orders import kept
from gorp.config.result_paths import prefixes
from gorp.config.settings import Kinds, TrainSettings, make_settings, settings_class, used_settings
from gorp.util.errors import UserError, close_names

Config = Mapping[str, Any]


class Trainings:
    """The trainings that a config asks for; kinds: the settings classes of all methods that it may use.

    Raises UserError for a method, variant or override that cannot be.
    """

    def __init__(self, config: Config, kinds: Kinds):
        self.config, self.kinds = config, kinds
        self.orders = kept(config["orders"])
        self.stages = {suite: stages_of(orders) for suite, orders in self.orders.items()}
        self._check_variants()
        self._check_overrides()

    def variant(self, name: str) -> tuple[str, dict[str, Any]]:
        """(method, settings changed) behind a name in `methods:`: a variant of the config, or a method itself.

        Raises UserError for a name that is neither.
        """
        if name in self.config["variants"]:
            own = dict(self.config["variants"][name])
            return own.pop("method"), own
        if name not in self.kinds:
            known = [*self.kinds, *self.config["variants"]]
            raise UserError(f"methods: no method {name!r}; {close_names(name, known)}")
        return name, {}

    def overrides(self, suite: str, stage: str | None) -> dict[str, Any]:
        """Settings that the config changes for a stage, or for a whole suite (stage None): the later of two wins."""
        changed: dict[str, Any] = {}
        for override in self.config["overrides"]:
            if fits(override, suite, stage):
                changed |= override["training"]
        return changed

    def settings(self, suite: str, name: str, stage: str | None) -> dict[str, Any]:
        """The settings that a stage's training by a method or variant depends on, keys sorted.

        What a variant says holds against an override. Raises UserError that names the method or variant.
        """
        method, changed = self.variant(name)
        values = {**self.config["training"], **self.overrides(suite, stage), **changed}
        try:
            return used_settings(method, self.kinds, values)
        except UserError as error:
            raise UserError(f"methods: {name}: {error}") from None

    def distinct(self) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
        """(suite, stage, settings changed) for each different set of overrides; stage None: the suite as a whole."""
        for suite in self.orders:
            seen = [self.overrides(suite, None)]
            yield suite, None, seen[0]
            for stage in self.stages[suite] if self.config["overrides"] else ():
                changed = self.overrides(suite, stage)
                if changed not in seen:
                    seen.append(changed)
                    yield suite, stage, changed

    def __iter__(self) -> Iterator[tuple[str, TrainSettings]]:
        """(method, settings) of each different training. Raises UserError for settings that cannot be."""
        for suite, stage, _ in self.distinct():
            for name in self.config["methods"]:
                method = self.variant(name)[0]
                yield method, settings_class(method, self.kinds)(**self.settings(suite, name, stage))

    def _check_variants(self) -> None:
        """Raises UserError for a variant that cannot be."""
        for name, own in self.config["variants"].items():
            if name in self.kinds:
                raise UserError(f"variants: {name} is a method, which it would hide; give the variant another name")
            method = own["method"]
            if method not in self.kinds:
                raise UserError(f"variants: {name}: no method {method!r}; {close_names(method, self.kinds)}")
            try:
                make_settings(method, self.kinds[method], {key: own[key] for key in own if key != "method"})
            except UserError as error:
                raise UserError(f"variants: {name}: {error}") from None

    def _check_overrides(self) -> None:
        """Raises UserError for an override that fits no stage, and so would change nothing."""
        dropped = [suite for suite in self.config["orders"] if suite not in self.orders]
        for number, override in enumerate(self.config["overrides"], 1):
            suite = override.get("suite")
            if suite not in dropped and (problem := self._override_problem(override, suite)):
                raise UserError(f"overrides: number {number}: {problem}")

    def _override_problem(self, override: Mapping[str, Any], suite: str | None) -> str:
        if suite is not None and suite not in self.orders:
            return f"no suite {suite!r}; {close_names(suite, self.orders)}"
        suites = [suite] if suite else list(self.orders)
        if any(fits(override, own, stage) for own in suites for stage in self.stages[own]):
            return ""
        tasks = {task for own in self.orders.values() for names in own.values() for task in names}
        if (task := override.get("task")) is not None and task not in tasks:
            return f"no order has a task {task!r}; {close_names(task, tasks)}"
        example = min(self.stages[suites[0]], key=len)
        wants = ", ".join(f"{key} {override[key]!r}" for key in ("suite", "task", "stage") if key in override)
        return f"no stage fits {wants}; a stage of {suite or 'the orders'} is {example}"


def fits(override: Mapping[str, Any], suite: str, stage: str | None) -> bool:
    """Whether an override is for a stage; stage None: whether it is for all stages of a suite."""
    if override.get("suite", suite) != suite:
        return False
    if stage is None:
        return "task" not in override and "stage" not in override
    task = stage.rpartition("/")[2]
    return override.get("task", task) == task and bool(re.fullmatch(override.get("stage", ".*"), stage))


def stages_of(orders: Mapping[str, Sequence[str]]) -> list[str]:
    """The stages of a suite's orders, each once: `["dbpedia", "dbpedia/amazon", ...]`."""
    return list(dict.fromkeys(stage for tasks in orders.values() for stage in prefixes(tasks)))
