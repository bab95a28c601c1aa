"""The figure of one order: accuracy by stage and task, as a map and as curves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SHOWN = {"exact_match": "exact match", "rouge1": "ROUGE-1", "rougeL": "ROUGE-L"}  # scores, in figures

# Okabe and Ito, told apart by colour-blind readers; after seven tasks the line style changes as well
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", ":")


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
        return SHOWN[str(tasks.index[0])]
    others = [f"{SHOWN[str(name)]} of {', '.join(of)}" for name, of in tasks.items() if name != "exact_match"]
    return "; ".join([*(["exact match"] if "exact_match" in tasks else []), *others])


def _draw_map(axes: Axes, grid: np.ndarray, tasks: Sequence[str]) -> None:
    """Stages down, tasks across, zero-shot on top. Below the stepped line: tasks seen; hatched: not scored."""
    count = len(tasks)
    axes.patch.set(facecolor="#f2f2f2", edgecolor="#d0d0d0", hatch="////")
    axes.pcolormesh(np.ma.masked_invalid(grid), cmap="Blues", vmin=0, vmax=115, edgecolors="white", linewidth=0.8)
    for i, j in np.argwhere(np.isfinite(grid)):
        color, slant = "white" if grid[i, j] > 70 else "black", "normal" if j < i else "italic"
        text = f"{grid[i, j]:.1f}"
        axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=7, color=color, fontstyle=slant)
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
