"""Tables as a page that a person can read: one HTML file that needs nothing beside it."""

import html
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from gorp.report.accuracy_figure import own_scores, score_names
from gorp.util.files import replacing

STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2733; margin: 2em; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin-top: 2em; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .8em; text-align: right; white-space: nowrap; border-bottom: 1px solid #dde3ea; }
th { background: #f2f5f8; } td:first-child, th:first-child { text-align: left; }
"""


def write_page(path: Path, title: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Writes the tables under their headings; fractions with one decimal, what is undefined as a dash."""
    body = [f"<h1>{html.escape(title)}</h1>"]
    for heading, table in tables.items():
        text = table.to_html(index=False, border=0, na_rep="–", float_format="{:.1f}".format)
        body.append(f"<h2>{html.escape(heading)}</h2>\n<div>{text}</div>")
    page = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
    page += f"<style>\n{STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def order_tables(summary: pd.DataFrame, matrix: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """An order's summary and matrix as people read them: metrics, and the tasks' scores with stages across."""
    names = summary["method"] + ", seed " + summary["seed"].astype(str)
    metrics = summary.drop(
        columns=["order", "method", "seed", "model", "benchmark", *(c for c in summary if str(c).startswith("final_"))]
    )
    tables = {"Metrics": pd.concat([names.rename("run"), metrics], axis=1)}
    heading = f"Score of each task after each stage ({score_names(matrix)})"
    matrix = matrix.assign(
        own=own_scores(matrix), task=pd.Categorical(matrix["task"], list(dict.fromkeys(matrix["task"])))
    )
    for (method, seed), part in matrix.groupby(["method", "seed"], sort=False):
        after = part["stage"].astype(str).str.cat(part["trained"].where(part["stage"] > 0, "zero-shot"), sep=" ")
        wide = part.assign(after=pd.Categorical(after, list(dict.fromkeys(after))))
        wide = wide.pivot(index="task", columns="after", values="own").rename_axis(columns=None).reset_index()
        tables[f"{heading}: {method}, seed {seed}"] = wide
    return tables
