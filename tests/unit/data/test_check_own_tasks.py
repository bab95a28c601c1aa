"""What gorp check says of tasks in the forms that users may bring is what preprocessing refuses."""

import json
from pathlib import Path

import pytest

from gorp.cli import main
from gorp.data.check import as_text, check_benchmark
from gorp.data.tasks import SPLITS


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


ASKED = {"instruction": "Name it.", "input": "a red fruit", "output": "apple"}
OWN = {  # files of a task in the forms that users may bring, and what check says of them
    "CSV": ({"train.csv": "label,sentence\nGood,fine\nBad,poor\n"}, []),
    "CSV: a column without a name": ({"train.csv": "label,\nGood,fine\n"}, ["name each column once"]),
    "JSON lines": ({"train.jsonl": lines({"label": "Good", "sentence": "fine"})}, []),
    "JSON lines: broken": ({"train.jsonl": '{"label": "Good", "sentence": "fine"}\n{'}, ["2"]),
    "labels that the train rows lack": (
        {"train.csv": "label,sentence\nGood,fine\n", "test.csv": "label,sentence\nBad,poor\n"},
        ["row 1 has the label 'Bad', not one of the labels of train.csv"],
    ),
    "texts": ({"train.jsonl": lines(ASKED, {**ASKED, "input": ""}), "task.json": '{"score": "rougeL"}'}, []),
    "texts without a score": ({"train.jsonl": lines(ASKED)}, ["need a score"]),
    "texts with labels": ({"train.jsonl": lines(ASKED), "labels.json": '["a"]'}, ["in a task with labels"]),
    "a text that is missing": (
        {"train.jsonl": lines(ASKED, {"input": "x"}), "task.json": '{"score": "rougeL"}'},
        ["row 2 has no output"],
    ),
    "a text that is none": (
        {"train.jsonl": lines({**ASKED, "input": "\ud83d"}), "task.json": '{"score": "rougeL"}'},
        ["row 1 has a input that is not Unicode text"],
    ),
    "two files": ({"train.csv": "label,sentence\nGood,fine\n", "train.jsonl": ""}, ["keep one file per split"]),
    "task.json: unknown key": (
        {"train.jsonl": lines(ASKED), "task.json": '{"scor": "rougeL"}'},
        ["unknown key 'scor'"],
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_tasks_of_ones_own(tmp_path, name):
    files, expected = OWN[name]
    folder = tmp_path / "root/Mine/own"
    folder.mkdir(parents=True)
    (tmp_path / "root/instruction_config.json").write_text("{}")
    for file, text in files.items():
        (folder / file).write_text(text)
        if file.startswith("train"):
            for split in {"dev", "test"} - {other.partition(".")[0] for other in files}:
                (folder / f"{split}{Path(file).suffix}").write_text(text)
    if name == "two files":
        (folder / "dev.jsonl").unlink(), (folder / "test.jsonl").unlink()
    report = check_benchmark(tmp_path / "root")
    messages = [error["message"] for error in report["errors"]]
    assert len(messages) >= len(expected) and bool(messages) == bool(expected)
    for text in expected:
        assert any(text in message for message in messages), messages
    as_text(report)
    where = ["--benchmark", str(tmp_path / "root"), "--task", "own", "--output", str(tmp_path / "out.jsonl")]
    refused = [main(["preprocess", *where, "--split", split]) for split in SPLITS]
    assert any(refused) == bool(expected)
