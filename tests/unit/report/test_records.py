"""Damaged scores, stages and tables of a run: `gorp aggregate` and `gorp summarize` name the file and what to do."""

import json
import re

import pytest

from gorp.cli import main
from gorp.metrics.answers import score_predictions
from gorp.util.files import read_json, write_json

TASKS = ["b", "a"]


def scores(*tasks):
    rows = [("yes", "yes"), ("no", "yes"), ("yes it is", "yes")]
    return score_predictions(
        {"task": task, "id": i, "prediction": text, "target": target}
        for task in tasks
        for i, (text, target) in enumerate(rows)
    )


@pytest.fixture
def run(tmp_path):
    """A run of one order of two tasks, and the command that makes its tables."""
    stages = tmp_path / "stages/s/gorp/seed0"
    for tasks in (TASKS[:1], TASKS):
        folder = stages.joinpath(*tasks)
        info = {"tasks": tasks, "steps": 2, "losses": [2.0, 1.0], "seconds": 1.5, "peak_memory_mb": 500.0}
        write_json(folder / "stage.json", {**info, "trainable": {"lora": 8, "full_rank": 0}})
        write_json(folder / "scores.json", scores(*tasks))
    write_json(stages / "b/only/a/scores.json", scores("a"))
    for task in TASKS:
        write_json(tmp_path / f"zero-shot/{task}/scores.json", scores(task))
    names = ["--order", "o", "--tasks", *TASKS, "--runs", "gorp/seed0", "--model", "m", "--benchmark", "x"]
    where = ["--stages", tmp_path / "stages/s", "--zero-shot", tmp_path / "zero-shot", "--output", tmp_path / "o"]
    return stages, ["aggregate", *names, *map(str, where)]


def changed(**changes):
    """The content with other values under keys, such as a__rows for rows of a."""

    def change(content):
        for path, value in changes.items():
            *outer, last = path.split("__")
            place = content
            for key in outer:
                place = place[key]
            place[last] = value
        return json.dumps(content)

    return change


DAMAGE = [  # file, change, message
    ("b/a/scores.json", lambda content: json.dumps(content)[:-9], "damaged: not JSON"),
    ("b/a/scores.json", lambda content: "", "damaged: not JSON"),
    ("b/a/scores.json", lambda content: "[1]", "damaged: [1] is not of type 'object'"),
    ("b/a/scores.json", lambda content: json.dumps({"b": content["b"]}), "damaged: no scores of a"),
    ("b/a/scores.json", changed(a__rows="3"), "damaged: a.rows: '3' is not of type 'integer'"),
    ("b/a/scores.json", changed(a__exact_match=34.0), "damaged: a: exact_match is 34.0, but its tally gives 33.3"),
    ("b/a/scores.json", changed(b__tally__rouge1={"0.0": 2}), "damaged: b: the tally of rouge1 has 2 rows, not 3"),
    ("b/a/scores.json", changed(b__tally__rouge1={"0.x": 3}), "damaged: b.tally.rouge1: '0.x' does not match"),
    ("b/only/a/scores.json", lambda content: json.dumps(scores("b")), "damaged: no scores of a"),
    ("b/stage.json", lambda content: "\0" * 50, "damaged: not JSON"),
    ("b/stage.json", changed(seconds=None), "damaged: seconds: None is not of type 'number'"),
    ("b/stage.json", changed(trainable={"lora": 1}), "damaged: trainable: 'full_rank' is a required property"),
    ("b/stage.json", changed(tasks=["b", "a"]), "damaged: its tasks are b/a, expected b"),
]


@pytest.mark.parametrize(("file", "change", "message"), DAMAGE)
def test_a_damaged_file_is_named_with_what_to_do(run, tmp_path, capsys, file, change, message):
    stages, command = run
    (stages / file).write_text(change(read_json(stages / file)))
    assert main(command) == 1
    error = capsys.readouterr().err
    assert f"{stages / file}: {message}" in error
    assert error.endswith("; delete it and run the snakemake command again\n")
    assert error.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_a_missing_file_is_named(run, capsys):
    stages, command = run
    (stages / "b/stage.json").unlink()
    assert main(command) == 1
    assert f"{stages / 'b/stage.json'}: no such file" in capsys.readouterr().err


def test_a_damaged_summary_is_named_by_the_table_of_all_orders(run, tmp_path, capsys):
    assert main(run[1]) == 0
    file = tmp_path / "o/summary.csv"
    summarize = ["summarize", "--suite", "s", str(file), "--output", str(tmp_path / "summary.csv")]
    whole = file.read_text()
    header = whole.partition("\n")[0]
    for text, message in (
        (header, "damaged: no rows"),
        (re.sub(r"33\.3333", "33.3E33x", whole), "damaged: AA is not a number"),
        (whole.replace("AA,", "AB,", 1), "not a summary table: no column AA"),
        ("", "not a summary table: No columns"),
        ("\0\xff", "not a summary table: "),
    ):
        file.write_text(text, encoding="latin-1")
        assert main(summarize) == 1, message
        error = capsys.readouterr().err
        assert f"{file}: {message}" in error
        assert error.endswith("; delete it and run the snakemake command again\n")
    assert not (tmp_path / "summary.csv").exists()
