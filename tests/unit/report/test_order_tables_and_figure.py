"""Tables and figure of an order, on a hand-made example of three tasks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from runs import GROUPS, ROWS, TASKS, run, scores, tallies

from gorp.metrics.bootstrap import interval
from gorp.report.accuracy_figure import _apart, accuracy_figure
from gorp.report.order_tables import aggregate
from gorp.report.writing import save_figure, write_tables


def test_summary_columns_and_values():
    summary, _ = aggregate("order1", TASKS, [run(), run("lora"), run(seed=2)])
    assert summary[["method", "seed"]].values.tolist() == [["gorp", 1], ["lora", 1], ["gorp", 2]]
    first = summary.iloc[0].to_dict()
    low, high = interval(
        [scores(**{task: value})[task]["tally"]["exact_match"] for task, value in zip(TASKS, (70, 40, 80), strict=True)]
    )
    assert 57 < low < 60 < 66 < high < 69
    assert first == pytest.approx(
        {
            "order": "order1",
            "method": "gorp",
            "seed": 1,
            "model": "tiny",
            "benchmark": "bundled",
            "scores": "exact_match",
            "AA": 190 / 3,
            "AA_low": low,
            "AA_high": high,
            "AA_micro": 67.5,
            "BWT": 0,
            "FM": 20,
            "LA": 190 / 3,
            "FWT": 7.5,
            "F1": np.nan,
            "zero_shot": 15,
            "final_b": 70,
            "final_a": 40,
            "final_c": 80,
            "trainable_lora": 10,
            "trainable_full_rank": 9,
            "train_seconds": 6.75,
            "peak_memory_mb": 812,
        },
        nan_ok=True,
    )
    before = ["order", "method", "seed", "model", "benchmark", "scores"]
    metrics = ["AA", "AA_low", "AA_high", "AA_micro", "BWT", "FM", "LA", "FWT", "F1", "zero_shot"]
    after = ["trainable_lora", "trainable_full_rank", "train_seconds", "peak_memory_mb"]
    assert list(summary) == [*before, *metrics, "final_b", "final_a", "final_c", *after]


def test_each_task_counts_by_its_own_score():
    """rougeL is half a point above the exact match, rouge1 a whole one."""
    plain, matrix = aggregate("order1", TASKS, [run()])
    summary, mixed = aggregate("order1", TASKS, [run()], {"a": "rougeL", "c": "rouge1"})
    assert summary.loc[0, "scores"] == "b=exact_match a=rougeL c=rouge1"
    assert summary.loc[0, ["final_b", "final_a", "final_c"]].tolist() == [70, 40.5, 81]
    more = {"AA": 1.5 / 3, "AA_micro": (0.5 * 100 + 200) / 400, "LA": 1.5 / 3, "zero_shot": 1.5 / 3}
    for name in ("AA", "AA_micro", "BWT", "FM", "LA", "FWT", "zero_shot"):
        assert summary.loc[0, name] - plain.loc[0, name] == pytest.approx(more.get(name, 0)), name
    assert dict(zip(mixed["task"], mixed["score"], strict=True)) == {"b": "exact_match", "a": "rougeL", "c": "rouge1"}
    assert mixed.drop(columns=["score", "low", "high"]).equals(matrix.drop(columns=["score", "low", "high"]))
    final = mixed.iloc[-3:].set_index("task")
    assert final.loc["c", ["low", "high"]].tolist() == pytest.approx([81, 81])
    assert tuple(final.loc["a", ["low", "high"]]) == interval([tallies(100, 40)["rougeL"]])
    own = [tallies(ROWS[t], v)[s] for t, v, s in (("b", 70, "exact_match"), ("a", 40, "rougeL"), ("c", 80, "rouge1"))]
    assert tuple(summary.loc[0, ["AA_low", "AA_high"]]) == interval(own)
    summary, _ = aggregate("order1", TASKS, [run()], dict.fromkeys(TASKS, "rougeL"))
    assert summary.loc[0, "scores"] == "rougeL"


def test_one_score_of_its_own_changes_what_compares_stages():
    """Where a task's ROUGE-L falls by less than its exact match, so does its forgetting."""
    better = [dict(scores) for scores in run().stage_scores]
    better[2] = {**better[2], "a": {**better[2]["a"], "rougeL": 60.5}}
    summary, _ = aggregate("order1", TASKS, [replace(run(), stage_scores=better)], {"a": "rougeL"})
    assert (summary.loc[0, "BWT"], summary.loc[0, "FM"]) == (10, 10)


