"""What a benchmark folder holds, and what is wrong with it: all of it, not the first problem alone.

    report = check_benchmark(Path("CL_Benchmark"))
    print(as_text(report))

An *error* is what the workflow refuses, found by the rules that it reads the files by (`gorp.benchmark`). A *warning*
is what it runs with, though scores may mean less: rows that stand twice, test rows seen in training, dev equal to test.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gorp import benchmark
from gorp.benchmark import NO_LABEL, SPLITS, Task
from gorp.errors import UserError
from gorp.files import read_json
from gorp.metrics import normalise
from gorp.progress import Progress
from gorp.prompts import render, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

QUANTILES = {"min": 0, "p50": 50, "p90": 90, "p99": 99, "max": 100}
SHOWN = 20  # errors of one file that people are shown
DEFECTS = {  # in the text of a row; JSON and UTF-8 allow them
    "replacement character": (re.compile("\ufffd"), "a replacement character (U+FFFD): their encoding was misread"),
    "control character": (re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"), "a control character"),
    "byte order mark": (re.compile("\ufeff"), "a byte order mark (U+FEFF) inside the text"),
}
BETWEEN_ROWS = re.compile(r"\s*[\[,]\s*")

Rows = Sequence[tuple[int, Mapping[str, str]]]  # rows whose label and sentence are text, with their numbers from 1


@dataclass(frozen=True)
class Limit:
    """Prompts are measured by a tokenizer, and cut where they have more than `tokens` tokens."""

    tokenizer: "PreTrainedTokenizerBase"
    tokens: int


def check_benchmark(root: Path, limit: Limit | None = None) -> dict:
    """Facts, errors and warnings of all tasks below `root`, as JSON can hold them.

    {"benchmark", "length_unit": "tokens" or "characters", "max_source_length": limit.tokens or None,
     "tasks": {GROUP/DATASET: {"labels": [...] or None, "splits": {split: see `split_facts`}}},
     "errors": [{"file", "row" (from 1) or None, "message"}],
     "warnings": [{"file", "kind", "count", "row" of the example or None, "message"}]}

    Raises UserError if `root` has no task.
    """
    tasks = benchmark.list_tasks(root) or list(benchmark.find_tasks(root).values())
    errors = [problem(root, None, text) for text in benchmark.name_problems(tasks)]
    warnings, facts = list(folder_warnings(root, tasks)), {}
    with Progress("check", len(tasks) * len(SPLITS)) as progress:
        for task in tasks:
            facts[f"{task.group}/{task.name}"] = check_task(root, task, limit, errors, warnings, progress.advance)
    return {
        "benchmark": str(root),
        "length_unit": "tokens" if limit else "characters",
        "max_source_length": limit.tokens if limit else None,
        "tasks": facts,
        "errors": list({error["message"]: error for error in errors}.values()),  # tasks of a group share a file
        "warnings": warnings,
    }


def problem(file: Path, row: int | None, message: str) -> dict:
    return {"file": str(file), "row": row, "message": message}


def check_task(
    root: Path, task: Task, limit: Limit | None, errors: list[dict], warnings: list[dict], done: Callable[[], None]
) -> dict:
    """Facts of one task; what is wrong is added to `errors` and `warnings`, and `done` called after each split."""
    labels = attempt(task.file("labels"), errors, benchmark.read_labels, task)
    instruction = attempt(root / "instruction_config.json", errors, benchmark.read_instruction, root, task.group)
    if labels is not None:
        warnings += label_warnings(task.file("labels"), labels)
    sound, facts = {}, {}
    for split in SPLITS:
        path = task.file(split)
        rows = read_rows(path, errors)
        found = [problem(path, row, f"{path}: {text}") for row, text in benchmark.split_problems(rows, labels)]
        errors += found if rows is not None else []
        rows = rows if isinstance(rows, list) else []
        sound[split] = [(n, row) for n, row in enumerate(rows, 1) if not any(benchmark.row_problems(row, None))]
        lengths, cut = None, None
        if labels is not None and instruction is not None:
            rendered = [render(row, n, task.name, task.group, instruction, labels) for n, row in sound[split]]
            lengths, cut = prompt_lengths(rendered, limit, path, errors)
        facts[split] = split_facts(len(rows), sound[split], lengths, cut)
        warnings += split_warnings(path, sound[split], labels or [])
        done()
    warnings += overlap_warnings(task, sound)
    return {"labels": labels, "splits": facts}


def attempt(path: Path, errors: list[dict], read: Callable, *arguments: Any) -> Any:
    """What `read` returns, or None where it raises UserError, which is added to the errors."""
    try:
        return read(*arguments)
    except UserError as error:
        errors.append(problem(path, None, str(error)))
        return None


# ---- files that the workflow cannot read ----


def read_rows(path: Path, errors: list[dict]) -> Any:
    """The content of a split. Of a file that is refused, the rows that can still be read, or None if there are none."""
    try:
        return read_json(path)
    except UserError as error:
        if not path.is_file():
            errors.append(problem(path, None, str(error)))
            return None
        rows, broken = readable_rows(path)
        rest = f"; it breaks off in row {broken}, what follows is not checked" if broken else ""
        errors.append(problem(path, broken, f"{error}{rest}"))
        return rows or None


def readable_rows(path: Path) -> tuple[list, int | None]:
    """(rows of a JSON list up to where it stops being JSON, number of the row in which it does or None).

    Bytes that are not UTF-8 become lone surrogates, which the rules for rows refuse.
    """
    text = path.read_bytes().decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    decoder, rows, at = json.JSONDecoder(), [], 0
    while between := BETWEEN_ROWS.match(text, at):
        try:
            row, at = decoder.raw_decode(text, between.end())
        except ValueError:
            return rows, len(rows) + 1
        rows.append(row)
    whole = rows and text[at:].strip() == "]"
    return rows, None if whole else len(rows) + 1


# ---- facts ----


def prompt_lengths(
    rendered: Sequence[dict], limit: Limit | None, path: Path, errors: list[dict]
) -> tuple[list[int], int | None]:
    """(length of each prompt, number of prompts over the limit): in characters and None without a limit."""
    sources = [row["source"] for row in rendered]
    if limit is None or not sources:
        return [len(source) for source in sources], None
    lengths = [len(ids) for ids in limit.tokenizer(sources, return_attention_mask=False)["input_ids"]]
    over = [row for row, length in zip(rendered, lengths, strict=True) if length > limit.tokens]
    try:
        tokenize(over, limit.tokenizer, limit.tokens) if over else None
    except UserError as error:  # even without its sentence a prompt is too long: training stops there
        errors.append(problem(path, None, f"{path}: {error}"))
    return lengths, len(over)


def split_facts(count: int, rows: Rows, lengths: Sequence[int] | None, cut: int | None) -> dict:
    """{"rows", "label_counts": {label: rows}, "length": {"min", "p50", "p90", "p99", "max"} or None, "cut" or None}."""
    quantiles = None
    if lengths:
        values = np.percentile(lengths, list(QUANTILES.values()), method="inverted_cdf")  # lengths that rows have
        quantiles = dict(zip(QUANTILES, values.tolist(), strict=True))
    counts = Counter(row["label"] for _, row in rows)
    return {"rows": count, "label_counts": dict(counts.most_common()), "length": quantiles, "cut": cut}


# ---- warnings ----


def about_file(file: Path, kind: str, count: int, message: str) -> dict:
    return {"file": str(file), "kind": kind, "count": count, "row": None, "message": f"{file}: {message}"}


def about_rows(file: Path, kind: str, rows: Sequence[int], message: str, example: str) -> dict:
    """A warning about rows by number: `message` says what they have, `example` what the first of them has."""
    count = f"{len(rows)} row{'s' if len(rows) > 1 else ''}"
    text = f"{file}: {count} {message}, such as row {rows[0]}{example}"
    return {"file": str(file), "kind": kind, "count": len(rows), "row": rows[0], "message": text}


def folder_warnings(root: Path, tasks: Sequence[Task]) -> Iterator[dict]:
    """Folders that look like a task and are none."""
    for folder in sorted({file.parent for file in root.glob("*/*/*.json")} - {task.folder for task in tasks}):
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
    """Rows that no answer matches, labels without rows, defects of the text, and rows that stand twice."""
    if NO_LABEL not in labels and (numbers := [n for n, row in rows if row["label"] == NO_LABEL]):
        yield about_rows(path, "no label", numbers, f"with the label {NO_LABEL!r}, which no option matches", "")
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
    first: dict[str, tuple[int, str]] = {}
    again: dict[bool, list[tuple[int, int]]] = {
        True: [],
        False: [],
    }  # (row, the first with its sentence), by same label
    for number, row in rows:
        before, label = first.setdefault(row["sentence"], (number, row["label"]))
        if before != number:
            again[label == row["label"]].append((number, before))
    for same, kind, what in (
        (True, "duplicate", "that repeat an earlier one"),
        (False, "contradiction", "that repeat an earlier sentence with another label"),
    ):
        if again[same]:
            yield about_rows(path, kind, [n for n, _ in again[same]], what, f" (of row {again[same][0][1]})")


def overlap_warnings(task: Task, sound: Mapping[str, Rows]) -> Iterator[dict]:
    """Sentences of one split that another one has: dev equal to test, test or dev rows seen in training."""
    content = {split: sorted((row["label"], row["sentence"]) for _, row in rows) for split, rows in sound.items()}
    equal = bool(content["dev"]) and content["dev"] == content["test"]
    if equal:
        text = "has the rows of test: settings chosen on it are chosen on the test rows"
        yield about_file(task.file("dev"), "dev equals test", len(content["dev"]), text)
    for split, other in (("dev", "train"), ("test", "train"), ("test", "dev")):
        first: dict[str, int] = {}
        for number, row in sound[other]:
            first.setdefault(row["sentence"], number)
        pairs = [(n, first[row["sentence"]]) for n, row in sound[split] if row["sentence"] in first]
        if pairs and not (equal and other == "dev"):
            numbers, example = [n for n, _ in pairs], f" (row {pairs[0][1]} of {other})"
            yield about_rows(task.file(split), f"in {other}", numbers, f"with a sentence of {other}", example)


# ---- for people ----


def as_text(report: Mapping) -> str:
    """The report as a table of splits, the warnings, and the errors, at most `SHOWN` of one file."""
    root = Path(report["benchmark"])
    rows = [
        table_row(name, split, facts, report, root / name / f"{split}.json")
        for name, task in report["tasks"].items()
        for split, facts in task["splits"].items()
    ]
    table = pd.DataFrame(rows)
    for column in ("task", "split", "labels"):
        table[column] = table[column].str.ljust(table[column].str.len().max())
    if report["max_source_length"] is None:
        table = table.drop(columns="cut")
    blocks = [table.to_string(index=False, justify="left", na_rep="")]
    unit, most = report["length_unit"], report["max_source_length"]
    cut = f"; cut: prompts over {most}, whose sentence loses its end" if most else ""
    blocks.append(f"min to max: length of the whole prompt in {unit}{cut}")
    for kind in ("warnings", "errors"):
        if report[kind]:
            blocks.append("\n".join([f"{kind}:", *(f"  {line}" for line in shown(report[kind]))]))
    total = sum(facts["rows"] for task in report["tasks"].values() for facts in task["splits"].values())
    counts = f"{len(report['errors'])} errors, {len(report['warnings'])} warnings"
    blocks.append(f"{len(report['tasks'])} tasks, {total} rows: {counts}")
    return "\n\n".join(blocks)


def table_row(name: str, split: str, facts: Mapping, report: Mapping, file: Path) -> dict:
    """One line of the table. Up to three labels are counted by name, more by their least and most frequent."""
    counts = facts["label_counts"]
    if len(counts) <= 3:
        labels = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    else:
        labels = f"{len(counts)} labels, {min(counts.values())} to {max(counts.values())} rows a label"
    of_file = {kind: sum(entry["file"] == str(file) for entry in report[kind]) for kind in ("warnings", "errors")}
    lengths = {key: str(facts["length"][key]) if facts["length"] else "" for key in QUANTILES}
    cut = "" if facts["cut"] is None else str(facts["cut"])
    return {"task": name, "split": split, "rows": facts["rows"], "labels": labels, **lengths, "cut": cut, **of_file}


def shown(problems: Iterable[Mapping]) -> Iterator[str]:
    """Messages, at most `SHOWN` of one file, then how many more there are."""
    by_file: dict[str, list[str]] = {}
    for entry in problems:
        by_file.setdefault(entry["file"], []).append(entry["message"])
    for file, messages in by_file.items():
        yield from messages[:SHOWN]
        if len(messages) > SHOWN:
            yield f"{file}: and {len(messages) - SHOWN} more, which --json lists"
