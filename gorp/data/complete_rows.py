"""Files of rows that record how many there are, so that missing rows, at the end or within, are found and named.

Each rendered row carries under `rows` how many its split has, and its prediction does too. The ids of a task are then
0, 1, ... up to that number, in this order.
"""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from gorp.util.errors import UserError
from gorp.util.files import read_jsonl

ROWS = "rows"
RENDERED = ("task", "group", "id", "source", "target", "labels", "sentence_at")  # keys of every rendered row


def read_complete(path: Path | str, made_by: str, keys: Sequence[str] = ()) -> list[dict]:
    """The rows of a JSON-lines file, each with at least these keys; `made_by` is the command that makes such a file.

    Raises UserError that names the file, the task and what is missing, damaged or repeated, and what to do. Tasks
    whose rows have no `rows`, as in files from elsewhere, may have any number of rows.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; make it with {made_by}")
    again = how_to_make_again(made_by)
    try:
        rows = read_jsonl(path)
    except UserError as error:
        raise UserError(f"{error}; {again}") from None
    if not rows:
        raise UserError(f"{path}: there are no rows; {again}")
    for number, row in enumerate(rows, 1):
        lacking = [key for key in keys if not isinstance(row, dict) or key not in row]
        if lacking:
            raise UserError(f"{path}: row {number} has no {lacking[0]!r}: not a file from {made_by}; make one with it")
    for task, own in by_task(rows).items():
        if fault := fault_of(own):
            raise UserError(f"{path}: task {task}: {fault}; {again}")
    return rows


def how_to_make_again(made_by: str) -> str:
    """What to do with a file that is damaged, for a message; `made_by` as for `read_complete`."""
    return f"delete the file and run the snakemake command again, or make it again with {made_by}"


def by_task(rows: Iterable[dict]) -> dict[str, list[dict]]:
    """Rows by task; without those that are none, or of none."""
    found: dict[str, list[dict]] = {}
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("task"), str):
            found.setdefault(row["task"], []).append(row)
    return found


def fault_of(rows: Sequence[dict]) -> str:
    """What is wrong with the rows of one task; "" if they are complete, or do not say how many they are."""
    counts = list(dict.fromkeys(str(row.get(ROWS)) for row in rows))
    total = rows[0].get(ROWS)
    if counts == ["None"]:
        return ""
    if len(counts) > 1 or not isinstance(total, int) or total < 1:
        return f"its rows must have one number under {ROWS!r}; they have {' and '.join(counts[:3])}"
    ids = [row.get("id") for row in rows]
    if len(ids) == total and ids == list(range(total)):
        return ""
    known = {i for i in ids if isinstance(i, int)}
    if missing := gaps(sorted(known), total):
        return f"{len(rows)} of {total} rows are there; missing: id {missing}"
    if unknown := [i for i in ids if not isinstance(i, int) or not 0 <= i < total]:
        return f"id {unknown[0]!r} is not one of 0 to {total - 1}"
    if len(known) < len(ids):
        return f"id {min(known, key=lambda i: -ids.count(i))} appears {max(map(ids.count, known))} times"
    return "its ids are not in order"


def gaps(ids: Sequence[int], total: int) -> str:
    """The numbers from 0 to `total` - 1 that ascending ids leave out, as text: "3, 7 to 9"; "" for none."""
    bounds = [-1, *(i for i in ids if 0 <= i < total), total]
    spans = [(a + 1, b - 1) for a, b in itertools.pairwise(bounds) if b - a > 1]
    texts = [str(a) if a == b else f"{a} to {b}" for a, b in spans]
    return ", ".join(texts if len(texts) <= 5 else [*texts[:5], f"and {len(texts) - 5} more gaps"])
