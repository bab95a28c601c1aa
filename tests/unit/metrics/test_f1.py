"""F1 over a task's labels, by hand, and what an order's tables make of it."""

import math
from dataclasses import replace

import pytest
from runs import TASKS, run, scores

from gorp.metrics.answers import count_labels, f1, f1_scores, score_predictions
from gorp.report.group_table import group_table
from gorp.report.order_tables import aggregate
from gorp.report.writing import write_tables

# scikit-learn 1.9.1 gives the same: f1_score(targets, predictions, average="macro", labels=[those that are targets]),
# and average="micro", labels=LABELS
LABELS = ["Art", "Bird", "Car", "Dog"]
PAIRS = [
    *[("art", "Art")] * 4,
    ("Bird.", "Art"),
    ("a bird", "Art"),  # no label
    *[("Bird", "Bird")] * 2,
    ("Art", "Bird"),
    ("Car", "Car"),
    ("Dog", "Car"),  # a label that no row wants
]


def test_counts_and_scores_by_hand():
    counts = count_labels(PAIRS, LABELS)
    assert {label: tuple(each.values()) for label, each in counts.items()} == {
        "Art": (4, 1, 2),
        "Bird": (2, 1, 1),
        "Car": (1, 0, 1),
        "Dog": (0, 1, 0),
    }
    found = f1_scores(counts)
    assert found["f1_macro"] == pytest.approx(100 * (8 / 11 + 4 / 6 + 2 / 3) / 3)  # of three labels, not of Dog
    assert found["f1_micro"] == pytest.approx(100 * 14 / (14 + 3 + 4))
    assert found["f1_micro"] > 100 * 7 / 11, "accuracy, which counts an answer that is no label twice as much"


def test_micro_is_accuracy_where_every_answer_is_a_label():
    pairs = [pair for pair in PAIRS if pair[0] != "a bird"]
    assert f1_scores(count_labels(pairs, LABELS))["f1_micro"] == pytest.approx(100 * 7 / 10)


def test_edges():
    assert f1_scores(count_labels([("Art", "Art")], ["Art", "Bird"])) == {"f1_macro": 100, "f1_micro": 100}
    assert f1_scores(count_labels([("", "Art"), ("x", "Bird")], LABELS)) == {"f1_macro": 0, "f1_micro": 0}
    assert f1_scores(count_labels([("a text", "a text")], [])) == {}
    assert f1_scores(count_labels([("Art", "-")], ["Art"])) == {}, "no target is a label"
    assert count_labels([("Art", "-"), ("-", "-")], ["Art"]) == {"Art": {"tp": 0, "fp": 1, "fn": 0}}
    assert count_labels([("+", "+"), ("-", "+")], ["+", "-"]) == {
        "+": {"tp": 1, "fp": 0, "fn": 1},
        "-": {"tp": 0, "fp": 1, "fn": 0},
    }
    assert math.isnan(f1(0, 0, 0))


def rows(pairs, task="things", **more):
    return [{"task": task, "id": i, "prediction": p, "target": t, **more} for i, (p, t) in enumerate(pairs)]


def test_scores_of_predictions():
    """Where labels are known; a generation task has none."""
    found = score_predictions([*rows(PAIRS, labels=LABELS), *rows(PAIRS, "texts", labels=[]), *rows(PAIRS, "old")])
    counts = count_labels(PAIRS, LABELS)
    assert found["things"]["label_counts"] == counts
    assert found["things"].items() >= f1_scores(counts).items()
    for task in ("texts", "old"):
        assert not {"f1_macro", "f1_micro", "label_counts"} & set(found[task])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"labels": LABELS}, {}, "row 2: only some rows of task 'things' have 'labels'"),
        ({"labels": LABELS}, {"labels": ["Art"]}, "row 2: task 'things' has other labels than in its first row"),
        ({"labels": "Art"}, {"labels": "Art"}, "row 1: 'labels' is 'Art', not a list of texts"),
        ({"labels": [1]}, {"labels": [1]}, r"row 1: 'labels' is \[1\], not a list of texts"),
    ],
)
def test_labels_that_cannot_be(first, second, message):
    given = [{**row, **more} for row, more in zip(rows(PAIRS[:2]), (first, second), strict=True)]
    with pytest.raises(ValueError, match=message):
        score_predictions(given)


def counted(scores, **tasks):
    """Scores with the F1 of (tp, fp, fn) of two labels each."""
    for task, pair in tasks.items():
        counts = {name: dict(zip(("tp", "fp", "fn"), c, strict=True)) for name, c in zip("xy", pair, strict=True)}
        scores = {**scores, task: {**scores[task], **f1_scores(counts), "label_counts": counts}}
    return scores


def test_an_order_by_task_and_group(tmp_path):
    """b and c are in group X; a, which has no labels, alone in Y."""
    b, c = [(3, 1, 0), (1, 0, 1)], [(10, 0, 30), (0, 0, 0)]
    last = counted(scores(b=70.0, a=40.0, c=80.0), b=b, c=c)
    summary, matrix = aggregate("order1", TASKS, [replace(run(), stage_scores=[*run().stage_scores[:2], last])])
    of_b, of_c = 100 * (6 / 7 + 2 / 3) / 2, 100 * 20 / 50
    end = matrix.iloc[-3:].set_index("task")
    assert end["f1_macro"].tolist() == pytest.approx([of_b, math.nan, of_c], nan_ok=True)
    assert end.loc["b", "f1_micro"] == pytest.approx(100 * 8 / 10)
    assert end.loc["c", ["tp", "fp", "fn"]].tolist() == [10, 0, 30]
    assert summary.loc[0, "F1"] == pytest.approx((of_b + of_c) / 2)
    groups = group_table(TASKS, matrix).set_index(["stage", "group"])[["f1_macro", "f1_micro"]]
    pooled = 100 * 28 / (28 + 1 + 31)
    assert groups.loc[(3, "X")].tolist() == pytest.approx([(of_b + of_c) / 2, pooled])
    assert groups.loc[(3, "all")].tolist() == groups.loc[(3, "X")].tolist()
    assert groups.loc[[(3, "Y"), (1, "X")]].isna().all().all()
    write_tables(summary, matrix, tmp_path)
    lines = (tmp_path / "matrix.csv").read_text().splitlines()[-3:]
    assert ",nan,nan,nan,nan,nan," in lines[1]
    assert ",40.0000,40.0000,10,0,30," in lines[2]
    without, _ = aggregate("order1", TASKS, [run()])
    assert math.isnan(without.loc[0, "F1"])