def test_matrix_holds_zero_shot_seen_and_next_task():
    _, matrix = aggregate("order1", TASKS, [run()])
    columns = ["method", "seed", "stage", "trained", "task", "group", "seen", "rows"]
    columns += ["exact_match", "rouge1", "rougeL", "f1_macro", "f1_micro", "tp", "fp", "fn", "score", "low", "high"]
    assert list(matrix) == columns
    assert matrix["group"].tolist() == [GROUPS[task] for task in matrix["task"]]
    bounds = matrix.iloc[-2][["low", "high"]].tolist()
    assert tuple(bounds) == interval([tallies(100, 40)["exact_match"]])
    assert 29 < bounds[0] < 32 < 48 < bounds[1] < 51
    assert matrix[["stage", "trained", "task", "seen", "exact_match"]].values.tolist() == [
        [0, "", "b", False, 5],
        [0, "", "a", False, 10],
        [0, "", "c", False, 30],
        [1, "b", "b", True, 50],
        [1, "b", "a", False, 20],
        [2, "a", "b", True, 90],
        [2, "a", "a", True, 60],
        [2, "a", "c", False, 35],
        [3, "c", "b", True, 70],
        [3, "c", "a", True, 40],
        [3, "c", "c", True, 80],
    ]
    assert matrix.iloc[-1][["rows", "rouge1", "rougeL"]].tolist() == [200, 81, 80.5]


def test_likelihood_stands_beside_and_changes_nothing_else(tmp_path):
    both = scores(b=5.0, a=10.0, c=30.0)
    both["a"]["likelihood_match"] = 77.0
    (plain, before), (summary, matrix) = (
        aggregate("order1", TASKS, [replace(run(), zero_shot=zero)]) for zero in (scores(b=5.0, a=10.0, c=30.0), both)
    )
    pd.testing.assert_frame_equal(summary, plain)
    pd.testing.assert_frame_equal(matrix.drop(columns="likelihood_match"), before)
    assert matrix["likelihood_match"].dropna().to_dict() == {1: 77.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage_scores": [scores(b=50.0)]}, "gorp, seed 1: 3 tasks need 3 stage_scores; got 1"),
        ({"forward_scores": []}, "need 2 forward_scores; got 0"),
        ({"stages": []}, "need 3 stages; got 0"),
        ({"zero_shot": scores(b=5.0, c=1.0)}, "gorp, seed 1, stage 0: no scores of a; there are: b, c"),
        ({"forward_scores": [scores(c=1.0), scores(c=1.0)]}, "stage 1: no scores of a"),
        ({"zero_shot": {"b": {"rows": 1, "group": "X"}}}, "stage 0, b: no 'exact_match'"),
        ({"zero_shot": {"b": {"rows": 1}}}, "stage 0, b: no 'group'"),
        ({"zero_shot": {"b": {**scores(b=5.0)["b"], "tally": {}}}}, "stage 0, b, tally: no 'exact_match'"),
        ({"stages": [{"seconds": 1.0}] * 3}, "stage.json 3: no 'trainable'"),
    ],
)
def test_what_a_run_lacks_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        aggregate("order1", TASKS, [replace(run(), **change)])


@pytest.mark.parametrize(
    ("tasks", "runs"), [([], [run()]), (["b", "b", "c"], [run()]), (TASKS, []), (TASKS, [run()] * 2)]
)
def test_nothing_and_repeats_are_refused(tasks, runs):
    with pytest.raises(ValueError, match="order1 needs"):
        aggregate("order1", tasks, runs)


def one_task():
    return replace(
        run(), stage_scores=run().stage_scores[:1], forward_scores=[], zero_shot=scores(b=5.0), stages=run().stages[:1]
    )


def test_one_task_has_no_transfer_and_the_table_says_nan(tmp_path):
    summary, matrix = aggregate("order1", ["b"], [one_task()])
    write_tables(summary, matrix, tmp_path)
    header, values = (line.split(",") for line in (tmp_path / "summary.csv").read_text().splitlines())
    got = dict(zip(header, values, strict=True))
    assert {name: got[name] for name in ("AA", "BWT", "FM", "FWT", "zero_shot")} == {
        "AA": "50.0000",
        "BWT": "nan",
        "FM": "nan",
        "FWT": "nan",
        "zero_shot": "5.0000",
    }
    accuracy_figure(matrix, "order1")


