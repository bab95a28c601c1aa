"""Scores by group, on the hand-made order of the report's tests."""

from dataclasses import replace

import pandas as pd
import pytest
from runs import TASKS, run, scores

from gorp.report.group_table import group_table
from gorp.report.order_tables import aggregate


def table(*runs):
    return group_table(TASKS, aggregate("order1", TASKS, runs)[1])


def test_macro_and_micro_by_group_and_stage():
    """b (100 rows) and c (200) are in group X, a (100) in Y."""
    found = table(run())
    columns = ["stage", "trained", "group", "tasks", "rows", "own", "own_micro"]
    assert found[columns].values.tolist() == [
        [0, "", "X", 2, 300, 17.5, pytest.approx((5 + 2 * 30) / 3)],
        [0, "", "Y", 1, 100, 10, 10],
        [0, "", "all", 3, 400, 15, pytest.approx((5 + 10 + 2 * 30) / 4)],
        [1, "b", "X", 1, 100, 50, 50],
        [1, "b", "all", 1, 100, 50, 50],
        [2, "a", "X", 1, 100, 90, 90],
        [2, "a", "Y", 1, 100, 60, 60],
        [2, "a", "all", 2, 200, 75, 75],
        [3, "c", "X", 2, 300, 75, pytest.approx((70 + 2 * 80) / 3)],
        [3, "c", "Y", 1, 100, 40, 40],
        [3, "c", "all", 3, 400, pytest.approx(190 / 3), 67.5],
    ]
    assert found["own"].equals(found["exact_match"]) and found["own_micro"].equals(found["exact_match_micro"])
    assert found["rouge1"].tolist() == pytest.approx((found["exact_match"] + 1).tolist())
    assert found["rougeL_micro"].tolist() == pytest.approx((found["exact_match_micro"] + 0.5).tolist())
    names = [f"{score}{kind}" for score in ("own", "exact_match", "rouge1", "rougeL") for kind in ("", "_micro")]
    assert list(found)[7:] == [*names, "f1_macro", "f1_micro"]


def test_the_last_row_of_all_groups_is_the_summary():
    for declared in ({}, {"a": "rougeL"}):
        summary, matrix = aggregate("order1", TASKS, [run()], declared)
        last = group_table(TASKS, matrix).iloc[-1]
        assert [last["own"], last["own_micro"]] == summary[["AA", "AA_micro"]].values[0].tolist()
    assert last["own"] > last["exact_match"]


def test_a_task_that_was_seen_and_not_scored_leaves_no_average():
    final = replace(run(), stage_scores=[scores(b=50.0), scores(a=60.0), run().stage_scores[2]])
    found = table(final).set_index(["stage", "group"])
    assert found.loc[(2, "Y"), "exact_match"] == 60
    for group in ("X", "all"):
        assert pd.isna(found.loc[(2, group), ["exact_match", "exact_match_micro", "rougeL"]]).all()
    assert found.loc[(3, "all"), "exact_match"] == pytest.approx(190 / 3)


def test_each_run_has_rows_of_its_own():
    found = table(run("lora"), run(), run(seed=2))
    assert found.groupby(["method", "seed"], sort=False).size().to_dict() == {
        ("lora", 1): 11,
        ("gorp", 1): 11,
        ("gorp", 2): 11,
    }
