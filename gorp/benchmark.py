"""Tasks, orders and data files of a benchmark folder: `ROOT/GROUP/DATASET/{labels,train,dev,test}.json`.

A task is named by its data set (`amazon`, `MNLI`); its group (`SC`, `NLI`) chooses the instruction.
This module imports the standard library only, so that the workflow can use it while it builds its graph.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gorp.errors import UserError, close_names
from gorp.files import read_json

BUNDLED = Path(__file__).resolve().parent.parent / "CL_Benchmark"
SPLITS = ("train", "dev", "test")
NO_LABEL = "-"  # of the official MNLI's rows where annotators did not agree
LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can say it, as "\\ud83d"; no file of text can hold it


@dataclass(frozen=True)
class Task:
    """One data set of a benchmark and the folder its files lie in."""

    name: str
    group: str
    folder: Path

    def file(self, split: str) -> Path:
        """The path of a split, or of the labels (`split="labels"`)."""
        return self.folder / f"{split}.json"


def benchmark_root(source: str) -> Path:
    """The folder behind `benchmark:` of the config: `bundled`, or a path. Raises UserError if it is not there."""
    root = BUNDLED if source == "bundled" else Path(source).expanduser()
    if not root.is_dir():
        raise UserError(f"benchmark: {source}: no such folder; give 'bundled' or a folder of GROUP/DATASET folders")
    return root


def list_tasks(root: Path) -> list[Task]:
    """The tasks below a benchmark folder, in the order of their paths; names may stand twice."""
    folders = [file.parent for file in sorted(root.glob("*/*/train.json"))]
    return [Task(folder.name, folder.parent.name, folder) for folder in folders]


def find_tasks(root: Path) -> dict[str, Task]:
    """All tasks below a benchmark folder, by name. Raises UserError if there is none, or one name stands twice."""
    tasks = list_tasks(root)
    if not tasks:
        raise UserError(f"{root}: no task found; expected files GROUP/DATASET/train.json below it")
    for problem in name_problems(tasks):
        raise UserError(problem)
    return {task.name: task for task in tasks}


def name_problems(tasks: Iterable[Task]) -> Iterator[str]:
    """A message for each task whose name an earlier one has."""
    first: dict[str, Task] = {}
    for task in tasks:
        if task.name in first:
            yield f"{task.folder}: the task name {task.name} also stands in {first[task.name].folder}; rename one"
        first.setdefault(task.name, task)


def check_orders(orders: Mapping[str, Iterable[str]], tasks: Mapping[str, Task]) -> None:
    """Raises UserError if an order names a task that the benchmark lacks, or one task twice."""
    for order, names in orders.items():
        seen = set()
        for name in names:
            if name not in tasks:
                raise UserError(f"orders: {order}: no task {name!r} in the benchmark; {close_names(name, tasks)}")
            if name in seen:
                raise UserError(f"orders: {order}: the task {name!r} stands twice; name each task once")
            seen.add(name)


def read_instruction(root: Path, group: str) -> str:
    """The instruction of a group, or "" where instruction_config.json has none (COPA asks in the sentence itself)."""
    path = root / "instruction_config.json"
    entries = read_json(path)
    try:
        instruction = entries.get(group, [{"instruction": ""}])[0]["instruction"]
    except (AttributeError, KeyError, IndexError, TypeError):
        instruction = None
    if not isinstance(instruction, str) or LONE_SURROGATE.search(instruction):
        raise UserError(f'{path}: {group}: expected a list like [{{"instruction": "..."}}]')
    return instruction


def read_labels(task: Task) -> list[str]:
    """The label names of a task, in file order. Raises UserError if they are not distinct, non-empty strings."""
    path = task.file("labels")
    labels = read_json(path)
    if not isinstance(labels, list) or not labels or not all(map(is_text, labels)):
        raise UserError(f'{path}: expected a list of label names, such as ["Good", "Bad"]')
    if len(set(labels)) < len(labels):
        raise UserError(f"{path}: a label stands twice")
    return labels


def is_text(value: Any) -> bool:
    """Whether a value is text that is not blank and can be written to a file."""
    return isinstance(value, str) and bool(value.strip()) and not LONE_SURROGATE.search(value)


def row_problems(row: Any, labels: Sequence[str] | None) -> Iterator[str]:
    """What is wrong with one row, as the end of "row 3 has ..."; labels: those of the task, None if not known."""
    for key in ("label", "sentence"):
        value = row.get(key) if isinstance(row, dict) else None
        if not isinstance(value, str) or not value.strip():
            yield f"no {key} (a non-empty text under the key {key!r})"
        elif not is_text(value):
            yield f"a {key} that is not Unicode text: a byte that is not UTF-8, or half of a pair like \\ud83d\\ude00"
        elif key == "label" and labels is not None and value not in labels and value != NO_LABEL:
            yield f"the label {value!r}, not one of labels.json; {close_names(value, labels)}"


def split_problems(rows: Any, labels: Sequence[str] | None) -> Iterator[tuple[int | None, str]]:
    """(row, counted from 1, or None; message) for all that is wrong with the content of a split."""
    if not isinstance(rows, list):
        yield None, 'expected a list of rows {"label": ..., "sentence": ...}'
    elif not rows:
        yield None, "the split is empty; at least one row is needed"
    else:
        for number, row in enumerate(rows, 1):
            for problem in row_problems(row, labels):
                yield number, f"row {number} has {problem}"


def read_split(task: Task, split: str, labels: list[str]) -> list[dict]:
    """The checked rows of a split: `{"label": str, "sentence": str}` each, in file order.

    Raises UserError that names the file and the row (counted from 1) for the first of `split_problems`. Rows labelled
    `-` are what the official MNLI has where annotators did not agree; no model can answer them, but dropping them
    would change the published test set: they are kept.
    """
    path = task.file(split)
    rows = read_json(path)
    for _, problem in split_problems(rows, labels):
        raise UserError(f"{path}: {problem}")
    return rows
