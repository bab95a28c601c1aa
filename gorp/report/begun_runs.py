"""What has been started in a results folder: its runs, and the orders, methods and seeds of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gorp.config.result_paths import prefixes
from gorp.util.errors import UserError, close_names
from gorp.util.progress import PROGRESS

PARTS = ("data", "stages", "zero-shot")  # a folder with one of them is a run; tables and models have none


def runs_of(results: Path) -> list[str]:
    """The runs in a results folder, the one whose logs were written last at the end."""
    runs = [folder for folder in results.glob("*") if any((folder / part).is_dir() for part in PARTS)]
    return [folder.name for folder in sorted(runs, key=lambda folder: (last_log(folder), folder.name))]


def last_log(run: Path) -> float:
    """When a log of a run was last written; seconds since the epoch, 0 without logs."""
    return max((log.stat().st_mtime for log in (run / "logs").rglob("*.log")), default=0.0)


def choose_run(asked: str | None, of_config: str, config_given: bool, results: Path) -> str:
    """The run asked for; else that of a config file that was given; else the last one.

    Raises UserError for a name that is neither in the results nor in the config.
    """
    runs = runs_of(results)
    if asked is not None and asked not in (*runs, of_config):
        raise UserError(f"--run: no run {asked!r} in {results}; {close_names(asked, runs)}")
    if asked is not None:
        return asked
    return of_config if config_given or not runs else runs[-1]


def axes(config: Mapping[str, Any], run: Path, suite: str) -> list[tuple[str, int]]:
    """Methods and seeds of a suite: those of the config, then others that the run has."""
    own = [(method, seed) for method in config["methods"] for seed in config["seeds"]]
    folders = {
        (folder.parent.name, int(folder.name.removeprefix("seed")))
        for part in ("stages", "logs/train")
        for folder in (run / part / suite).glob("*/seed*")
        if folder.name.removeprefix("seed").isdigit()
    }
    return list(dict.fromkeys([*own, *sorted(folders)]))


def orders_of(config: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """The tasks of each order by suite; a suite that is null, which drops it, is left out."""
    return {suite: orders for suite, orders in config["orders"].items() if orders}


def begun_orders(config: Mapping[str, Any], run: Path) -> list[str]:
    """The orders that explain what was begun: those with tables, and for each other stage the first that has it.

    An order of which all that was begun belongs to another one, too, is not among them.
    """
    shown = []
    for suite, orders in orders_of(config).items():
        begun = begun_stages(config, run, suite, orders)
        inner = {stage.rpartition("/")[0] for stage in begun}
        done = [order for order in orders if (run / order / "summary.csv").is_file()]
        for last in (stage for stage in begun if stage not in inner):
            having = [order for order, tasks in orders.items() if last in prefixes(tasks)]
            if not set(having) & set(done):
                done.append(having[0])
        shown += [order for order in orders if order in done]
    return shown


def begun_stages(config: Mapping[str, Any], run: Path, suite: str, orders: Mapping[str, list[str]]) -> list[str]:
    """The stages of a suite's orders of which anything is there, under any method and seed."""
    places = [f"{suite}/{method}/seed{seed}" for method, seed in axes(config, run, suite)]
    stages = dict.fromkeys(stage for tasks in orders.values() for stage in prefixes(tasks))
    return [stage for stage in stages if any(is_begun(run, f"{place}/{stage}") for place in places)]


def is_begun(run: Path, stage: str) -> bool:
    """Whether a stage, SUITE/METHOD/seedN/TASK/..., was begun."""
    files = (f"stages/{stage}/stage.json", f"stages/{stage}/{PROGRESS}", f"logs/train/{stage}.log")
    return any((run / file).is_file() for file in files)


def strangers(config: Mapping[str, Any], run: Path) -> list[str]:
    """Stages of a run that no order of the config has, SUITE/METHOD/seedN/TASK/..."""
    known = {
        f"{suite}/{stage}"
        for suite, orders in orders_of(config).items()
        for tasks in orders.values()
        for stage in prefixes(tasks)
    }
    found = []
    for file in sorted((run / "stages").rglob("stage.json")):
        suite, _, _, *tasks = file.parent.relative_to(run / "stages").parts
        if "/".join((suite, *tasks)) not in known:
            found.append(file.parent.relative_to(run / "stages").as_posix())
    return found
