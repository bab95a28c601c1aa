"""The progress of a run, read only from its results folder, so also while a cluster works on it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gorp.config.checked import checked_config, read_schema, with_defaults
from gorp.config.orders import kept
from gorp.config.presets import Known
from gorp.config.result_paths import prefixes, seen_scores
from gorp.report.begun_runs import axes, orders_of
from gorp.report.job_log import STOPPED, last_error, last_progress, read_log
from gorp.report.records import read_stage_info
from gorp.util.errors import UserError, close_names
from gorp.util.files import read_json
from gorp.util.places import DEFAULTS
from gorp.util.progress import PROGRESS
from gorp.util.yaml_files import laid_over, read_yaml


def read_config(paths: Sequence[Path], known: Known) -> dict[str, Any]:
    """Config files laid over each other, the later over the earlier, as Snakemake does with --configfile."""
    merged: dict[str, Any] = {}
    for path in paths:
        merged = laid_over(merged, read_yaml(path))
    if DEFAULTS.is_file():  # as the workflow does: files of one's own may hold a few keys
        merged = with_defaults(read_yaml(DEFAULTS), merged)
    merged = checked_config(merged, read_schema(known(merged)))
    return {**merged, "orders": kept(merged["orders"])}


def status(config: Mapping[str, Any], results: Path, orders: Sequence[str] | None = None) -> pd.DataFrame:
    """One row a method, seed and stage of the orders (default: all of the config's): suite, ..., state, detail.

    States: scored, trained (not yet scored), training, stopped (it may resume from a checkpoint), failed, damaged,
    pending. Raises UserError for an order that the config lacks.
    """
    known = [order for suite in orders_of(config).values() for order in suite]
    for order in orders or ():
        if order not in known:
            raise UserError(f"no order {order!r} in the config; {close_names(order, known)}")
    rows, run = [], results / config["run"]
    for suite, own in orders_of(config).items():
        asked = [tasks for order, tasks in own.items() if orders is None or order in orders]
        stages = {stage: scores for tasks in asked for stage, scores in wanted(tasks, config["evaluate"])}
        for method, seed in axes(config, run, suite):
            place = f"{suite}/{method}/seed{seed}"
            for stage, scores in stages.items():
                state, detail = state_of(run, f"{place}/{stage}", f"{place}/{scores}")
                rows.append([suite, method, seed, stage, state, detail])
    return pd.DataFrame(rows, columns=["suite", "method", "seed", "stage", "state", "detail"])


def wanted(tasks: Sequence[str], evaluate: str) -> Iterator[tuple[str, str]]:
    """The stages of an order, and for each the file of its scores."""
    return zip(prefixes(tasks), seen_scores(tasks, evaluate == "full"), strict=True)


def state_of(run: Path, stage: str, scores: str) -> tuple[str, str]:
    """State of a stage, SUITE/METHOD/seedN/TASK/..., and what more can be said; `scores` is the file of its scores."""
    folder = run / "stages" / stage
    try:
        if (folder / "stage.json").is_file():
            return trained_state(run, stage, scores)
        return training_state(folder / PROGRESS, run / "logs/train" / f"{stage}.log")
    except UserError as error:
        return "damaged", str(error)


def trained_state(run: Path, stage: str, scores: str) -> tuple[str, str]:
    """State of a stage that is written. Raises UserError if its stage.json is damaged."""
    info = read_stage_info(run / "stages" / stage / "stage.json", stage.split("/")[3:])
    detail = f"{info['steps']} steps, loss {info['losses'][-1]:.4f}, {duration(info['seconds'])}"
    if (run / "stages" / scores).is_file():
        return "scored", detail
    predicted = Path(scores).parent
    for step, log in (("predict", f"predict/{predicted}.log"), ("score", f"score/stages/{predicted}.log")):
        error = last_error(read_log(run / "logs" / log))
        if error and not STOPPED.search(error):
            return "failed", f"{step}: {error}"
    return "trained", detail


def training_state(progress: Path, log: Path) -> tuple[str, str]:
    """State of a stage that is not written, from the files that its training leaves. Raises UserError as above."""
    text = read_log(log)
    error = last_error(text)
    if error and not STOPPED.search(error):
        return "failed", error
    if progress.is_file():
        done, total, loss, left, each, when = read_progress(progress)
        at, silent, patience = f"step {done}/{total}, loss {loss}", time.time() - when, max(120, 5 * each)
        to_come = f"{at}, {duration(left)} left"
    elif log.is_file():  # the model is being loaded, or the stage being written
        at = last_progress(text) or "before its first step"
        silent, patience, to_come = time.time() - log.stat().st_mtime, 600, at
    else:
        return "pending", ""
    if error or silent >= patience:
        return "stopped", f"{at}, {error or f'silent for {duration(silent)}'}"
    return "training", to_come


def read_progress(file: Path) -> list[Any]:
    """Steps done, of how many, loss, seconds left, seconds a step, time of writing. Raises UserError if damaged."""
    seen = read_json(file)
    try:
        return [seen[key] for key in ("done", "total", "loss", "seconds_left", "seconds_each", "time")]
    except (KeyError, TypeError):
        raise UserError(f"{file}: damaged; delete it and run the snakemake command again") from None


def duration(seconds: float) -> str:
    """Seconds for people: 42 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
