"""Defects that the workflow accepts, though scores mean less: rows of test in training or dev, damaged text.

Each function yields warnings, {"file", "kind", "count", "row" of the example or None, "message"}.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gorp.data.file_formats import FORMATS
from gorp.data.prompts import asked
from gorp.data.splits import NO_LABEL
from gorp.data.tasks import Task
from gorp.metrics.answers import normalise

DEFECTS = {  # in the text of a row; JSON and UTF-8 allow them
    "replacement character": (re.compile("\ufffd"), "a replacement character (U+FFFD): their encoding was misread"),
    "control character": (re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"), "a control character"),
    "byte order mark": (re.compile("\ufeff"), "a byte order mark (U+FEFF) inside the text"),
}

Rows = Sequence[tuple[int, Mapping[str, str]]]  # rows whose label and sentence are text, with their numbers from 1


def about_file(file: Path, kind: str, count: int, message: str) -> dict:
    return {"file": str(file), "kind": kind, "count": count, "row": None, "message": f"{file}: {message}"}


def about_rows(file: Path, kind: str, rows: Sequence[int], message: str, example: str) -> dict:
    """A warning about rows by number: `message` says what they have, `example` what the first of them has."""
    count = f"{len(rows)} row{'s' if len(rows) > 1 else ''}"
    text = f"{file}: {count} {message}, such as row {rows[0]}{example}"
    return {"file": str(file), "kind": kind, "count": len(rows), "row": rows[0], "message": text}


def folder_warnings(root: Path, tasks: Sequence[Path]) -> Iterator[dict]:
    """Folders that look like those of tasks and are none."""
    for folder in sorted({file.parent for file in root.glob("*/*/*") if file.suffix in FORMATS} - set(tasks)):
        yield about_file(folder, "not a task", 1, "not a task, for it has no train split")


def label_warnings(path: Path, labels: Sequence[str]) -> Iterator[dict]:
    """Labels that exact match takes for one another."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(normalise(label) or label, []).append(label)
    for alike in groups.values():
        if len(alike) > 1:
            names = " and ".join(map(repr, alike))
            yield about_file(path, "labels alike", len(alike), f"exact match cannot tell apart the labels {names}")


def split_warnings(path: Path, rows: Rows, labels: Sequence[str]) -> Iterator[dict]:
    """Rows whose label is no option, labels without rows, defects of the text, and repeated rows."""
    if NO_LABEL not in labels and (numbers := [n for n, row in rows if row["label"] == NO_LABEL]):
        what = f"with the label {NO_LABEL!r}, which is no option of the prompt"
        yield about_rows(path, "no label", numbers, what, "")
    used = {row["label"] for _, row in rows}
    if rows and (unused := [label for label in labels if label not in used]):
        more = f", nor {len(unused) - 1} more" if len(unused) > 1 else ""
        yield about_file(path, "unused label", len(unused), f"no row has the label {unused[0]!r}{more}")
    for kind, (pattern, what) in DEFECTS.items():
        hits = [
            (n, hit) for n, row in rows for text in (row["label"], row["sentence"]) if (hit := pattern.search(text))
        ]
        if hits:
            example = hits[0][1].string[max(0, hits[0][1].start() - 25) : hits[0][1].end() + 25]
            yield about_rows(path, kind, list(dict(hits)), f"with {what}", f": {example!r}")
    yield from repeated_rows(path, rows)


def repeated_rows(path: Path, rows: Rows) -> Iterator[dict]:
    """Sentences that stand twice in a split, with the same label or with another one."""
    first: dict[tuple, tuple[int, str]] = {}
    same: list[tuple[int, int]] = []  # (row, the first one with its sentence)
    other: list[tuple[int, int]] = []
    for number, row in rows:
        before, label = first.setdefault(asked(row), (number, row["label"]))
        if before != number:
            (same if label == row["label"] else other).append((number, before))
    for pairs, kind, what in (
        (same, "duplicate", "that repeat an earlier one"),
        (other, "contradiction", "that repeat an earlier sentence with another label"),
    ):
        if pairs:
            yield about_rows(path, kind, [n for n, _ in pairs], what, f" (of row {pairs[0][1]})")


def overlap_warnings(task: Task, sound: Mapping[str, Rows]) -> Iterator[dict]:
    """Sentences of one split that another one has: dev equal to test, test or dev rows seen in training."""
    content = {split: sorted((row["label"], *asked(row)) for _, row in rows) for split, rows in sound.items()}
    equal = bool(content["dev"]) and content["dev"] == content["test"]
    if equal:
        text = "has the rows of test: settings chosen on it are chosen on the test rows"
        yield about_file(task.file("dev"), "dev equals test", len(content["dev"]), text)
    for split, other in (("dev", "train"), ("test", "train"), ("test", "dev")):
        first: dict[tuple, int] = {}
        for number, row in sound[other]:
            first.setdefault(asked(row), number)
        pairs = [(n, first[asked(row)]) for n, row in sound[split] if asked(row) in first]
        if pairs and not (equal and other == "dev"):
            numbers, example = [n for n, _ in pairs], f" (row {pairs[0][1]} of {other})"
            yield about_rows(task.file(split), f"in {other}", numbers, f"with a sentence of {other}", example)
