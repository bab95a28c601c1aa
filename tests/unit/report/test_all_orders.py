"""The table of all orders, on hand-made tables of two orders and two seeds."""

import math

import pandas as pd
import pytest

from gorp.report.all_orders import METRICS, overview, read_summaries
from gorp.util.errors import UserError


def summary(order, *rows):
    """A summary with AA as given and the other metrics 0; rows: (method, seed, AA, scores)."""
    others = dict.fromkeys(METRICS, 0.0)
    named = [
        {"order": order, "method": m, "seed": s, "model": "t5", "benchmark": "b", "scores": c, **others, "AA": a}
        for m, s, a, c in rows
    ]
    return pd.DataFrame(named)


def test_means_deviations_and_published_scores():
    exact, mixed = "exact_match", "a=exact_match b=rougeL"
    one = summary("o1", ("gorp", 0, 80.0, exact), ("gorp", 1, 82.0, exact), ("seqlora", 0, 50.0, exact))
    two = summary("o2", ("gorp", 0, 84.0, mixed))
    published = {
        "t5": {"s": {"GORP": {"AA": 79.8}}, "other": {"GORP": {"AA": 1.0}}},
        "llama": {"s": {"X": {"AA": 2.0}}},
    }
    table = overview({"s": [one, two]}, published)
    assert table[["suite", "source", "method"]].values.tolist() == [
        ["s", "run", "gorp"],
        ["s", "run", "seqlora"],
        ["s", "published", "GORP"],
    ]
    gorp, seqlora, theirs = table.to_dict("records")
    assert (gorp["orders"], gorp["seeds"], gorp["AA"], gorp["AA_sd"]) == (2, 2, 82.0, 2.0)
    assert gorp["scores"] == f"{exact}; {mixed}"
    assert (seqlora["AA"], seqlora["scores"]) == (50.0, exact) and math.isnan(seqlora["AA_sd"])
    assert (theirs["AA"], theirs["scores"]) == (79.8, exact) and math.isnan(theirs["AA_sd"])


@pytest.mark.parametrize("column", ["scores", "FWT"])
def test_a_table_that_is_none_is_named(tmp_path, column):
    summary("o", ("gorp", 0, 1.0, "exact_match")).drop(columns=column).to_csv(tmp_path / "summary.csv", index=False)
    with pytest.raises(UserError, match=rf"summary\.csv: not a summary table: no column {column}"):
        read_summaries([tmp_path / "summary.csv"])
    with pytest.raises(UserError, match=r"nowhere\.csv: not a summary table"):
        read_summaries([tmp_path / "nowhere.csv"])
