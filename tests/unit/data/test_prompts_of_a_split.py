"""What is drawn for the prompts of a split: instructions, examples and repeated rows."""

import json
from collections import Counter

import pytest

from gorp.data.prompts import Prompts, render, render_split, repeated
from gorp.data.tasks import task_at
from gorp.util.errors import UserError

LABELS = ["Good", "Bad"]
INSTRUCTIONS = ["How?\n", "Good or bad?\n", "Which mood?\n"]


def make_rows(split, count):
    return [{"label": LABELS[i % 2], "sentence": f"The {split} text {i}."} for i in range(count)]


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "SC/moods"
    folder.mkdir(parents=True)
    (folder / "labels.json").write_text(json.dumps(LABELS))
    for split, count in (("train", 30), ("dev", 5), ("test", 40)):
        (folder / f"{split}.json").write_text(json.dumps(make_rows(split, count)))
    (folder / "task.json").write_text(json.dumps({"instruction": INSTRUCTIONS}))
    return task_at(folder)


def rendered(task, split="test", **prompts):
    return list(render_split(task.folder.parent.parent, task, split, Prompts(**prompts)))


def examples_of(row):
    """The sentences and answers shown before the row's own."""
    shown = [row["source"][start:end] for start, end in row["shots_at"]]
    return [tuple(text.removesuffix("\n").split("\nAnswer: ")) for text in shown]


def instruction_of(row):
    return row["source"].removeprefix("Task:SC\nDataset:moods\n").partition("Option:")[0]


def test_nothing_is_drawn_by_default(task):
    rows = make_rows("test", 40)
    plain = [render(row, i, "moods", "SC", INSTRUCTIONS[0], LABELS) for i, row in enumerate(rows)]
    assert rendered(task) == [{**row, "rows": 40} for row in plain]
    assert len(rendered(task, "train")) == 30
    assert rendered(task, seed=5) == rendered(task)


def test_the_instruction(task):
    assert {instruction_of(row) for row in rendered(task, instruction=2)} == {INSTRUCTIONS[1]}
    drawn = [instruction_of(row) for row in rendered(task, instruction="drawn")]
    assert min(Counter(drawn)[text] for text in INSTRUCTIONS) >= 5
    assert drawn == [instruction_of(row) for row in rendered(task, instruction="drawn")]
    assert drawn != [instruction_of(row) for row in rendered(task, instruction="drawn", seed=1)]


@pytest.mark.parametrize(
    ("names", "head"),
    [
        ({"task_name": False}, "Dataset:moods\n"),
        ({"dataset_name": False}, "Task:SC\n"),
        ({"task_name": False, "dataset_name": False}, ""),
    ],
)
def test_names_in_the_prompt(task, names, head):
    """What the spans point at stays the same."""
    for row, plain in zip(rendered(task, shots=2, **names), rendered(task, shots=2), strict=True):
        assert row["source"] == head + plain["source"].removeprefix("Task:SC\nDataset:moods\n")
        assert examples_of(row) == examples_of(plain)
        assert row["source"][slice(*row["sentence_at"])] == plain["source"][slice(*plain["sentence_at"])]
        assert row["target"] == plain["target"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_examples_are_other_train_rows(task, split):
    train = [(row["sentence"], row["label"]) for row in make_rows("train", 30)]
    rows = rendered(task, split, shots=3)
    used = Counter()
    for row in rows:
        shown = examples_of(row)
        own = row["source"][slice(*row["sentence_at"])]
        assert set(shown) <= set(train)
        assert len(set(shown)) == 3
        assert own not in [sentence for sentence, _ in shown]
        assert row["source"].index(own) > row["shots_at"][-1][0]
        used.update(shown)
    assert len(used) > 20, "they are drawn for each row"
    assert rows == rendered(task, split, shots=3)
    assert rows != rendered(task, split, shots=3, seed=1)
    assert [examples_of(row) for row in rendered(task, split, shots=3, instruction="drawn")] == list(
        map(examples_of, rows)
    )


def test_an_example_never_asks_what_the_row_asks(task):
    """Also where the question stands in several train rows, or a test row in the train split."""
    rows = [*make_rows("train", 3), *[{"label": "Good", "sentence": "Twice."}] * 4, {"label": "-", "sentence": "Hm."}]
    task.file("train").write_text(json.dumps(rows))
    task.file("test").write_text(json.dumps(rows))
    for split in ("train", "test"):
        result = rendered(task, split, shots=3)
        assert {text for text, _ in examples_of(result[4])} == {row["sentence"] for row in rows[:3]}
        assert "-" not in {label for row in result for _, label in examples_of(row)}
    with pytest.raises(UserError, match=r"prompts: shots: 4 examples, but .*train\.json has 3 other rows to show"):
        rendered(task, shots=4)


def test_a_small_train_split_repeats_its_rows(task):
    rows = rendered(task, "train", min_rows=70)
    assert [row["id"] for row in rows] == list(range(70))
    counts = Counter(row["source"] for row in rows)
    assert sorted(counts.values()) == [2] * 20 + [3] * 10
    assert [{**row, "rows": 30} for row in rows[:30]] == rendered(task, "train") == rendered(task, "train", min_rows=30)
    assert {row["rows"] for row in rows} == {70}
    assert rows != rendered(task, "train", min_rows=70, seed=1)
    assert len(rendered(task, "test", min_rows=70)) == 40
    drawn = rendered(task, "train", min_rows=60, shots=2)
    assert any(examples_of(drawn[i]) != examples_of(drawn[i + 30]) for i in range(30))


def test_rows_that_repeat_are_not_the_first_ones_alone():
    import random

    left = [repeated(range(10), 13, random.Random(seed))[10:] for seed in range(50)]
    assert {i for rows in left for i in rows} == set(range(10))
