"""All rows of a split as prompts: which instruction, which shots, which rows more than once.

    rows = render_split(benchmark_root("bundled"), task, "train", Prompts(shots=2))

What is drawn depends on the seed of the prompts, the task, the split and the row alone: the same rows are rendered for
every training, whatever its own seed.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gorp.data.complete_rows import ROWS
from gorp.data.instructions import read_instructions
from gorp.data.splits import NO_LABEL, is_generation, read_labels, read_split
from gorp.data.tasks import Task
from gorp.util.errors import UserError

PROMPT_END = "\nAnswer:"  # of what `render` makes; an answer follows after a space


def render(
    row: dict,
    number: int,
    task: str,
    group: str,
    instruction: str,
    labels: Sequence[str],
    shots: Sequence[dict] = (),
    task_name: bool = True,
    dataset_name: bool = True,
) -> dict:
    """One row as the model reads it: `{"task", "group", "id", "source", "target", "labels", "sentence_at"}`.

    `sentence_at` is the span [start, end) of the sentence within `source`: what may be cut when a prompt is too long.
    `shots` are rows shown as examples, with their answers, before the sentence; `shots_at`, there if they are, holds
    the span of each. Groups without an instruction (COPA) ask in the sentence and get no option line. A generation row
    has no options; an instruction of its own stands in place of the task's. `task_name` and `dataset_name` say whether
    the source begins with the lines `Task:GROUP` and `Dataset:TASK`.
    """
    instruction = own_instruction(row) or instruction
    head = f"Task:{group}\n" * task_name + f"Dataset:{task}\n" * dataset_name + instruction
    if instruction and labels:
        head += f"Option: {', '.join(labels)} \n"
    spans = []
    for shot in shots:
        start, other = len(head), own_instruction(shot)
        head += f"{other if other != instruction else ''}{shot['sentence']}\nAnswer: {shot['label']}\n"
        spans.append([start, len(head)])
    source = f"{head}{row['sentence']}\nAnswer:"
    span = [len(head), len(head) + len(row["sentence"])]
    names = {"task": task, "group": group, "id": number, "labels": list(labels)}
    rendered = {**names, "source": source, "target": row["label"], "sentence_at": span}
    return {**rendered, "shots_at": spans} if spans else rendered


def own_instruction(row: dict) -> str:
    """The instruction that a generation row brings along; "" for other rows."""
    text = row["instruction"].rstrip("\n") if "output" in row else ""
    return f"{text}\n" if text.strip() else ""


@dataclass(frozen=True)
class Prompts:
    """How rows become prompts: `prompts:` of the config."""

    instruction: int | Literal["drawn"] = 1  # number of the instruction, from 1; or "drawn", for each row one of all
    shots: int = 0  # train rows shown as examples before each row
    min_rows: int = 0  # a smaller train split repeats its rows up to this number
    seed: int = 0  # of all that is drawn
    task_name: bool = True  # the line "Task:GROUP" at the head of each prompt
    dataset_name: bool = True  # the line "Dataset:TASK" after it


def render_split(root: Path, task: Task, split: str, prompts: Prompts) -> Iterator[dict]:
    """The rendered rows of a split (see `gorp.data.prompts.render`), checked before the first comes; ids count from 0.

    Each row carries under "rows" how many there are, by which `gorp.data.complete_rows` finds a file that lost some.
    Raises UserError for a fault in the files, or where the train split has too few rows to show as examples.
    """
    labels = read_labels(task)
    instructions = read_instructions(root, task, prompts.instruction)
    rows = read_split(task, split, labels)
    pool = Shots(read_split(task, "train", labels), task, prompts.shots) if prompts.shots else None
    if split == "train":
        rows = repeated(rows, prompts.min_rows, random.Random(f"{prompts.seed}:{task.name}"))
    for number, row in enumerate(rows):
        rng = random.Random(f"{prompts.seed}:{task.name}:{split}:{number}")
        shots = pool.drawn(row, rng) if pool else ()
        instruction = rng.choice(instructions)
        names = (prompts.task_name, prompts.dataset_name)
        rendered = render(row, number, task.name, task.group, instruction, labels, shots, *names)
        yield {**rendered, ROWS: len(rows)}


def repeated(rows: Sequence[dict], least: int, rng: random.Random) -> list[dict]:
    """All rows as often as they fit into `least`, then different ones drawn for what is left; not fewer than `rows`."""
    times, left = divmod(max(least, len(rows)), len(rows))
    return [*rows] * times + [rows[i] for i in sorted(rng.sample(range(len(rows)), left))]


class Shots:
    """Train rows to be shown, with their answers, `count` before each row."""

    def __init__(self, train: Sequence[dict], task: Task, count: int):
        self.rows = [row for row in train if row["label"] != NO_LABEL]
        self.copies = Counter(map(asked, self.rows))
        self.count, self.file = count, task.file("train")

    def drawn(self, row: dict, rng: random.Random) -> list[dict]:
        """Different rows drawn at random; never the row itself, nor another that asks the same."""
        same = self.copies[asked(row)]
        if len(self.rows) - same < self.count:
            raise UserError(
                f"prompts: shots: {self.count} examples, but {self.file} has {len(self.rows) - same} other rows to show"
            )
        candidates = rng.sample(self.rows, self.count + same)
        return [other for other in candidates if asked(other) != asked(row)][: self.count]


def asked(row: Mapping) -> tuple[str, str]:
    """What a row asks: two rows that ask the same would give each other's answer away."""
    return row["instruction"] if is_generation(row) else "", row["sentence"]
