"""Reading a benchmark folder, and each way in which its files can be wrong."""

import json
import re
from dataclasses import replace

import pytest

from gorp.data.check import check_benchmark
from gorp.data.instructions import read_instructions
from gorp.data.splits import read_labels, read_split
from gorp.data.tasks import BUNDLED, benchmark_root, find_tasks, task_at
from gorp.util.errors import UserError

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


def declare(root, content):
    """Writes the task.json of moods; returns the task."""
    (root / "SC/moods/task.json").write_text(json.dumps(content))
    return task_at(root / "SC/moods")


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
    with pytest.raises(
        UserError, match=r"benchmark: .*nowhere: no such folder; give 'bundled', 'official' or a folder"
    ):
        benchmark_root(str(tmp_path / "nowhere"))


def test_no_task(tmp_path):
    with pytest.raises(UserError, match=r"no task found; expected files GROUP/DATASET/train\.json"):
        find_tasks(tmp_path)


def test_duplicate_task(root):
    again = root / "XX" / "moods"
    again.mkdir(parents=True)
    (again / "train.json").write_text("[]")
    with pytest.raises(UserError, match=r"XX/moods: the task name moods is also used in .*SC/moods; rename one"):
        find_tasks(root)


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "x", "kind": "Good"}] * 9, "no row has a label or a sentence; the keys .* are text, kind; expected"),
        ([{"label": "Good", "text": "x"}] * 9, "no row has a sentence; the keys .* are label, text; expected"),
    ],
    ids=["both", "one"],
)
def test_a_wrong_header_is_one_error(root, rows, message, suffix):
    """And what is wrong with the other column is still said row by row."""
    if "label" in rows[0]:
        rows = [*rows, {**rows[0], "label": "Goood"}]
    file = root / f"SC/moods/test.{suffix}"
    (root / "SC/moods/test.json").unlink()
    if suffix == "csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        file.write_text("\n".join(lines) + "\n")
    else:
        file.write_text(json.dumps(rows) if suffix == "json" else "\n".join(map(json.dumps, rows)))
    with pytest.raises(UserError, match=message):
        read_split(find_tasks(root)["moods"], "test", ["Good", "Bad"])
    assert len(check_benchmark(root)["errors"]) == len(rows) - 8


@pytest.mark.parametrize("folder", ["{x}/moods", "SC/{x}"])
def test_braces_in_names_of_folders(root, folder):
    (root / folder).mkdir(parents=True)
    (root / folder / "train.json").write_text("[]")
    with pytest.raises(UserError, match=r"'\{x\}' is not a valid (group|task) name"):
        find_tasks(root)


def test_instructions_are_needed_where_a_task_has_none(root):
    (root / "instruction_config.json").unlink()
    moods = find_tasks(root)["moods"]
    with pytest.raises(UserError, match=r"no such file; write it, or the instructions of SC into the task\.json"):
        read_instructions(root, moods)
    rows = [{"instruction": "Go on.", "input": "a", "output": "b"}] * 2
    put(moods, "train", rows)
    assert read_instructions(root, moods) == [""]
    put(moods, "train", [*rows, {"input": "a", "output": "b"}])
    with pytest.raises(UserError, match="no such file"):
        read_instructions(root, moods)
    assert read_instructions(root, replace(moods, instructions=("Own?\n",))) == ["Own?\n"]


def test_instructions(root):
    moods = find_tasks(root)["moods"]
    assert read_instructions(root, moods) == read_instructions(root, moods, "drawn") == ["How?\n"]
    assert read_instructions(root, replace(moods, group="COPA"), 2) == [""]
    entries = [{"instruction": "How?\n"}, {"instruction": "Good or bad?\n"}]
    (root / "instruction_config.json").write_text(json.dumps({"SC": entries}))
    assert [read_instructions(root, moods, which) for which in (1, 2, "drawn")] == [
        ["How?\n"],
        ["Good or bad?\n"],
        ["How?\n", "Good or bad?\n"],
    ]
    with pytest.raises(UserError, match=r"prompts: instruction: 3: there are 2 in .*instruction_config\.json: SC"):
        read_instructions(root, moods, 3)


def test_what_a_task_declares(root):
    moods = declare(root, {"instruction": ["Which mood?", "Happy?\n"], "score": "rouge1"})
    assert moods.score == "rouge1"
    assert read_instructions(root, moods, "drawn") == ["Which mood?\n", "Happy?\n"]
    (root / "instruction_config.json").unlink()
    assert read_instructions(root, moods, 2) == ["Happy?\n"]
    with pytest.raises(UserError, match=r"prompts: instruction: 3: there are 2 in .*moods/task\.json"):
        read_instructions(root, moods, 3)
    assert declare(root, {"instruction": "One?"}).instructions == ("One?\n",)
    assert declare(root, {"score": "rougeL"}).instructions == ()
    assert find_tasks(root)["topics"].score is None


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ([], "task.json: expected {"),
        ({"scores": "rougeL"}, "task.json: unknown key 'scores'; did you mean score?"),
        ({"score": "bleu"}, "task.json: score: 'bleu' is not one of exact_match, rouge1, rougeL"),
        ({"instruction": ""}, "task.json: instruction: expected a text"),
        ({"instruction": ["a", 1]}, "task.json: instruction: expected a text"),
    ],
    ids=str,
)
def test_bad_declarations(root, declared, message):
    with pytest.raises(UserError, match=re.escape(message)):
        declare(root, declared)


