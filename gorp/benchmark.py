"""Tasks, orders and data files of a benchmark folder: `ROOT/GROUP/DATASET/{labels,train,dev,test}.json`.

A task is named by its data set (`amazon`, `MNLI`); its group (`SC`, `NLI`) chooses the instruction, unless a
`task.json` in its folder does. A split may also be JSON lines or CSV (`gorp.rows`).
This module imports the standard library only, so that the workflow can use it while it builds its graph.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gorp.errors import UserError, close_names
from gorp.files import read_json
from gorp.rows import FORMATS, read_rows

BUNDLED = Path(__file__).resolve().parent.parent / "CL_Benchmark"
OFFICIAL = Path("results/official")  # where `gorp fetch` brings the official benchmark
SPLITS = ("train", "dev", "test")
NO_LABEL = "-"  # of the official MNLI's rows where annotators did not agree
LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can say it, as "\\ud83d"; no file of text can hold it
SCORES = ("exact_match", "rouge1", "rougeL")  # as gorp.metrics names them
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
            f"benchmark: {source}: {found}; give 'bundled', 'official' or a folder of GROUP/DATASET folders"
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


def read_instructions(root: Path, task: Task, which: int | str = 1) -> list[str]:
    """The instructions that a task's prompts may have: the one of that number (from 1), or all if `which` is "drawn".

    They stand in the task's task.json, or by group in instruction_config.json; a group without an entry has none,
    [""] (COPA asks in the sentence itself). Raises UserError for a number that is not there, or a malformed file, or
    for none where neither the task nor each of its train rows brings an instruction.
    """
    texts, where = list(task.instructions), str(task.folder / "task.json")
    if not texts:
        path = root / "instruction_config.json"
        if not path.is_file():
            if bring_instructions(read_rows(task.file("train"))):
                return [""]
            where = f"the instructions of {task.group}"
            raise UserError(f"{path}: no such file; write it, or {where} into the task.json of each of its tasks")
        texts, where = group_instructions(path, task.group), f"{path}: {task.group}"
    if which == "drawn" or texts == [""]:
        return texts
    if not 1 <= which <= len(texts):
        raise UserError(f"prompts: instruction: {which}: there are {len(texts)} in {where}")
    return [texts[which - 1]]


def bring_instructions(rows: list) -> bool:
    """Whether rows are generation rows, each with an instruction."""
    return bool(rows) and all(is_generation(row) and row.get("instruction") for row in rows)


def group_instructions(path: Path, group: str) -> list[str]:
    """The instructions of a group, [""] where the file has none. Raises UserError that names the file and the group."""
    entries = read_json(path)
    try:
        alike = [key for key in entries if key != group and key.casefold() == group.casefold()]
        if alike and group not in entries:
            raise UserError(f"{path}: no entry {group!r}, but one {alike[0]!r}: use the name of the group's folder")
        texts = [entry["instruction"] for entry in entries.get(group, [{"instruction": ""}])]
    except (AttributeError, KeyError, TypeError):
        texts = []
    if not texts or not all(isinstance(text, str) and not LONE_SURROGATE.search(text) for text in texts):
        raise UserError(f'{path}: {group}: expected a list like [{{"instruction": "..."}}]')
    return texts


def read_labels(task: Task) -> list[str]:
    """The label names of a task: those of labels.json, in file order, or else those of the train rows, sorted.

    [] for generation rows (see `is_generation`). Raises UserError if they are not distinct, non-empty strings.
    """
    path = task.file("labels")
    if not path.is_file():
        rows = read_split(task, "train", None)
        return sorted({row["label"] for row in rows if not is_generation(row)} - {NO_LABEL})
    labels = read_json(path)
    if not isinstance(labels, list) or not labels or not all(map(is_text, labels)):
        raise UserError(f'{path}: expected a list of label names, such as ["Good", "Bad"]')
    if len(set(labels)) < len(labels):
        raise UserError(f"{path}: a label appears twice")
    return labels


def read_split(task: Task, split: str, labels: Sequence[str] | None) -> list[dict]:
    """The checked rows of a split: `{"label": str, "sentence": str}` each, in file order; labels None: any label.

    Generation rows come with `label` (the output) and `sentence` (the input) added, and with an instruction or an input
    that is missing as "". Raises UserError that names the file and the row (counted from 1) for the first of
    `split_problems`, or if the task does not fit generation rows. Rows labelled `-` are what the official MNLI has
    where annotators did not agree. Only the answer `-` matches one, which is no option of its prompt; but dropping them
    would change the published test set: they are kept.
    """
    path = task.file(split)
    rows = read_rows(path)
    listed = "labels.json" if task.file("labels").is_file() else f"the labels of {task.file('train').name}"
    for _, problem in split_problems(rows, labels, listed):
        raise UserError(f"{path}: {problem}")
    if is_generation(rows[0]):
        for problem in generation_task_problems(task, labels):
            raise UserError(f"{path}: {problem}")
    return [completed(row) for row in rows]


def generation_task_problems(task: Task, labels: Sequence[str] | None) -> Iterator[str]:
    """What is wrong with a task that has generation rows."""
    if labels:
        yield "rows with an output in a task with labels; give them a label and a sentence"
    elif task.score is None:
        scores = f'{{"score": "rougeL"}} (or one of {", ".join(SCORES)})'
        yield f"rows with an output need a score: write {scores} into {task.folder / 'task.json'}"


def completed(row: dict) -> dict:
    """A generation row with `label` (its output) and `sentence` (its input); other rows as they are."""
    if not is_generation(row):
        return row
    given = {key: row.get(key) or "" for key in ("instruction", "input")}
    return {**row, **given, "label": row["output"], "sentence": given["input"]}


def split_problems(
    rows: Any, labels: Sequence[str] | None, listed: str = "labels.json"
) -> Iterator[tuple[int | None, str]]:
    """(row, counted from 1, or None; message) for all that is wrong with the content of a split.

    The first row decides whether all of them are generation rows. `listed` says where the labels stand.
    """
    if not isinstance(rows, list):
        yield None, 'expected a list of rows {"label": ..., "sentence": ...}'
    elif not rows:
        yield None, "the split is empty; at least one row is needed"
    else:
        generation = is_generation(rows[0])
        absent = [] if generation else absent_keys(rows)
        if absent:
            yield None, f"no row has a {' or a '.join(absent)}; {header(rows[0])}"
        for number, row in enumerate(rows, 1):
            if absent and isinstance(row, dict):
                row = {**row, **dict.fromkeys(absent, NO_LABEL)}  # said once
            for problem in generation_problems(row) if generation else row_problems(row, labels, listed):
                yield number, f"row {number} has {problem}"


def absent_keys(rows: list) -> list[str]:
    """The keys, or columns, that none of many rows has."""
    if len(rows) < 2 or not isinstance(rows[0], dict):
        return []
    return [key for key in ("label", "sentence") if not any(isinstance(row, dict) and key in row for row in rows)]


def header(row: Mapping[str, Any]) -> str:
    """What to do about rows whose keys, or the columns of a CSV file, are wrong."""
    return (
        f"the keys (CSV: the first line) are {', '.join(map(str, row))}; expected label and sentence,"
        " or output with an instruction or an input"
    )


def is_generation(row: Any) -> bool:
    """Whether a row asks for a text: it has `output`, and `instruction` or `input` or both."""
    return isinstance(row, dict) and "output" in row


def row_problems(row: Any, labels: Sequence[str] | None, listed: str = "labels.json") -> Iterator[str]:
    """What is wrong with one row, as the end of "row 3 has ..."; labels: those of the task, None if not known."""
    for key in ("label", "sentence"):
        value = row.get(key) if isinstance(row, dict) else None
        if not is_text(value):
            yield missing(row, key)
        elif key == "label" and labels is not None and value not in labels and value != NO_LABEL:
            yield f"the label {value!r}, not one of {listed}; {close_names(value, labels)}"


def generation_problems(row: Any) -> Iterator[str]:
    """What is wrong with one generation row, as `row_problems` says it."""
    if not isinstance(row, dict) or not is_text(row.get("output")):
        yield missing(row, "output")
        return
    asked = {key: row.get(key) or "" for key in ("instruction", "input")}
    for key, value in asked.items():
        if not isinstance(value, str):
            yield f"an {key} that is not a text: {value!r}"
        elif value.strip() and not is_text(value):
            yield missing(row, key)
    if not any(str(value).strip() for value in asked.values()):
        yield "neither an instruction nor an input"


def is_text(value: Any) -> bool:
    """Whether a value is text that is not blank and can be written to a file."""
    return isinstance(value, str) and bool(value.strip()) and not LONE_SURROGATE.search(value)


def missing(row: Any, key: str) -> str:
    """What is wrong with a row whose value of a key is no text (see `is_text`)."""
    value = row.get(key) if isinstance(row, dict) else None
    if isinstance(value, str) and value.strip():
        return f"a {key} that is not Unicode text: a byte that is not UTF-8, or half of a pair like \\ud83d\\ude00"
    keys = f"; its keys are {', '.join(row)}" if isinstance(row, dict) and key not in row else ""
    return f"no {key} (a non-empty text under the key {key!r}){keys}"
