"""Tables of one order: from the scores of its stages to summary.csv and matrix.csv.

    summary, matrix = aggregate("order1", ["dbpedia", "amazon"], runs)
    write_tables(summary, matrix, "results/order1")

The same input gives the same bytes. Files appear whole or not at all. Scores are percent.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gorp.metrics import answers, continual
from gorp.metrics.bootstrap import interval

Scores = Mapping[str, Mapping[str, Any]]  # the content of a scores file: {task: {"rows", "exact_match", ...}}


# ---- tables ----


@dataclass(frozen=True)
class Run:
    """One method and seed over an order of T tasks. Scores are the contents of scores files."""

    method: str
    seed: int
    model: str
    benchmark: str
    stage_scores: Sequence[Scores]  # T: after stage i, of the tasks 0..i; or of task i alone, but all after the last
    forward_scores: Sequence[Scores]  # T - 1: after stage j, of task j + 1, not yet trained
    zero_shot: Scores  # of all tasks under the base model
    stages: Sequence[Mapping]  # T: the contents of stage.json


def aggregate(
    order_name: str, tasks: Sequence[str], runs: Sequence[Run], declared: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(summary, matrix) of an order: one row a run, and one row a run, stage and task that was scored.

    declared: {task: name of its score}; the others are scored by exact match.
    summary: order, method, seed, model, benchmark, scores (their name, or task=name of each where they differ), the
        metrics of `gorp.metrics.answers` over each task's own score (AA_low, AA_high: a bootstrap interval of AA), F1
        (mean over the tasks with labels of their macro F1 at the end), zero_shot (mean over the tasks), final_<task>
        for each task, parameters trained in the last stage, seconds (sum) and peak memory (largest).
    matrix: method, seed, stage (0: zero-shot), trained ("" at 0), task, group, seen, rows, exact_match, rouge1, rougeL,
        f1_macro, f1_micro, and tp, fp, fn summed up over its labels (nan for a task without labels), likelihood_match
        where a task has it, score (the name of the task's own), low and high (its bootstrap interval).
    ValueError says which run lacks what.
    """
    if not tasks or len(set(tasks)) != len(tasks):
        raise ValueError(f"{order_name} needs tasks, each once; got {list(tasks)}")
    names = [(run.method, run.seed) for run in runs]
    if not runs or len(set(names)) != len(names):
        raise ValueError(f"{order_name} needs runs, each method and seed once; got {names}")
    own = {task: (declared or {}).get(task, "exact_match") for task in tasks}
    matrix = pd.DataFrame([row for run in runs for row in _matrix_rows(tasks, run, own)])
    summary = pd.DataFrame([{"order": order_name, **_summary_row(tasks, run, own)} for run in runs])
    return summary, matrix


def _matrix_rows(tasks: Sequence[str], run: Run, own: Mapping[str, str]) -> list[dict]:
    """Zero-shot, then after each stage the tasks seen and the one that comes next."""
    _check_lengths(run, len(tasks))
    rows = [_matrix_row(run, own, 0, "", task, False, run.zero_shot) for task in tasks]
    for i, trained in enumerate(tasks):
        own_alone = i + 1 < len(tasks) and list(run.stage_scores[i]) == [trained]
        seen = [trained] if own_alone else tasks[: i + 1]
        rows += [_matrix_row(run, own, i + 1, trained, task, True, run.stage_scores[i]) for task in seen]
        rows += [
            _matrix_row(run, own, i + 1, trained, task, False, run.forward_scores[i]) for task in tasks[i + 1 : i + 2]
        ]
    return rows


def _matrix_row(
    run: Run, own: Mapping[str, str], stage: int, trained: str, task: str, seen: bool, scores: Scores
) -> dict:
    place = f"{run.method}, seed {run.seed}, stage {stage}"
    if task not in scores:
        raise ValueError(f"{place}: no scores of {task}; there are: {', '.join(scores) or 'none'}")
    names = ("group", "rows", *answers.SCORES, "tally")
    values = {name: _get(scores[task], name, f"{place}, {task}") for name in names}
    low, high = interval([_get(values.pop("tally"), own[task], f"{place}, {task}, tally")])
    likelihood = {name: scores[task][name] for name in ("likelihood_match",) if name in scores[task]}
    f1 = {name: scores[task].get(name, math.nan) for name in ("f1_macro", "f1_micro")}
    counts = answers.pooled(scores[task]["label_counts"]) if "label_counts" in scores[task] else {}
    return {
        "method": run.method,
        "seed": run.seed,
        "stage": stage,
        "trained": trained,
        "task": task,
        "group": values.pop("group"),
        "seen": seen,
        **values,
        **f1,
        **{name: counts.get(name, math.nan) for name in ("tp", "fp", "fn")},
        **likelihood,
        "score": own[task],
        "low": low,
        "high": high,
    }


def _summary_row(tasks: Sequence[str], run: Run, own: Mapping[str, str]) -> dict:
    a = [
        [scores[task][own[task]] if task in scores else math.nan for task in tasks[: i + 1]]
        for i, scores in enumerate(run.stage_scores)
    ]
    forward = [scores[task][own[task]] for task, scores in zip(tasks[1:], run.forward_scores, strict=True)]
    zero_shot = [run.zero_shot[task][own[task]] for task in tasks]
    final = run.stage_scores[-1]
    low, high = interval([final[task]["tally"][own[task]] for task in tasks])
    stages = [(stage, f"{run.method}, seed {run.seed}, stage.json {i}") for i, stage in enumerate(run.stages, start=1)]
    last, last_place = stages[-1]
    metrics = {name: metric(a) for name, metric in continual.MATRIX_METRICS.items()}
    trainable = _get(last, "trainable", last_place)
    return {
        "method": run.method,
        "seed": run.seed,
        "model": run.model,
        "benchmark": run.benchmark,
        "scores": names.pop() if len(names := set(own.values())) == 1 else " ".join(f"{t}={own[t]}" for t in tasks),
        "AA": metrics.pop("AA"),
        "AA_low": low,
        "AA_high": high,
        "AA_micro": continual.micro_average(a, [final[task]["rows"] for task in tasks]),
        **metrics,
        "FWT": continual.forward_transfer(forward, zero_shot),
        "F1": pd.Series([final[task].get("f1_macro", math.nan) for task in tasks]).mean(),
        "zero_shot": sum(zero_shot) / len(zero_shot),
        **{f"final_{task}": score for task, score in zip(tasks, a[-1], strict=True)},
        "trainable_lora": _get(trainable, "lora", last_place),
        "trainable_full_rank": _get(trainable, "full_rank", last_place),
        "train_seconds": sum(_get(stage, "seconds", place) for stage, place in stages),
        "peak_memory_mb": max(_get(stage, "peak_memory_mb", place) for stage, place in stages),
    }


def _check_lengths(run: Run, count: int) -> None:
    for name, wanted in (("stage_scores", count), ("forward_scores", count - 1), ("stages", count)):
        if len(getattr(run, name)) != wanted:
            got = len(getattr(run, name))
            raise ValueError(f"{run.method}, seed {run.seed}: {count} tasks need {wanted} {name}; got {got}")


def _get(record: Mapping, key: str, place: str):
    if key not in record:
        raise ValueError(f"{place}: no {key!r}")
    return record[key]
