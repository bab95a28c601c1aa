"""The audit of a stage for people: tables, confusion matrices as a figure, and a page that needs no other file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gorp.report.answer_audit import KINDS, Labels, confusion, count_answers, count_kinds, count_owners, examples
from gorp.report.order_page import STYLE
from gorp.report.writing import save_figure, write_table
from gorp.util.files import filling

EXAMPLES = 8  # pairs of target and answer shown of each kind, the most frequent first
SENTENCE = 300  # characters shown of an example's sentence

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ title }}</title>
<style>
{{ style }}
body { max-width: 62em; }
h1 { overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
td { vertical-align: top; }
td.zero { color: #aab3bd; }
.examples td, .examples th { text-align: left; white-space: normal; }
code { white-space: pre-wrap; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p>{{ rows }} answers to {{ kinds | length }} tasks; {{ right }} right ({{ "%.1f" | format(100 * right / rows) }} %).
Labels of another task, the sign of forgetting: {{ foreign }}.</p>
<h2>Kinds of answers</h2>
<div><table>
<tr><th>task</th><th>rows</th>{% for kind in used %}<th>{{ kind }}</th>{% endfor %}</tr>
{% for row in kinds %}
<tr><td>{{ row.task }}</td><td>{{ row.rows }}</td>
{% for kind in used %}<td{% if not row[kind] %} class="zero"{% endif %}>{{ row[kind] }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
<dl>
{% for kind in used %}<dt><b>{{ kind }}</b></dt><dd>{{ meaning[kind] }}</dd>
{% endfor %}
</dl>
{% if owners %}
<h2>Whose labels were given instead</h2>
<table>
<tr><th>rows of</th><th>answered with a label of</th><th>rows</th></tr>
{% for row in owners %}
<tr><td>{{ row.task }}</td><td>{{ row.owner }}</td><td>{{ row.rows }}</td></tr>
{% endfor %}
</table>
{% endif %}
<h2>Confusion matrices</h2>
<p>Targets are rows, answers are columns; in brackets, answers that are no label of the task.
Shades: share of the target's rows.</p>
{{ svg | safe }}
{% for kind, found in examples.items() %}
<h2>Examples: {{ kind }}</h2>
<div><table class="examples">
<tr><th>rows</th><th>task</th><th>target</th><th>answer</th><th>one of the sentences</th></tr>
{% for row in found %}
<tr><td>{{ row.rows }}</td><td>{{ row.task }}</td><td>{{ row.target }}</td>
<td><code>{{ row.prediction }}</code></td><td>{{ row.sentence }}</td></tr>
{% endfor %}
</table></div>
{% endfor %}
</body>
</html>
"""


def write_audit(
    answers: pd.DataFrame, labels: Labels, sentences: Mapping[tuple, str], title: str, folder: Path
) -> None:
    """Writes audit.html, confusion.svg, confusion.csv and kinds.csv into a folder; all of them or, on failure, none.

    answers: of `gorp.report.answer_audit.sort_answers`; sentences: by (task, id), shown with the examples.
    """
    with filling(folder) as scratch:
        write_table(count_kinds(answers), scratch / "kinds.csv")
        write_table(count_answers(answers, labels), scratch / "confusion.csv")
        save_figure(confusion_figure(answers, labels), scratch / "confusion.svg")
        svg = (scratch / "confusion.svg").read_text(encoding="utf-8")
        page = make_page(answers, sentences, title, svg[svg.index("<svg") :])
        (scratch / "audit.html").write_text(page, encoding="utf-8")


def make_page(answers: pd.DataFrame, sentences: Mapping[tuple, str], title: str, svg: str) -> str:
    """The HTML page. Whatever comes from data is escaped; `svg` is not."""
    counts = answers["kind"].value_counts()
    found = {}
    for kind in KINDS:
        if kind != "right" and kind in counts:
            found[kind] = examples(answers, kind, EXAMPLES).to_dict("records")
            for row in found[kind]:
                row["sentence"] = shortened(sentences.get((row["task"], row["id"]), ""))
    return (
        Environment(autoescape=True, trim_blocks=True)
        .from_string(PAGE)
        .render(
            title=title,
            style=STYLE,
            rows=len(answers),
            right=counts.get("right", 0),
            foreign=counts.get("foreign label", 0),
            kinds=count_kinds(answers).to_dict("records"),
            used=[kind for kind in KINDS if kind in counts],
            meaning=KINDS,
            owners=count_owners(answers).to_dict("records"),
            examples=found,
            svg=svg,
        )
    )


def shortened(text: str) -> str:
    return text if len(text) <= SENTENCE else text[:SENTENCE] + " ..."


# ---- figure ----


def confusion_figure(answers: pd.DataFrame, labels: Labels) -> Figure:
    """A confusion matrix for each task that has labels, in the order of `answers`; at most three side by side."""
    parts = {str(task): part for task, part in answers.groupby("task", sort=False) if labels[str(task)]}
    grids = {task: confusion(part, labels[task]) for task, part in parts.items()}
    if not grids:
        figure = Figure(figsize=(4, 0.6))
        figure.text(0.02, 0.4, "no task with labels")
        return figure
    across = min(len(grids), 2 if len(grids) <= 4 else 3)
    lines = [list(grids.items())[start : start + across] for start in range(0, len(grids), across)]
    heights = [1.6 + 0.26 * max(len(grid) for _, grid in line) for line in lines]  # inches
    widths = [
        1.8 + 0.26 * max(len(line[column][1].columns) for line in lines if column < len(line))
        for column in range(across)
    ]
    figure = Figure(figsize=(sum(widths), sum(heights)), layout="constrained")
    panels = figure.subplots(len(lines), across, squeeze=False, width_ratios=widths, height_ratios=heights)
    for axes, (task, grid) in zip(panels.flat, grids.items(), strict=False):
        draw_confusion(axes, task, grid)
    for axes in panels.flat[len(grids) :]:
        axes.set_axis_off()
    figure.draw_without_rendering()  # lays the panels out; a layout done again at each saving moves by a hair
    figure.set_layout_engine("none")
    return figure


def draw_confusion(axes: Axes, task: str, grid: pd.DataFrame) -> None:
    """Counts as numbers, and as shades by the part of their line; a line divides labels from other kinds of answers."""
    counts = grid.to_numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1.15, edgecolors="#eeeeee", linewidth=0.6)
    for i, j in np.argwhere(counts > 0):
        colour = "white" if shares[i, j] > 0.6 else "black"
        axes.text(j + 0.5, i + 0.5, counts[i, j], ha="center", va="center", fontsize=6, color=colour)
    axes.set_xlim(0, len(grid.columns))
    axes.set_ylim(len(grid), 0)
    axes.set_xticks(
        np.arange(len(grid.columns)) + 0.5, grid.columns, rotation=50, ha="right", rotation_mode="anchor", fontsize=7
    )
    axes.set_yticks(np.arange(len(grid)) + 0.5, grid.index, fontsize=7)
    if others := sum(name.startswith("[") for name in grid.columns):
        axes.axvline(len(grid.columns) - others, color="#D55E00", linewidth=1.2)
    axes.tick_params(length=0)
    axes.set_title(task, loc="left", fontsize=9)
    axes.spines[:].set_visible(False)
