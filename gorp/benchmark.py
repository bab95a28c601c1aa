"""Tasks, orders and data files of a benchmark folder: `ROOT/GROUP/DATASET/{labels,train,dev,test}.json`.

A task is named by its data set (`amazon`, `MNLI`); its group (`SC`, `NLI`) chooses the instruction.
This module imports the standard library only, so that the workflow can use it while it builds its graph.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gorp.errors import UserError, close_names
from gorp.files import read_json

BUNDLED = Path(__file__).resolve().parent.parent / "CL_Benchmark"
SPLITS = ("train", "dev", "test")


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


def find_tasks(root: Path) -> dict[str, Task]:
    """All tasks below a benchmark folder, by name. Raises UserError if there is none, or one name stands twice."""
    tasks: dict[str, Task] = {}
    for file in sorted(root.glob("*/*/train.json")):
        name, group = file.parent.name, file.parent.parent.name
        if name in tasks:
            raise UserError(f"{file.parent}: the task name {name} also stands in {tasks[name].folder}; rename one")
        tasks[name] = Task(name, group, file.parent)
    if not tasks:
        raise UserError(f"{root}: no task found; expected files GROUP/DATASET/train.json below it")
    return tasks


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
    if not isinstance(instruction, str):
        raise UserError(f'{path}: {group}: expected a list like [{{"instruction": "..."}}]')
    return instruction


def read_labels(task: Task) -> list[str]:
    """The label names of a task, in file order. Raises UserError if they are not distinct, non-empty strings."""
    path = task.file("labels")
    labels = read_json(path)
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise UserError(f'{path}: expected a list of label names, such as ["Good", "Bad"]')
    if len(set(labels)) < len(labels):
        raise UserError(f"{path}: a label stands twice")
    return labels


def read_split(task: Task, split: str, labels: list[str]) -> list[dict]:
    """The checked rows of a split: `{"label": str, "sentence": str}` each, in file order.

    Raises UserError that names the file and the row (counted from 1) for a row without a label or sentence, or with
    a label that labels.json does not list. Rows labelled `-` are what the official MNLI has where annotators did not
    agree; no model can answer them, but dropping them would change the published test set: they are kept.
    """
    path = task.file(split)
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UserError(f'{path}: expected a list of rows {{"label": ..., "sentence": ...}}')
    if not rows:
        raise UserError(f"{path}: the split is empty; at least one row is needed")
    for number, row in enumerate(rows, 1):
        for key in ("label", "sentence"):
            if not isinstance(row, dict) or not isinstance(row.get(key), str) or not row[key].strip():
                raise UserError(f"{path}: row {number} has no {key} (a non-empty text under the key {key!r})")
        if row["label"] not in labels and row["label"] != "-":
            hint = close_names(row["label"], labels)
            raise UserError(f"{path}: row {number} has the label {row['label']!r}, not one of labels.json; {hint}")
    return rows
