"""Tables and the figure of one order: from the scores of its stages to summary.csv, matrix.csv and accuracy.svg.

    summary, matrix = aggregate("order1", ["dbpedia", "amazon"], runs)
    write_tables(summary, matrix, "results/order1")
    save_figure(accuracy_figure(matrix, "order1"), "results/order1/accuracy.svg")

The same input gives the same bytes. Files appear whole or not at all. Scores are percent.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gorp import metrics
from gorp.files import replacing
from gorp.intervals import interval

Scores = Mapping[str, Mapping[str, float]]  # the content of a scores file: {task: {"rows", "exact_match", ...}}

# of the columns with fractions or undefined values; of the others: 4
_DECIMALS = {"train_seconds": 1, "peak_memory_mb": 1, "tp": 0, "fp": 0, "fn": 0}

SHOWN = {"exact_match": "exact match", "rouge1": "ROUGE-1", "rougeL": "ROUGE-L"}  # scores, in figures

# Okabe and Ito, told apart by colour-blind readers; after seven tasks the line style changes as well
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", ":")


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
        metrics of `gorp.metrics` over each task's own score (AA_low, AA_high: a bootstrap interval of AA), F1 (mean
        over the tasks with labels of their macro F1 at the end), zero_shot (mean over the tasks), final_<task> for each
        task, parameters trained in the last stage, seconds (sum) and peak memory (largest).
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
    names = ("group", "rows", "exact_match", "rouge1", "rougeL", "tally")
    values = {name: _get(scores[task], name, f"{place}, {task}") for name in names}
    low, high = interval([_get(values.pop("tally"), own[task], f"{place}, {task}, tally")])
    likelihood = {name: scores[task][name] for name in ("likelihood_match",) if name in scores[task]}
    f1 = {name: scores[task].get(name, math.nan) for name in ("f1_macro", "f1_micro")}
    counts = metrics.pooled(scores[task]["label_counts"]) if "label_counts" in scores[task] else {}
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
    trainable = _get(last, "trainable", last_place)
    return {
        "method": run.method,
        "seed": run.seed,
        "model": run.model,
        "benchmark": run.benchmark,
        "scores": names.pop() if len(names := set(own.values())) == 1 else " ".join(f"{t}={own[t]}" for t in tasks),
        "AA": metrics.average_accuracy(a),
        "AA_low": low,
        "AA_high": high,
        "AA_micro": metrics.micro_average(a, [final[task]["rows"] for task in tasks]),
        "BWT": metrics.backward_transfer(a),
        "FM": metrics.forgetting(a),
        "LA": metrics.learning_accuracy(a),
        "FWT": metrics.forward_transfer(forward, zero_shot),
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


def write_tables(summary: pd.DataFrame, matrix: pd.DataFrame, folder: str | os.PathLike) -> None:
    """Write summary.csv and matrix.csv into `folder`: fixed decimals, "nan" where undefined, "\\n" ends a line."""
    write_table(summary, Path(folder, "summary.csv"))
    write_table(matrix, Path(folder, "matrix.csv"))


def write_table(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write one table as `write_tables` does."""
    text = table.assign(**{column: _fixed(table[column]) for column in table.select_dtypes("float")})
    with replacing(path) as temporary:
        text.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def _fixed(column: pd.Series) -> list[str]:
    """Numbers with as many decimals as the column has; adding 0.0 turns -0.0 into 0.0."""
    decimals = _DECIMALS.get(column.name, 4)
    return [f"{round(value, decimals) + 0.0:.{decimals}f}" for value in column]


# ---- figure ----


def accuracy_figure(matrix: pd.DataFrame, order_name: str) -> Figure:
    """One row of panels a method, mean over its seeds: each task's own score by stage, and its curve.

    matrix: the long table of `aggregate`.
    """
    tasks = list(matrix[matrix["stage"] > 0].drop_duplicates("stage").sort_values("stage")["trained"])
    methods = list(matrix["method"].unique())
    map_width, curve_width = max(3.6, 1.3 + 0.44 * len(tasks)), 5.2
    height = max(2.9, 1.3 + 0.27 * len(tasks))  # inches a method
    figure = Figure(figsize=(map_width + curve_width, height * len(methods) + 0.3), layout="constrained")
    figure.suptitle(f"{order_name}: {score_names(matrix)} (%)", fontweight="bold", fontsize=11)
    panels = figure.subplots(len(methods), 2, squeeze=False, width_ratios=[map_width, curve_width])
    for method, (left, right) in zip(methods, panels, strict=True):
        part = matrix[matrix["method"] == method]
        part = part.assign(own=own_scores(part))
        grid = part.pivot_table(index="stage", columns="task", values="own", aggfunc="mean")
        grid = grid.reindex(index=range(len(tasks) + 1), columns=tasks).to_numpy()  # T + 1 x T, nan: not scored
        seeds = part["seed"].nunique()
        left.set_title(method + (f" (mean of {seeds} seeds)" if seeds > 1 else ""), loc="left", fontsize=10)
        _draw_map(left, grid, tasks)
        _draw_curves(right, grid, tasks, gap=110 * 0.125 / (height - 0.9))
    figure.draw_without_rendering()  # lays the panels out; a layout done again at each saving moves by a hair
    figure.set_layout_engine("none")
    return figure


