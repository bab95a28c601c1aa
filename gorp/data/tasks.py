"""Tasks, orders and data files of a benchmark folder: `ROOT/GROUP/DATASET/{labels,train,dev,test}.json`.

A task is named by its data set (`amazon`, `MNLI`); its group (`SC`, `NLI`) chooses the instruction, unless a
`task.json` in its folder does. A split may also be JSON lines or CSV (`gorp.data.file_formats`).
This module imports the standard library only, so that the workflow can use it while it builds its graph.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gorp.data.file_formats import FORMATS
from gorp.metrics.answers import SCORES
from gorp.util.errors import UserError, close_names
from gorp.util.files import read_json
from gorp.util.places import BUNDLED, how_to_get

OFFICIAL = Path("results/official")  # where `gorp fetch` brings the official benchmark
SPLITS = ("train", "dev", "test")
TASK_NAME = re.compile(r"(?!(only|learning)$)[A-Za-z0-9][\w.-]*", re.ASCII)  # those are folders of a stage


@dataclass(frozen=True)
class Task:
    """One data set of a benchmark and the folder its files lie in."""

    name: str
    group: str
    folder: Path
    instructions: tuple[str, ...] = ()  # of its own; without any, those of its group hold
    score: str | None = None  # what its accuracy is, one of SCORES; None: exact match

    def file(self, split: str) -> Path:
        """The path of a split, or of the labels (`split="labels"`). Raises UserError if a split has two files."""
        paths = [self.folder / f"{split}{suffix}" for suffix in (FORMATS if split in SPLITS else FORMATS[:1])]
        found = [path for path in paths if path.is_file()]
        if len(found) > 1:
            raise UserError(f"{found[0]}: {found[1].name} is there too; keep one file per split")
        return found[0] if found else paths[0]

    def label_file(self) -> Path:
        """The file that the labels are read from: labels.json, or the train rows where there is none."""
        labels, train = self.file("labels"), self.file("train")
        return train if train.is_file() and not labels.is_file() else labels


def benchmark_root(source: str) -> Path:
    """The folder behind `benchmark:` of the config: `bundled`, `official`, or a path. UserError if it is not there."""
    root = {"bundled": BUNDLED, "official": OFFICIAL}.get(source, Path(source).expanduser())
    if not root.is_dir():
        if source == "official":
            raise UserError(f"benchmark: official: {root}: not fetched yet; run: gorp fetch")
        found = "a file" if root.exists() else "no such folder"
        raise UserError(
            f"benchmark: {source}: {found}"
            + (how_to_get(root) or "; give 'bundled', 'official' or a folder of GROUP/DATASET folders")
        )
    return root


def list_tasks(root: Path) -> list[Task]:
    """The tasks below a benchmark folder, in the order of their paths; names may repeat."""
    return [task_at(folder) for folder in task_folders(root)]


def task_folders(root: Path) -> list[Path]:
    """The folders GROUP/DATASET below `root` that hold a train split."""
    return sorted({file.parent for file in root.glob("*/*/train.*") if file.suffix in FORMATS})


def find_tasks(root: Path) -> dict[str, Task]:
    """All tasks below a benchmark folder, by name. Raises UserError if there is none, or two have one name."""
    tasks = list_tasks(root)
    if not tasks:
        raise UserError(f"{root}: no task found; expected files GROUP/DATASET/train.json (or .jsonl, .csv) below it")
    for problem in name_problems(tasks):
        raise UserError(problem)
    for task in tasks:
        for split in SPLITS:
            task.file(split)  # no split has two files
    return {task.name: task for task in tasks}


def name_problems(tasks: Iterable[Task]) -> Iterator[str]:
    """A message for each task whose name an earlier one has."""
    first: dict[str, Task] = {}
    for task in tasks:
        if task.name in first:
            yield f"{task.folder}: the task name {task.name} is also used in {first[task.name].folder}; rename one"
        first.setdefault(task.name, task)


def task_at(folder: Path) -> Task:
    """The task in a folder GROUP/DATASET, with what its task.json declares, if it has one.

    task.json may hold `instruction`, a text or a list of them, and `score`, one of SCORES. Raises UserError if it holds
    anything else, or the folder's name is none for a task.
    """
    name, group = folder.absolute().name, folder.absolute().parent.name
    if not TASK_NAME.fullmatch(name):
        allowed = "use letters, digits, '.', '_' and '-', and neither 'only' nor 'learning'"
        raise UserError(f"{folder}: {name!r} is not a valid task name; {allowed}")
    if set(group) & set("{}"):
        raise UserError(f"{folder}: {group!r} is not a valid group name; Snakemake reads {{ and }} as wildcards")
    path = folder / "task.json"
    if not path.is_file():
        return Task(name, group, folder)
    declared = read_json(path)
    if not isinstance(declared, dict):
        raise UserError(f'{path}: expected {{"instruction": ..., "score": ...}}')
    for key in declared:
        if key not in ("instruction", "score"):
            raise UserError(f"{path}: unknown key {key!r}; {close_names(key, ('instruction', 'score'))}")
    texts = declared.get("instruction", [])
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise UserError(f"{path}: instruction: expected a text, or a list of texts")
    score = declared.get("score")
    if score is not None and score not in SCORES:
        raise UserError(f"{path}: score: {score!r} is not one of {', '.join(SCORES)}")
    return Task(name, group, folder, tuple(text.rstrip("\n") + "\n" for text in texts), score)
