"""How far a run is, read from its results folder alone, so also while a cluster works on it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gorp.errors import UserError
from gorp.files import read_json
from gorp.orders import kept
from gorp.progress import PROGRESS
from gorp.results import prefixes, seen_scores
from gorp.run_config import checked_config, read_schema
from gorp.yaml_files import laid_over, read_yaml


def read_config(paths: Sequence[Path]) -> dict[str, Any]:
    """Config files laid over each other, the later over the earlier, as Snakemake does with --configfile."""
    merged: dict[str, Any] = {}
    for path in paths:
        merged = laid_over(merged, read_yaml(path))
    for key in ("run", "orders", "methods", "seeds", "evaluate"):
        if key not in merged:
            raise UserError(f"{paths[-1]}: it lacks {key!r}; lay it over config.yaml: --configfile config.yaml FILE")
    merged = checked_config(merged, read_schema(), whole=False)
    return {**merged, "orders": kept(merged["orders"])}


def status(config: Mapping[str, Any], results: Path) -> pd.DataFrame:
    """One row a method, seed and stage of the config's orders: suite, method, seed, stage, state, detail.

    States: scored, trained (not yet scored), training, stopped (a checkpoint may let it go on), to come.
    """
    rows = []
    for suite, orders in config["orders"].items():
        stages = {stage: scores for tasks in orders.values() for stage, scores in wanted(tasks, config["evaluate"])}
        for method in config["methods"]:
            for seed in config["seeds"]:
                folder = results / config["run"] / "stages" / suite / method / f"seed{seed}"
                for stage, scores in stages.items():
                    state, detail = state_of(folder / stage, folder / scores)
                    rows.append([suite, method, seed, stage, state, detail])
    return pd.DataFrame(rows, columns=["suite", "method", "seed", "stage", "state", "detail"])


def wanted(tasks: Sequence[str], evaluate: str) -> Iterator[tuple[str, str]]:
    """The stages of an order, and for each the file of its scores."""
    return zip(prefixes(tasks), seen_scores(tasks, evaluate == "full"), strict=True)


def state_of(stage: Path, scores: Path) -> tuple[str, str]:
    """State of a stage, and what more can be said."""
    if (stage / "stage.json").is_file():
        info = read_json(stage / "stage.json")
        detail = f"{info['steps']} steps, loss {info['losses'][-1]:.4f}, {duration(info['seconds'])}"
        return ("scored" if scores.is_file() else "trained"), detail
    if not (stage / PROGRESS).is_file():
        return "to come", ""
    seen = read_json(stage / PROGRESS)
    at = f"step {seen['done']}/{seen['total']}, loss {seen['loss']}"
    silent = time.time() - seen["time"]
    if silent < max(120, 5 * seen["seconds_each"]):
        return "training", f"{at}, {duration(seen['seconds_left'])} left"
    return "stopped", f"{at}, silent for {duration(silent)}"


def duration(seconds: float) -> str:
    """Seconds for people: 42 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