def own_scores(matrix: pd.DataFrame) -> list[float]:
    """Of each row of a matrix the score that counts for its task."""
    return [row[row["score"]] for _, row in matrix.iterrows()]


def score_names(matrix: pd.DataFrame) -> str:
    """The scores shown: `exact match`, or `exact match; ROUGE-L of notes` where tasks differ."""
    tasks = matrix.drop_duplicates("task").groupby("score", sort=False)["task"].agg(list)
    if len(tasks) == 1:
        return SHOWN[tasks.index[0]]
    others = [f"{SHOWN[name]} of {', '.join(of)}" for name, of in tasks.items() if name != "exact_match"]
    return "; ".join([*(["exact match"] if "exact_match" in tasks else []), *others])


def _draw_map(axes: Axes, grid: np.ndarray, tasks: Sequence[str]) -> None:
    """Stages down, tasks across, zero-shot on top. Below the stepped line: tasks seen; hatched: not scored."""
    count = len(tasks)
    axes.patch.set(facecolor="#f2f2f2", edgecolor="#d0d0d0", hatch="////")
    axes.pcolormesh(np.ma.masked_invalid(grid), cmap="Blues", vmin=0, vmax=115, edgecolors="white", linewidth=0.8)
    for i, j in np.argwhere(np.isfinite(grid)):
        style = {"color": "white" if grid[i, j] > 70 else "black", "fontstyle": "normal" if j < i else "italic"}
        axes.text(j + 0.5, i + 0.5, f"{grid[i, j]:.1f}", ha="center", va="center", fontsize=7, **style)
    corners = np.arange(count + 1)
    axes.step(corners, np.minimum(corners + 1, count), where="post", color="#D55E00", linewidth=1.4)
    axes.set_xlim(0, count)
    axes.set_ylim(count + 1, 0)
    axes.set_xticks(corners[:-1] + 0.5, tasks, rotation=40 if count < 8 else 60, ha="right", rotation_mode="anchor")
    axes.set_yticks(
        np.arange(count + 1) + 0.5, ["zero-shot"] + [f"{i}  {task}" for i, task in enumerate(tasks, start=1)]
    )
    axes.tick_params(length=0, labelsize=8)
    axes.set_ylabel("after stage", fontsize=8)
    axes.spines[:].set_visible(False)


def _draw_curves(axes: Axes, grid: np.ndarray, tasks: Sequence[str], gap: float) -> None:
    """Each task from the stage at which it was learnt (the dot), named at its end; gap: percent between two names."""
    count = len(tasks)
    names = _apart(grid[-1], gap)
    for j, task in enumerate(tasks):
        colour, line = COLOURS[j % len(COLOURS)], LINES[j // len(COLOURS) % len(LINES)]
        axes.plot(range(j + 1, count + 1), grid[j + 1 :, j], color=colour, linestyle=line, linewidth=1.4)
        axes.plot(j + 1, grid[j + 1, j], "o", color=colour, markersize=4)
        axes.annotate(
            task,
            (count, grid[-1, j]),
            (1.06, names[j]),  # beside the axes, at the height names[j]
            textcoords=axes.get_yaxis_transform(),
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0, "relpos": (0, 0.5)},
        )
    axes.set_xlim(0.8, count + 0.02 * (count + 1))
    axes.set_ylim(-5, 105)
    axes.set_xticks(range(1, count + 1))
    axes.tick_params(labelsize=8)
    axes.set_xlabel("after stage", fontsize=8)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _apart(values: Sequence[float], gap: float, low: float = -3, high: float = 103) -> np.ndarray:
    """Positions near `values`, in the same order, at least `gap` apart and within low..high where they fit."""
    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(order))
    flat = np.asarray(values, dtype=float)[order] - steps  # now "gap apart" reads "never falling"
    up, down = np.maximum.accumulate(flat), np.minimum.accumulate(flat[::-1])[::-1]
    places = np.maximum(np.minimum((up + down) / 2, high - steps[-1]), low) + steps
    positions = np.empty_like(places)
    positions[order] = places
    return positions


def save_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Save as SVG; no date and fixed ids, so that the same figure has the same bytes."""
    with matplotlib.rc_context({"svg.hashsalt": "gorp"}), replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
