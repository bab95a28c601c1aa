"""What a benchmark folder holds, and everything that is wrong with it, not only the first problem.

    report = check_benchmark(Path("CL_Benchmark"))
    print(as_text(report))

An *error* is what the workflow refuses, found by the rules that it reads the files by (`gorp.data.tasks`). A *warning*
is what it runs with, though scores may mean less (`gorp.data.quality`).
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

from gorp.data.file_formats import read_rows
from gorp.data.instructions import read_instructions
from gorp.data.prompts import render
from gorp.data.quality import Rows, folder_warnings, label_warnings, overlap_warnings, split_warnings
from gorp.data.splits import (
    completed,
    generation_problems,
    generation_task_problems,
    is_generation,
    read_labels,
    row_problems,
    split_problems,
)
from gorp.data.tasks import SPLITS, Task, find_tasks, name_problems, task_at, task_folders
from gorp.data.tokens import tokenize
from gorp.util.errors import UserError
from gorp.util.files import read_json
from gorp.util.progress import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

QUANTILES = {"min": 0, "p50": 50, "p90": 90, "p99": 99, "max": 100}
SHOWN = 20  # errors of one file that people are shown
BETWEEN_ROWS = re.compile(r"\s*[\[,]\s*")


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
    folders = task_folders(root)
    errors: list[dict] = []
    if not folders:
        find_tasks(root)  # which says what is expected
    tasks = [task for folder in folders if (task := attempt(folder, errors, task_at, folder))]
    errors += [problem(root, None, text) for text in name_problems(tasks)]
    warnings, facts = list(folder_warnings(root, folders)), {}
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
    paths = {split: attempt(task.folder, errors, task.file, split) for split in SPLITS}
    if None in paths.values():  # which file is meant is not known
        return {"labels": None, "splits": {}}
    labels = attempt(task.label_file(), errors, read_labels, task)
    instructions = attempt(root / "instruction_config.json", errors, read_instructions, root, task)
    if labels:
        warnings += label_warnings(task.label_file(), labels)
    sound, facts = {}, {}
    for split, path in paths.items():
        rows, whole = read_split(path, errors)
        sound[split] = sound_rows(task, path, rows, labels, errors) if whole or rows else []
        lengths, cut = None, None
        if labels is not None and instructions:
            rendered = [render(row, n, task.name, task.group, instructions[0], labels) for n, row in sound[split]]
            lengths, cut = prompt_lengths(rendered, limit, path, errors)
        facts[split] = {"file": str(path)} | split_facts(rows, sound[split], labels, lengths, cut)
        warnings += split_warnings(path, sound[split], labels if labels and whole else [])
        done()
    warnings += overlap_warnings(task, sound)
    return {"labels": labels, "splits": facts}


def sound_rows(task: Task, path: Path, rows: Any, labels: list[str] | None, errors: list[dict]) -> list:
    """(number, row with label and sentence) of the rows that are texts; what is wrong is added to the errors."""
    listed = "labels.json" if task.file("labels").is_file() else f"the labels of {task.file('train').name}"
    errors += [problem(path, row, f"{path}: {text}") for row, text in split_problems(rows, labels, listed)]
    rows = rows if isinstance(rows, list) else []
    if not rows or not is_generation(rows[0]):
        return [(n, row) for n, row in enumerate(rows, 1) if not any(row_problems(row, None))]
    errors += [problem(path, None, f"{path}: {text}") for text in generation_task_problems(task, labels)]
    texts = [(n, row) for n, row in enumerate(rows, 1) if not any(generation_problems(row))]
    return [(n, completed(row)) for n, row in texts]


def attempt(path: Path, errors: list[dict], read: Callable, *arguments: Any) -> Any:
    """What `read` returns, or None where it raises UserError, which is added to the errors."""
    try:
        return read(*arguments)
    except UserError as error:
        errors.append(problem(path, None, str(error)))
        return None


# ---- files that the workflow cannot read ----


def read_split(path: Path, errors: list[dict]) -> tuple[Any, bool]:
    """(content of a split, True); of a file that is refused: (the rows that can still be read, False)."""
    try:
        return read_json(path) if path.suffix == ".json" else read_rows(path), True
    except UserError as error:
        if not path.is_file() or path.suffix != ".json":
            errors.append(problem(path, None, str(error)))
            return [], False
        rows, broken = readable_rows(path)
        rest = f"; it breaks off in row {broken}; the rest is not checked" if broken else ""
        errors.append(problem(path, broken, f"{error}{rest}"))
        return rows, False


def readable_rows(path: Path) -> tuple[list, int | None]:
    """(rows of a JSON list up to where it stops being JSON, number of the row in which it does or None).

    Bytes that are not UTF-8 become lone surrogates, which the rules for rows refuse.
    """
    text = path.read_bytes().decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    rows: list = []
    decoder, at = json.JSONDecoder(), 0
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


def split_facts(
    rows: Any, sound: Rows, labels: list[str] | None, lengths: Sequence[int] | None, cut: int | None
) -> dict:
    """{"rows", "label_counts": {label: rows}, "length": {"min", "p50", "p90", "p99", "max"} or None, "cut" or None}.

    The texts that a generation task wants, whose labels are [], are not counted.
    """
    quantiles = None
    if lengths:
        values = np.percentile(lengths, list(QUANTILES.values()), method="inverted_cdf")  # lengths that rows have
        quantiles = dict(zip(QUANTILES, values.tolist(), strict=True))
    counts = Counter(row["label"] for _, row in sound) if labels != [] else Counter()
    count = len(rows) if isinstance(rows, list) else 0
    return {"rows": count, "label_counts": dict(counts.most_common()), "length": quantiles, "cut": cut}


# ---- for people ----


def as_text(report: Mapping) -> str:
    """The report as a table of splits, the warnings, and the errors, at most `SHOWN` of one file."""
    rows = [
        table_row(name, split, facts, report)
        for name, task in report["tasks"].items()
        for split, facts in task["splits"].items()
    ]
    table = pd.DataFrame(rows, columns=["task", "split", "rows", "labels", *QUANTILES, "cut", "warnings", "errors"])
    for column in ("task", "split", "labels"):
        table[column] = table[column].str.ljust(max(map(len, table[column]), default=0))
    if report["max_source_length"] is None:
        table = table.drop(columns="cut")
    blocks = [table.to_string(index=False, justify="left", na_rep="")]
    unit, most = report["length_unit"], report["max_source_length"]
    cut = f"; cut: prompts over {most}, whose sentence is truncated" if most else ""
    blocks.append(f"min to max: length of the whole prompt in {unit}{cut}")
    for kind in ("warnings", "errors"):
        if report[kind]:
            blocks.append("\n".join([f"{kind}:", *(f"  {line}" for line in shown(report[kind]))]))
    total = sum(facts["rows"] for task in report["tasks"].values() for facts in task["splits"].values())
    counts = f"{len(report['errors'])} errors, {len(report['warnings'])} warnings"
    blocks.append(f"{len(report['tasks'])} tasks, {total} rows: {counts}")
    return "\n\n".join(blocks)


def table_row(name: str, split: str, facts: Mapping, report: Mapping) -> dict:
    """One line of the table. Up to three labels are counted by name, more by their least and most frequent."""
    counts = facts["label_counts"]
    if not counts:
        labels = ""
    elif len(counts) <= 3:
        labels = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    else:
        labels = f"{len(counts)} labels, {min(counts.values())} to {max(counts.values())} rows per label"
    of_file = {kind: sum(entry["file"] == facts["file"] for entry in report[kind]) for kind in ("warnings", "errors")}
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
