"""The command line: a user's mistake is one line, exit status 1, and nothing on disk."""

import json
import shutil

import pytest

from gorp.benchmark import BUNDLED
from gorp.cli import main


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
