"""Evaluations while a task is trained: scores and loss on dev rows, step by step, as a table.

    evaluation = Evaluation([Path("amazon.dev.jsonl")], every=50, rows=100)
    train_stage(..., evaluation=evaluation)  # evaluations.csv beside the stage

The training comes out the same, to the byte, with and without: nothing is drawn, and no weight or moment is touched.
The training loop knows nothing of this module, so that no change of it trains a stage again.
"""

import csv
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from gorp.config.settings import TrainSettings
from gorp.data.batches import collate, share, to_device
from gorp.data.tokens import Example, tokenize
from gorp.metrics.answers import SCORES, mean, tally
from gorp.models.adapters import Adapted, base_of
from gorp.models.loading import autocast
from gorp.models.loss import summed_loss
from gorp.parallel import processes
from gorp.prediction.predict import generate
from gorp.util.errors import UserError, require
from gorp.util.files import read_jsonl, replacing, sha256, write_jsonl

TABLE = "evaluations.csv"
PARTIAL = ".evaluations.jsonl"  # the rows of a training under way
COLUMNS = ("step", "task", "rows", *SCORES, "loss")


def evaluation_steps(total: int, every: int) -> list[int]:
    """The steps after which a training of `total` steps is evaluated, ascending.

    0 (before the first step), 1, 2, 5, 10, 20, 50, ... below `every`, then every multiple of `every`, and the last.
    """
    early = (digit * 10**power for power in range(len(str(every))) for digit in (1, 2, 5))
    steps = {0, *(step for step in early if step < every), *range(every, total + 1, every), total}
    return sorted(step for step in steps if step <= total)


def chosen(rows: Sequence[dict], count: int) -> list[dict]:
    """The first `count` rows in a fixed random order, all for 0: those of a smaller count are among a larger one's."""
    shuffled = random.Random(0).sample(rows, len(rows))
    return shuffled[:count] if count else shuffled


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated, and when.

    data: files of rendered rows, one a task; every: see `evaluation_steps`; rows: of each file, 0 for all.
    Raises UserError for a number out of range, a file that cannot be read or has no rows, and two files of one task.
    """

    data: Sequence[Path]
    every: int
    rows: int = 100

    def __post_init__(self):
        require("--evaluate-every", self.every, self.every >= 1, "at least 1")
        require("--evaluate-rows", self.rows, self.rows >= 0, "at least 0")
        tasks = [rows[0]["task"] for rows in self.read()]
        for task in tasks:
            require("--dev", task, tasks.count(task) == 1, "the task of one file alone")

    def read(self) -> list[list[dict]]:
        """The rows evaluated, by file."""
        files = [read_jsonl(path) for path in self.data]
        for path, rows in zip(self.data, files, strict=True):
            if not rows:
                raise UserError(f"{path}: no rows to evaluate on")
        return [chosen(rows, self.rows) for rows in files]

    def depends_on(self) -> dict[str, Any]:
        """What the table depends on beside the training; JSON values."""
        return {"every": self.every, "rows": self.rows, "data": [sha256(path) for path in self.data]}

    def begin(
        self, adapted: Adapted, tokenizer, settings: TrainSettings, steps: int, output: Path, whole: bool
    ) -> "Watch":
        """The evaluations of one training; `whole` says whether each process holds the whole base model."""
        due = evaluation_steps(steps, self.every)
        return Watch(adapted, tokenizer, settings, self.read(), due, output, whole)


class Watch:
    """Evaluates a model under training: to be called after each step, all processes together, and before the first.

    Many processes share the rows. With a sharded base model they need each other in every pass, and each
    evaluates all rows. What was evaluated before a checkpoint is kept beside it, and later evaluations are done again.
    """

    def __init__(
        self,
        adapted: Adapted,
        tokenizer,
        settings: TrainSettings,
        tasks: Sequence[Sequence[dict]],
        due: Sequence[int],
        output: Path,
        whole: bool,
    ):
        self.model, self.tokenizer, self.settings = adapted.model, tokenizer, settings
        self.tasks, self.due, self.output, self.whole = tasks, due, output, whole
        self.device = next(iter(adapted.trained.values())).device
        decoder_only = not adapted.model.config.is_encoder_decoder
        self.examples = [tokenize(rows, tokenizer, settings.max_source_length, None, decoder_only) for rows in tasks]
        partial = output / PARTIAL
        self.table = read_jsonl(partial) if partial.is_file() else []

    def __call__(self, step: int) -> None:
        """Evaluates if the step is due. Raises UserError if an earlier evaluation is lost."""
        if step not in self.due:
            return
        self.table = [row for row in self.table if row["step"] < step]
        missing = {earlier for earlier in self.due if earlier < step} - {row["step"] for row in self.table}
        if missing:
            raise UserError(
                f"{self.output / PARTIAL}: the evaluation of step {min(missing)} is missing; delete the checkpoint "
                f"in {self.output} to train the task from the start"
            )
        self.model.eval()
        rows = [self.evaluated(step, *task) for task in zip(self.tasks, self.examples, strict=True)]
        self.model.train()
        self.table += rows
        if processes.rank() == 0:
            write_jsonl(self.output / PARTIAL, self.table)
            for row in rows:
                found = f"exact match {row['exact_match']:.1f}, loss {row['loss']:.4f}"
                tqdm.write(f"evaluation at step {step}: {row['task']}: {found}", file=sys.stderr)

    def evaluated(self, step: int, rows: Sequence[dict], examples: Sequence[Example]) -> dict[str, Any]:
        """A row of the table: mean scores in percent, and the mean loss per answer token in nats."""
        base, s = base_of(self.model), self.settings
        tokens = s.micro_batch_size * (s.max_source_length + s.max_target_length)  # a training pass holds as many
        with autocast(base):
            answers = generate(
                base, self.tokenizer, rows, s.max_source_length, s.max_target_length, tokens,
                shared=self.whole, quiet=True,
            )  # fmt: skip
            loss = self.loss(examples)
        pairs = [(answer["prediction"], row["target"]) for answer, row in zip(answers, rows, strict=True)]
        scores = {name: mean(tally(name, pairs)) for name in SCORES}
        return {"step": step, "task": rows[0]["task"], "rows": len(rows), **scores, "loss": loss}

    @torch.no_grad()
    def loss(self, examples: Sequence[Example]) -> float:
        rank, size = (processes.rank(), processes.size()) if self.whole else (0, 1)
        total = torch.zeros((), device=self.device)
        for part in share(examples, self.settings.micro_batch_size, rank, size):
            if part:
                inputs, labels = collate(part, self.tokenizer, self.model.config)
                logits = self.model(**to_device(inputs, self.device), use_cache=False).logits
                total += summed_loss(logits, to_device(labels, self.device))
        if self.whole:
            processes.sum_([total])
        return total.item() / sum(len(example.target) for example in examples)

    def finish(self) -> None:
        """Writes the table as CSV, by the process that writes."""
        with replacing(self.output / TABLE) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for row in self.table:
                writer.writerow(
                    {key: f"{value:.4f}" if isinstance(value, float) else value for key, value in row.items()}
                )
        (self.output / PARTIAL).unlink()