@pytest.mark.parametrize("name", ["a task", "only", "-x", "it's"])
def test_names_that_no_path_or_command_could_hold(root, name):
    (root / "SC/moods").rename(root / "SC" / name)
    with pytest.raises(UserError, match=f"'?{name}'?\"? is not a valid task name"):
        find_tasks(root)


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
        read_instructions(root, find_tasks(root)["moods"])


def test_absent_or_broken_instructions(root):
    (root / "instruction_config.json").write_text("{")
    with pytest.raises(UserError, match=r"instruction_config\.json: not JSON"):
        read_instructions(root, find_tasks(root)["moods"])
    (root / "instruction_config.json").unlink()
    with pytest.raises(UserError, match=r"instruction_config\.json: no such file"):
        read_instructions(root, find_tasks(root)["moods"])


@pytest.mark.parametrize("labels", [{"a": 1}, [], ["Good", 1], ["Good", ""], "Good", None], ids=json.dumps)
def test_bad_labels(root, labels):
    task = find_tasks(root)["moods"]
    where = put(task, "labels", json.dumps(labels))
    with pytest.raises(UserError, match=where + ": expected a list of label names"):
        read_labels(task)


def test_a_label_twice(root):
    task = find_tasks(root)["moods"]
    where = put(task, "labels", ["Good", "Bad", "Good"])
    with pytest.raises(UserError, match=where + ": a label appears twice"):
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


def test_the_files_of_a_split(root):
    folder = root / "SC/moods"
    (folder / "dev.json").unlink()
    (folder / "train.json").unlink()
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (folder / "train.jsonl").write_text(lines)
    (folder / "dev.csv").write_text("sentence,label\nFine.,Good\nPoor.,Bad\n")
    task = find_tasks(root)["moods"]
    assert [task.file(split).name for split in ("train", "dev", "test")] == ["train.jsonl", "dev.csv", "test.json"]
    assert read_split(task, "train", LABELS) == read_split(task, "dev", LABELS) == ROWS
    (folder / "dev.jsonl").write_text(lines)
    with pytest.raises(UserError, match=r"moods/dev\.jsonl: dev\.csv is there too; keep one file per split"):
        find_tasks(root)


def test_labels_are_those_of_the_train_rows_where_no_file_lists_them(root):
    task = find_tasks(root)["moods"]
    assert task.label_file() == task.file("labels")
    task.file("labels").unlink()
    assert task.label_file() == task.file("train")
    put(task, "train", [*ROWS, {"label": "-", "sentence": "Hm."}, ROWS[0]])
    assert read_labels(task) == ["Bad", "Good"]
    where = put(task, "test", [{"label": "Goood", "sentence": "x"}])
    with pytest.raises(
        UserError, match=where + r": row 1 .* not one of the labels of train\.json; did you mean Good\?"
    ):
        read_split(task, "test", read_labels(task))
    task.file("train").unlink()
    assert task.label_file() == task.file("labels"), "neither is there yet"


def test_generation_rows(root):
    task = declare(root, {"score": "rougeL"})
    task.file("labels").unlink()
    rows = [{"instruction": "Sum up.", "input": "A long text.", "output": "A text."}, {"input": "b", "output": "B"}]
    put(task, "train", rows)
    assert read_labels(task) == []
    assert read_split(task, "train", []) == [
        {**rows[0], "label": "A text.", "sentence": "A long text."},
        {"instruction": "", "input": "b", "output": "B", "label": "B", "sentence": "b"},
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"input": "x"}, "row 2 has no output .*; its keys are input"),
        ({"input": "x", "output": " "}, "row 2 has no output"),
        ({"input": ["x"], "output": "y"}, r"row 2 has an input that is not a text: \['x'\]"),
        ({"input": " ", "instruction": None, "output": "y"}, "row 2 has neither an instruction nor an input"),
        ("text", "row 2 has no output"),
    ],
    ids=str,
)
def test_bad_generation_rows(root, row, message):
    task = declare(root, {"score": "rougeL"})
    where = put(task, "test", [{"input": "x", "output": "y"}, row])
    with pytest.raises(UserError, match=f"{where}: {message}"):
        read_split(task, "test", [])


def test_generation_rows_need_a_score_and_no_labels(root):
    task = find_tasks(root)["moods"]
    where = put(task, "test", [{"input": "x", "output": "y"}])
    with pytest.raises(UserError, match=where + r': .*write {"score": "rougeL"} .* into .*moods/task\.json'):
        read_split(task, "test", [])
    with pytest.raises(UserError, match=where + ": rows with an output in a task with labels"):
        read_split(declare(root, {"score": "rougeL"}), "test", LABELS)
