"""The command line: a user's mistake is one line, exit status 1, and nothing on disk."""

import json
import shutil

import pytest

from gorp.cli import main
from gorp.data.tasks import BUNDLED


@pytest.fixture
def data(tmp_path):
    """A copy of one bundled task that a test may damage."""
    shutil.copytree(BUNDLED / "SC/amazon", tmp_path / "data/SC/amazon")
    shutil.copy(BUNDLED / "instruction_config.json", tmp_path / "data")
    return tmp_path / "data"


def rewrite(path, change):
    rows = json.loads(path.read_text())
    change(rows)
    path.write_text(json.dumps(rows))


DAMAGE = {
    "not JSON": (lambda path: path.write_text('[{"label": '), "train.json: not JSON"),
    "no label": (lambda path: rewrite(path, lambda rows: rows[4].pop("label")), "train.json: row 5 has no label"),
    "unknown label": (
        lambda path: rewrite(path, lambda rows: rows[2].update(label="postive")),
        "train.json: row 3 has the label 'postive', not one of labels.json; did you mean positive",
    ),
    "empty": (lambda path: path.write_text("[]"), "train.json: the split is empty"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_data_is_refused_by_file_and_row(data, name, capsys):
    damage, message = DAMAGE[name]
    damage(data / "SC/amazon/train.json")
    output = data.parent / "out" / "rows.jsonl"
    arguments = ["--benchmark", str(data), "--task", "amazon", "--split", "train", "--output", str(output)]
    assert main(["preprocess", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("gorp preprocess: error: ")
    assert error.count("\n") == 1
    assert not output.parent.exists()


@pytest.mark.parametrize(("option", "head"), [("--no-task-name", "Dataset:amazon"), ("--no-dataset-name", "Task:SC")])
def test_a_name_that_is_left_out_of_the_prompts(data, option, head):
    rows = data.parent / "rows.jsonl"
    arguments = ["--benchmark", str(data), "--task", "amazon", "--split", "train", "--output", str(rows)]
    assert main(["preprocess", *arguments, option]) == 0
    first, second = json.loads(rows.read_text().splitlines()[0])["source"].split("\n")[:2]
    assert first == head
    assert not second.startswith("Dataset:")


def test_a_missing_model_and_an_unknown_setting_are_refused(data, capsys):
    rows, stage = data.parent / "rows.jsonl", data.parent / "stage"
    arguments = ["--benchmark", str(data), "--task", "amazon", "--split", "train", "--output", str(rows)]
    assert main(["preprocess", *arguments]) == 0
    train = ["train", "--model", "./nowhere", "--data", str(rows), "--method", "gorp", "--output", str(stage)]
    assert main(train) == 1
    assert "model: ./nowhere: no such folder" in capsys.readouterr().err
    assert main([*train, "--set", "epocs=2"]) == 1
    assert "epocs: not a setting of gorp; did you mean epochs?" in capsys.readouterr().err
    assert not stage.exists()


def test_labels_are_counted_and_written(data, capsys):
    folder = data / "SC/amazon"
    (folder / "labels.json").unlink()
    rows = [
        *[{"label": "so so", "sentence": "x"}] * 3,
        {"label": "bad", "sentence": "y"},
        {"label": "-", "sentence": "z"},
    ]
    (folder / "train.json").write_text(json.dumps(rows))
    assert main(["labels", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in lines[1:]] == [["1", "bad"], ["3", "so so"]]
    assert lines[0].split()[:2] == ["1", "-"] and "no label" in lines[0]
    assert not (folder / "labels.json").exists()
    assert main(["labels", str(folder), "--write"]) == 0
    assert json.loads((folder / "labels.json").read_text()) == ["bad", "so so"]
    capsys.readouterr()
    assert main(["labels", str(folder), "--write"]) == 1
    assert "labels.json: already there" in capsys.readouterr().err
    (folder / "train.json").write_text(json.dumps([{"input": "x", "output": "y"}]))
    (folder / "task.json").write_text('{"score": "rougeL"}')
    assert main(["labels", str(folder)]) == 1
    assert "train.json: rows with an output have no labels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shots=-1"], "--shots: -1 is not at least 0"),
        (["--min-rows=-1"], "--min-rows: -1 is not at least 0"),
        (["--shots=9999"], "prompts: shots: 9999 examples, but"),
        (["--instruction=2"], "prompts: instruction: 2: there are 1 in"),
        (["--instruction=0"], "prompts: instruction: 0: there are 1 in"),
    ],
)
def test_wrong_settings_of_prompts_are_refused(data, options, message, capsys):
    output = data.parent / "out" / "rows.jsonl"
    arguments = ["--benchmark", str(data), "--task", "amazon", "--split", "train", "--output", str(output)]
    assert main(["preprocess", *arguments, *options]) == 1
    assert message in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("pair", ["amazon=bleu", "yelp=rougeL", "amazon"])
def test_a_wrong_score_is_refused(tmp_path, pair, capsys):
    where = ["--stages", str(tmp_path), "--zero-shot", str(tmp_path), "--output", str(tmp_path / "out")]
    names = ["--order", "o", "--tasks", "amazon", "--runs", "gorp/seed0", "--model", "m", "--benchmark", "b"]
    assert main(["aggregate", *names, *where, "--scores", pair]) == 1
    assert "expected TASK=SCORE, a task of --tasks, one of exact_match, rouge1, rougeL" in capsys.readouterr().err
