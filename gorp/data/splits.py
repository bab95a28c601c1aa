"""The rows of a split, read and checked: classification rows with a label, or generation rows with an output."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from gorp.data.file_formats import read_rows
from gorp.data.tasks import Task
from gorp.metrics.answers import SCORES
from gorp.util.errors import UserError, close_names
from gorp.util.files import read_json

NO_LABEL = "-"  # of the official MNLI's rows where annotators did not agree
LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can say it, as "\\ud83d"; no file of text can hold it


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


def is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is text that is not blank and can be written to a file."""
    return isinstance(value, str) and bool(value.strip()) and not LONE_SURROGATE.search(value)


def missing(row: Any, key: str) -> str:
    """What is wrong with a row whose value of a key is no text (see `is_text`)."""
    value = row.get(key) if isinstance(row, dict) else None
    if isinstance(value, str) and value.strip():
        return f"a {key} that is not Unicode text: a byte that is not UTF-8, or half of a pair like \\ud83d\\ude00"
    keys = f"; its keys are {', '.join(row)}" if isinstance(row, dict) and key not in row else ""
    return f"no {key} (a non-empty text under the key {key!r}){keys}"