def test_tables_have_the_same_bytes_and_fixed_decimals(tmp_path):
    for folder in ("one", "two/deeper"):
        tables = aggregate("order1", TASKS, [run(), run("lora")])
        write_tables(*tables, tmp_path / folder)
        write_tables(*tables, tmp_path / folder)
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == ["matrix.csv", "summary.csv"]
    for name in ("summary.csv", "matrix.csv"):
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two/deeper" / name).read_bytes()
        assert b"\r" not in content and content.endswith(b"\n")
    lines = (tmp_path / "one/summary.csv").read_text().splitlines()
    assert lines[1] == (
        "order1,gorp,1,tiny,bundled,exact_match,63.3333,58.6667,68.0000,67.5000,0.0000,20.0000,63.3333,7.5000,nan,15.0000,"
        "70.0000,40.0000,80.0000,10,9,6.8,812.0"
    )
    assert (tmp_path / "one/matrix.csv").read_text().splitlines()[1] == (
        "gorp,1,0,,b,X,False,100,5.0000,6.0000,5.5000,nan,nan,nan,nan,nan,exact_match,1.0000,10.0000"
    )


def test_no_negative_zero(tmp_path):
    table = pd.DataFrame({"BWT": [-0.00001, -0.0, -0.5]})
    write_tables(table, table, tmp_path)
    assert (tmp_path / "matrix.csv").read_text() == "BWT\n0.0000\n0.0000\n-0.5000\n"


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "accuracy.svg"
    path.write_text("old")

    class Broken:
        def savefig(self, temporary, **_):
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_figure(Broken(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["accuracy.svg"] and path.read_text() == "old"


def test_figure_has_the_same_bytes(tmp_path):
    paths = [tmp_path / name for name in ("one.svg", "two.svg", "again.svg")]
    for path in paths[:2]:
        _, matrix = aggregate("order1", TASKS, [run(), run("lora")])
        figure = accuracy_figure(matrix, "order1")
        save_figure(figure, path)
    save_figure(figure, paths[2])
    assert len({path.read_bytes() for path in paths}) == 1


def test_figure_from_a_matrix_read_back(tmp_path):
    summary, matrix = aggregate("order1", TASKS, [run()])
    write_tables(summary, matrix, tmp_path)
    left, right = accuracy_figure(pd.read_csv(tmp_path / "matrix.csv"), "order1").axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["zero-shot", "1  b", "2  a", "3  c"]
    assert [text.get_text() for text in right.texts] == TASKS


def test_figure_shows_means_over_seeds_in_a_row_a_method():
    better = replace(run(seed=2), zero_shot=scores(b=7.0, a=10.0, c=30.0))
    _, matrix = aggregate("order1", TASKS, [run(), run("lora"), better])
    axes = accuracy_figure(matrix, "order1").axes
    assert [panel.get_title(loc="left") for panel in axes] == ["gorp (mean of 2 seeds)", "", "lora", ""]
    numbers = [text.get_text() for text in axes[0].texts]
    assert numbers == ["6.0", "10.0", "30.0", "50.0", "20.0", "90.0", "60.0", "35.0", "70.0", "40.0", "80.0"]
    curve = axes[1].lines[0]
    assert curve.get_xdata().tolist() == [1, 2, 3] and curve.get_ydata().tolist() == [50, 90, 70]


def test_figure_shows_the_score_of_each_task():
    _, matrix = aggregate("order1", TASKS, [run()], {"a": "rougeL"})
    figure = accuracy_figure(matrix, "order1")
    assert figure.get_suptitle() == "order1: exact match; ROUGE-L of a (%)"
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert numbers == ["5.0", "10.5", "30.0", "50.0", "20.5", "90.0", "60.5", "35.0", "70.0", "40.5", "80.0"]
    assert figure.axes[1].lines[2].get_ydata().tolist() == [60.5, 40.5]
    for declared, title in (({}, "exact match"), (dict.fromkeys(TASKS, "rougeL"), "ROUGE-L")):
        _, matrix = aggregate("order1", TASKS, [run()], declared)
        assert accuracy_figure(matrix, "order1").get_suptitle() == f"order1: {title} (%)"


@pytest.mark.parametrize("values", [[50.0] * 15, [100.0, 99.0, 100.0, 0.0], [0.0, 0.0], [70.0]])
def test_names_of_curves_stay_apart_and_inside(values):
    places = _apart(values, gap=6)
    assert np.diff(np.sort(places)).min(initial=6) > 6 - 1e-9
    assert places.min() >= -3 - 1e-9 and places.max() <= 103 + 1e-9
    assert np.argsort(places, kind="stable").tolist() == np.argsort(values, kind="stable").tolist()
