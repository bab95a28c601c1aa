"""The instructions that a task's prompts begin with: of its task.json, or of its group."""

from pathlib import Path
from typing import Literal

from gorp.data.file_formats import read_rows
from gorp.data.splits import LONE_SURROGATE, is_generation
from gorp.data.tasks import Task
from gorp.util.errors import UserError
from gorp.util.files import read_json


def read_instructions(root: Path, task: Task, which: int | Literal["drawn"] = 1) -> list[str]:
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
