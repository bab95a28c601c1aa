"""Scores of predictions and of the accuracy matrix, against values worked by hand and published ones."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from gorp.metrics.answers import SCORES, exact_match, mean, normalise, rouge, score_predictions, tally
from gorp.metrics.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    learning_accuracy,
    micro_average,
)
from gorp.report.accuracy_figure import SHOWN

PUBLISHED = json.loads(Path(__file__).parents[2].joinpath("data/published_matrices.json").read_text())["runs"]
RISE_AND_FALL = [[50], [90, 60], [70, 40, 80]]


def row(prediction="positive", target="positive", task="amazon", id=0):
    return {"task": task, "id": id, "prediction": prediction, "target": target}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Very  Positive.", "very positive"),
        ("\tSci/Tech \n", "scitech"),
        ("don't, STOP!", "dont stop"),
        ("a - b", "a b"),
        ("Éa", "éa"),
        ("?!", ""),
        ("", ""),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("prediction", "target", "expected"),
    [
        ("Positive.", "positive", True),
        ("very positive", "positive", False),
        ("", "positive", False),
        ("", "", False),
        ("...", "positive", False),
        (" - ", "-", True),  # labels without letters
        ("+", "-", False),
        ("", "-", False),
    ],
)
def test_exact_match(prediction, target, expected):
    assert exact_match(prediction, target) is expected


@pytest.mark.parametrize(
    ("prediction", "target", "rouge1", "rouge_l"),
    [
        ("very positive", "positive", 200 / 3, 200 / 3),  # precision 1/2, recall 1
        ("sat the cats", "the cat sat", 100, 200 / 3),  # cats is stemmed to cat; longest common: the cat
        ("running", "runs", 100, 100),
        ("a b c d", "a x", 100 / 3, 100 / 3),  # precision 1/4, recall 1/2
        ("b a", "a b", 100, 50),
        ("positive", "negative", 0, 0),
        ("", "positive", 0, 0),
        ("-", "-", 0, 0),  # no word in either
        ("今天下雨", "今天晴", 400 / 7, 400 / 7),  # letters: precision 2/4, recall 2/3
        ("雨今天", "今天雨", 100, 200 / 3),
        ("было холодно", "Было тепло.", 50, 50),  # words, in another alphabet
        ("ดี", "ไม่ดี", 50, 50),  # letters with their marks: precision 1, recall 1/3
    ],
)
def test_rouge_by_hand(prediction, target, rouge1, rouge_l):
    assert rouge("rouge1", prediction, target) == pytest.approx(rouge1)
    assert rouge("rougeL", prediction, target) == pytest.approx(rouge_l)


def test_mean_scores_count_repeated_pairs():
    pairs = [("a", "a")] * 3 + [("b a", "a b")]
    tallies = {name: tally(name, pairs) for name in SCORES}
    assert tallies["exact_match"] == {0.0: 1, 100.0: 3}
    assert list(tallies["rougeL"].items()) == [(50.0, 1), (100.0, 3)]
    means = {name: mean(counts) for name, counts in tallies.items()}
    assert means == pytest.approx({"exact_match": 75, "rouge1": 100, "rougeL": 87.5})


def test_score_predictions_by_task_in_order_of_appearance():
    rows = [
        row("Positive", id=1),
        row("very positive", id=2),
        row("", id=3),
        row("Sports", "sports", task="agnews", id=1),
        row("positive!", id=4),
    ]
    scores = score_predictions(iter(rows))
    assert list(scores) == ["amazon", "agnews"]
    third = (1 + 1 + 2 / 3) / 4 * 100
    own = {"group": "amazon", "rows": 4}  # without a group a task is one of its own
    assert {key: scores["amazon"].pop(key) for key in own} == own
    counts = {"exact_match": {"0.0": 2, "100.0": 2}}
    counts |= {key: {"0.0": 1, "66.66666666666666": 1, "100.0": 2} for key in ("rouge1", "rougeL")}
    assert scores["amazon"].pop("tally") == counts
    assert scores["agnews"].pop("tally") == {key: {"100.0": 1} for key in SCORES}
    assert scores["amazon"] == pytest.approx({"exact_match": 50, "rouge1": third, "rougeL": third})
    assert scores["agnews"] == {"group": "agnews", "rows": 1, "exact_match": 100, "rouge1": 100, "rougeL": 100}


def test_groups_and_likeliest_labels():
    rows = [
        {**row("negative", id=1), "group": "SC", "likeliest_label": "Positive"},
        {**row("positive", id=2), "group": "SC", "likeliest_label": "positive!"},
        {**row("positive", id=3), "group": "SC", "likeliest_label": "positive"},
        {**row("A", "A", task="COPA"), "group": "COPA"},
    ]
    scores = score_predictions(rows)
    assert {task: found["group"] for task, found in scores.items()} == {"amazon": "SC", "COPA": "COPA"}
    assert scores["amazon"]["exact_match"] == pytest.approx(200 / 3)
    assert scores["amazon"]["likelihood_match"] == 100
    assert "likelihood_match" not in scores["COPA"]


def test_empty_predictions_are_wrong_not_an_error():
    zero = {"group": "amazon", "rows": 2, "exact_match": 0, "rouge1": 0, "rougeL": 0}
    zero["tally"] = {key: {"0.0": 2} for key in SCORES}
    assert score_predictions([row("", id=1), row("  ", id=2)]) == {"amazon": zero}


def test_each_score_has_a_title_in_figures():
    assert SHOWN.keys() == SCORES.keys()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"task": "amazon", "id": 1, "prediction": "positive"}, "row 2 has no 'target'"),
        ({**row(id=1), "prediction": None}, "row 2: 'prediction' is None, not text"),
        ({**row(id=1), "task": 3}, "row 2: 'task' is 3"),
        ({**row(), "id": None}, "row 2: 'id' is None"),
        (["amazon"], "row 2 is not an object"),
        (row(), "row 2: id 0 of task 'amazon' appears twice"),
        ({**row(id=1), "group": "SC"}, "row 2: only some rows of task 'amazon' have 'group'"),
        ({**row(id=1), "likeliest_label": "A"}, "row 2: only some rows of task 'amazon' have 'likeliest_label'"),
        ({**row(id=1), "likeliest_label": 3}, "row 2: 'likeliest_label' is 3, not text"),
    ],
)
def test_malformed_row_is_named(bad, message):
    with pytest.raises(ValueError, match=message):
        score_predictions([row(), bad])


def test_a_task_in_two_groups_is_refused():
    with pytest.raises(ValueError, match="row 2: task 'amazon' is in 'SC' and 'TC'"):
        score_predictions([{**row(id=1), "group": "SC"}, {**row(id=2), "group": "TC"}])


def test_tasks_without_rows_are_named():
    with pytest.raises(ValueError, match="no prediction rows to score"):
        score_predictions([])
    with pytest.raises(ValueError, match="no prediction rows for: yahoo, agnews"):
        score_predictions([row()], tasks=["amazon", "yahoo", "agnews"])
    assert list(score_predictions([row()], tasks=["amazon"])) == ["amazon"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_matrices(name):
    run = PUBLISHED[name]
    a, rows = run["exact_match"], [run["test_rows_each"]] * 4
    got = {"AA": average_accuracy(a), "BWT": backward_transfer(a), "FM": forgetting(a), "LA": learning_accuracy(a)}
    assert got == pytest.approx({key: run[key] for key in got}, abs=1e-3)
    micro = [micro_average(a[:stage], rows[:stage]) for stage in range(1, 5)]
    assert micro == pytest.approx(run["micro_exact_match"], abs=1e-3)


def test_matrix_metrics_by_hand():
    assert average_accuracy(RISE_AND_FALL) == pytest.approx(190 / 3)
    assert micro_average(RISE_AND_FALL, [1, 1, 2]) == pytest.approx(67.5)
    assert learning_accuracy(RISE_AND_FALL) == pytest.approx(190 / 3)
    assert forward_transfer([20, 35], [99, 10, 30]) == pytest.approx(7.5)


def test_forgetting_counts_from_the_best_stage_and_bwt_from_the_first():
    assert backward_transfer(RISE_AND_FALL) == 0  # +20 and -20
    assert forgetting(RISE_AND_FALL) == 20  # 90 - 70 and 60 - 40


def test_the_last_stage_is_not_among_the_best():
    assert forgetting([[50], [60, 70]]) == -10


def test_ties_are_neither_gain_nor_loss():
    a = [[80], [80, 80], [80, 80, 80]]
    assert (backward_transfer(a), forgetting(a), forward_transfer([5, 5], [5, 5, 5])) == (0, 0, 0)
    assert average_accuracy(a) == micro_average(a, [1, 7, 3]) == learning_accuracy(a) == 80


def test_transfer_and_forgetting_are_undefined_for_one_task():
    assert all(
        math.isnan(value) for value in (backward_transfer([[80]]), forgetting([[80]]), forward_transfer([], [5]))
    )
    assert average_accuracy([[80]]) == learning_accuracy([[80]]) == micro_average([[80]], [3]) == 80


@pytest.mark.parametrize("metric", [average_accuracy, backward_transfer, forgetting, learning_accuracy])
@pytest.mark.parametrize(("a", "message"), [([], "no rows"), ([[1], [1]], "row 1"), ([[1, 2], [3, 4]], "row 0")])
def test_matrix_of_another_shape_is_refused(metric, a, message):
    with pytest.raises(ValueError, match=message):
        metric(a)


def test_lengths_that_do_not_fit_are_refused():
    for rows in ([10], [10, 0]):
        with pytest.raises(ValueError, match="row counts"):
            micro_average([[1], [1, 2]], rows)
    with pytest.raises(ValueError, match="one forward score less"):
        forward_transfer([1, 2], [1, 2])


def test_metrics_stay_light():
    heavy = "{'torch', 'transformers', 'pandas', 'rouge_score'}"
    code = f"import sys, gorp.metrics.answers; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
