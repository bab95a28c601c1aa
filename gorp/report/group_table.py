"""Scores by group of tasks (SC, TC, NLI, ...): from the matrix of an order to groups.csv."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gorp.metrics.answers import SCORES, f1
from gorp.report.accuracy_figure import own_scores

COLUMNS = ("own", *SCORES)  # own: of each task the score that counts for it
ALL = "all"  # the name of the row over all groups


def group_table(tasks: Sequence[str], matrix: pd.DataFrame) -> pd.DataFrame:
    """One row a run, stage and group, and one over all groups: of all tasks at stage 0, of the tasks seen after others.

    tasks: in the order of training; matrix: the long table of `gorp.report.order_tables.aggregate`.
    Columns: method, seed, stage, trained, group, tasks (how many), rows; of each of `COLUMNS` the macro average, every
    task counting the same, and as SCORE_micro the micro average, every row counting the same. Both are nan where a task
    that was seen has not been scored.
    """
    matrix = matrix.assign(own=own_scores(matrix))
    groups = dict(zip(matrix["task"], matrix["group"], strict=True))
    keys = ["method", "seed", "stage", "trained"]
    rows = []
    for key, cells in matrix[(matrix["stage"] == 0) | matrix["seen"]].groupby(keys, sort=False):
        place: dict[str, Any] = dict(zip(keys, key, strict=True))
        names = tasks[: place["stage"]] if place["stage"] else tasks
        for group in [*dict.fromkeys(groups[task] for task in names), ALL]:
            wanted = sum(group in (ALL, groups[task]) for task in names)
            part = cells if group == ALL else cells[cells["group"] == group]
            rows.append({**place, "group": group, "tasks": wanted, "rows": part["rows"].sum(), **_means(part, wanted)})
    return pd.DataFrame(rows)


def _means(cells: pd.DataFrame, wanted: int) -> dict[str, float]:
    """Macro and micro averages of each score, if all `wanted` tasks are among the cells."""
    means = {}
    for name in COLUMNS:
        complete = len(cells) == wanted
        means[name] = cells[name].mean() if complete else np.nan
        means[f"{name}_micro"] = np.average(cells[name], weights=cells["rows"]) if complete else np.nan
    return means | _f1_means(cells, wanted)


def _f1_means(cells: pd.DataFrame, wanted: int) -> dict[str, float]:
    labelled = cells[cells["tp"].notna()]
    if len(cells) != wanted or labelled.empty:
        return {"f1_macro": np.nan, "f1_micro": np.nan}
    return {"f1_macro": labelled["f1_macro"].mean(), "f1_micro": f1(*labelled[["tp", "fp", "fn"]].sum())}
