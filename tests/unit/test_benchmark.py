"""Reading a benchmark folder, and each way in which its files can be wrong."""

import json
import re

import pytest

from gorp.benchmark import (
    BUNDLED,
    benchmark_root,
    check_orders,
    find_tasks,
    read_instruction,
    read_labels,
    read_split,
)
from gorp.errors import UserError

LABELS = ["Good", "Bad"]
ROWS = [{"label": "Good", "sentence": "Fine."}, {"label": "Bad", "sentence": "Poor."}]


@pytest.fixture
def root(tmp_path):
    for group, name in (("SC", "moods"), ("TC", "topics")):
        folder = tmp_path / group / name
        folder.mkdir(parents=True)
        (folder / "labels.json").write_text(json.dumps(LABELS))
        for split in ("train", "dev", "test"):
            (folder / f"{split}.json").write_text(json.dumps(ROWS))
    (tmp_path / "instruction_config.json").write_text(
        json.dumps(
            {"SC": [{"instruction_type": "zero-shot", "instruction": "How?\n"}], "TC": [{"instruction": "What?\n"}]}
        )
    )
    return tmp_path


def put(task, split, content):
    """Writes a split, as JSON unless it is text; returns a pattern of its path."""
    task.file(split).write_text(content if isinstance(content, str) else json.dumps(content))
    return re.escape(str(task.file(split)))


def test_tasks_and_files(root):
    tasks = find_tasks(root)
    assert list(tasks) == ["moods", "topics"]
    assert (tasks["moods"].group, tasks["topics"].group) == ("SC", "TC")
    assert tasks["moods"].file("labels") == root / "SC" / "moods" / "labels.json"
    assert read_labels(tasks["moods"]) == LABELS
    assert read_split(tasks["moods"], "dev", LABELS) == ROWS


def test_benchmark_root(root, tmp_path):
    assert benchmark_root(str(root)) == root
    assert BUNDLED.name == "CL_Benchmark"
    with pytest.raises(UserError, match=r"benchmark: .*nowhere: no such folder; give 'bundled' or a folder"):
        benchmark_root(str(tmp_path / "nowhere"))


def test_no_task(tmp_path):
    with pytest.raises(UserError, match=r"no task found; expected files GROUP/DATASET/train\.json"):
        find_tasks(tmp_path)


def test_duplicate_task(root):
    again = root / "XX" / "moods"
    again.mkdir(parents=True)
    (again / "train.json").write_text("[]")
    with pytest.raises(UserError, match=r"XX/moods: the task name moods also stands in .*SC/moods; rename one"):
        find_tasks(root)


def test_orders(root):
    tasks = find_tasks(root)
    check_orders({"one": ["moods", "topics"], "two": ["topics", "moods"], "none": []}, tasks)
    with pytest.raises(UserError, match=r"orders: two: no task 'mods' in the benchmark; did you mean moods\?"):
        check_orders({"one": ["moods"], "two": ["topics", "mods"]}, tasks)
    with pytest.raises(UserError, match=r"no task 'xyz' in the benchmark; known are: moods, topics"):
        check_orders({"one": ["xyz"]}, tasks)
    with pytest.raises(UserError, match="orders: one: the task 'moods' stands twice"):
        check_orders({"one": ["moods", "topics", "moods"]}, tasks)


def test_instructions(root):
    assert read_instruction(root, "SC") == "How?\n"
    assert read_instruction(root, "COPA") == ""


@pytest.mark.parametrize(
    "content",
    [
        {"SC": []},
        {"SC": "How?"},
        {"SC": {"instruction": "How?"}},
        {"SC": [{"text": "How?"}]},
        {"SC": [{"instruction": 5}]},
        {"SC": None},
        ["SC"],
        [],
    ],
    ids=json.dumps,
)
def test_bad_instructions(root, content):
    (root / "instruction_config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"instruction_config\.json: "):
        read_instruction(root, "SC")


def test_absent_or_broken_instructions(root):
    (root / "instruction_config.json").write_text("{")
    with pytest.raises(UserError, match=r"instruction_config\.json: not JSON"):
        read_instruction(root, "SC")
    (root / "instruction_config.json").unlink()
    with pytest.raises(UserError, match=r"instruction_config\.json: no such file"):
        read_instruction(root, "SC")


@pytest.mark.parametrize("labels", [{"a": 1}, [], ["Good", 1], ["Good", ""], "Good", None], ids=json.dumps)
def test_bad_labels(root, labels):
    task = find_tasks(root)["moods"]
    where = put(task, "labels", json.dumps(labels))
    with pytest.raises(UserError, match=where + ": expected a list of label names"):
        read_labels(task)


def test_a_label_twice(root):
    task = find_tasks(root)["moods"]
    where = put(task, "labels", ["Good", "Bad", "Good"])
    with pytest.raises(UserError, match=where + ": a label stands twice"):
        read_labels(task)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ('[{"label": "Good"', "not JSON: .* at line 1"),
        ({"label": "Good", "sentence": "x"}, "expected a list of rows"),
        ([], "the split is empty"),
        ([*ROWS, {"sentence": "x"}], "row 3 has no label"),
        ([{"label": "Good"}], "row 1 has no sentence"),
        ([*ROWS, {"label": "Good", "sentence": " \n"}], "row 3 has no sentence"),
        ([*ROWS, {"label": "", "sentence": "x"}], "row 3 has no label"),
        ([*ROWS, {"label": 1, "sentence": "x"}], "row 3 has no label"),
        ([ROWS[0], "text"], "row 2 has no label"),
        ([*ROWS, ROWS[0], {"label": "Goood", "sentence": "x"}], r"row 4 has the label 'Goood', .*did you mean Good\?"),
        ([{"label": "good", "sentence": "x"}], "row 1 has the label 'good', not one of labels.json"),
    ],
    ids=str,
)
def test_bad_splits(root, rows, message):
    task = find_tasks(root)["moods"]
    where = put(task, "test", rows)
    with pytest.raises(UserError, match=f"{where}: {message}"):
        read_split(task, "test", LABELS)


def test_an_absent_split(root):
    task = find_tasks(root)["moods"]
    task.file("dev").unlink()
    with pytest.raises(UserError, match=r"moods/dev\.json: no such file"):
        read_split(task, "dev", LABELS)


def test_rows_without_agreement_are_kept(root):
    task = find_tasks(root)["moods"]
    rows = [ROWS[0], {"label": "-", "sentence": "Hm."}, ROWS[1]]
    put(task, "test", rows)
    assert read_split(task, "test", LABELS) == rows
