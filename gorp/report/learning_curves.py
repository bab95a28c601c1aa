"""Learning curves of an order: how scores and loss on dev rows went while each of its tasks was trained.

curves = read_curves(["dbpedia", "amazon"], {("gorp", 0): Path("results/demo/stages/standard/gorp/seed0")})
save_figure(curves_figure(curves, "order1", {}), "results/order1/learning.svg")
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gorp.config.result_paths import evaluation_tables
from gorp.report.accuracy_figure import COLOURS, SHOWN
from gorp.util.errors import UserError

ACROSS = 5  # panels side by side


def read_curves(tasks: Sequence[str], folders: Mapping[tuple[str, int], Path]) -> pd.DataFrame:
    """The evaluations of all stages of an order, below one another.

    folders: {(method, seed): the folder METHOD/seedN of its stages}. Columns: method, seed, stage (from 1), trained,
    and those of evaluations.csv: step, task, rows, exact_match, rouge1, rougeL (percent), loss (nats per answer token).
    Raises UserError that names a file which is missing or no such table.
    """
    tables = []
    for (method, seed), folder in folders.items():
        for number, (trained, name) in enumerate(zip(tasks, evaluation_tables(tasks), strict=True), start=1):
            try:
                table = pd.read_csv(folder / name)
            except (OSError, ValueError) as error:
                raise UserError(f"{folder / name}: not a table of evaluations: {error}") from None
            if missing := [column for column in ("step", "task", "exact_match", "loss") if column not in table]:
                raise UserError(f"{folder / name}: not a table of evaluations: no column {missing[0]}")
            for place, column in enumerate(("method", "seed", "stage", "trained")):
                table.insert(place, column, (method, seed, number, trained)[place])
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def curves_figure(curves: pd.DataFrame, order_name: str, declared: Mapping[str, str]) -> Figure:
    """A pair of panels for each task of an order: its own score by step, and its loss; means over seeds.

    curves: the table of `read_curves`; declared: {task: name of its score}, exact match for the others. A line a
    method; where earlier tasks were evaluated too, their mean is a dashed one.
    """
    own = [row[declared.get(row["task"], "exact_match")] for _, row in curves.iterrows()]
    curves = curves.assign(own=own, earlier=curves["task"] != curves["trained"])
    stages = list(dict.fromkeys(curves["trained"]))
    across, blocks = min(len(stages), ACROSS), -(-len(stages) // ACROSS)
    figure = Figure(figsize=(1.2 + 2.3 * across, 0.7 + 3.4 * blocks), layout="constrained")
    figure.suptitle(f"{order_name}: dev rows while each task is trained", fontweight="bold", fontsize=11)
    panels = figure.subplots(2 * blocks, across, squeeze=False)
    for axes in panels.flat:
        axes.set_visible(False)
    for number, trained in enumerate(stages):
        row, column = divmod(number, across)
        upper, lower = panels[2 * row, column], panels[2 * row + 1, column]
        part = curves[curves["trained"] == trained]
        for axes, value in ((upper, "own"), (lower, "loss")):
            _draw(axes, part, value)
        upper.set_ylim(-4, 104)
        upper.set_title(f"{number + 1}  {trained}", loc="left", fontsize=9)
        upper.set_ylabel(f"{SHOWN[declared.get(trained, 'exact_match')]} (%)", fontsize=7)
        lower.set_ylabel("loss (nats a token)", fontsize=7)
        lower.set_xlabel("step", fontsize=7)
    lines, names = upper.get_legend_handles_labels()  # the last task has earlier ones
    figure.legend(lines, names, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.draw_without_rendering()  # as in gorp.report.accuracy_figure: a layout done again at each saving moves
    figure.set_layout_engine("none")
    return figure


def _draw(axes: Axes, part: pd.DataFrame, value: str) -> None:
    """The lines of one panel; steps on a logarithmic scale, since they are denser at the start."""
    axes.set_visible(True)
    for number, (method, rows) in enumerate(part.groupby("method", sort=False)):
        for earlier, line in ((False, "-"), (True, "--")):
            mean = rows[rows["earlier"] == earlier].groupby("step")[value].mean()
            if len(mean):
                name = f"{method}, earlier tasks" if earlier else method
                colour = COLOURS[number % len(COLOURS)]
                axes.plot(mean.index, mean, line, color=colour, label=name, linewidth=1.4, marker="o", markersize=2.5)
    axes.set_xscale("symlog", linthresh=1)
    ticks = [0, *(10**power for power in range(6) if 10**power <= part["step"].max())]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(left=-0.1)
    axes.tick_params(labelsize=7)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
