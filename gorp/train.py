"""The training loop of one stage, on plain torch."""

import hashlib
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from gorp.adapter import Stage, read_stage, write_stage
from gorp.errors import UserError
from gorp.files import read_jsonl
from gorp.loss import summed_loss
from gorp.methods import make_method
from gorp.models import Adapted, attach, concatenated_lora, load_base, lora_config
from gorp.optimizer import check_finite
from gorp.progress import Progress
from gorp.prompts import Example, collate, tokenize
from gorp.settings import TrainSettings


def train_stage(
    model: str, data: Path, output: Path, method_name: str, settings: TrainSettings, seed: int, parent: Path | None
) -> None:
    """Trains one task on top of `parent` (None: on the base model) and writes the stage to `output`.

    `data` holds rendered rows (gorp.prompts.render) of one task. Raises UserError for what a user can put right.
    """
    rows = read_jsonl(data)
    if not rows:
        raise UserError(f"{data}: no rows to train on")
    task = rows[0]["task"]
    before = read_stage(parent) if parent is not None else None
    tasks = [*(before.info["tasks"] if before else []), task]
    check_parent(before, model, method_name)
    torch.manual_seed(stage_seed(seed, tasks))
    base, tokenizer = load_base(model)
    method = make_method(method_name, settings)
    adapted = attach(base, settings, method.full_rank_modules, before, method.new_lora)
    memory = before.gradient_space if before else {}
    optimizer = method.optimizer(adapted, memory)
    examples = tokenize(rows, tokenizer, settings.max_source_length, settings.max_target_length)
    start = time.monotonic()
    losses = fit(adapted, optimizer, examples, tokenizer, settings, f"train {'/'.join(tasks)}")
    lora, r, alpha = concatenated_lora(adapted, before, method.new_lora)
    names = [name.removesuffix(".lora_A") for name in adapted.lora if name.endswith(".lora_A")]
    full = [name.removesuffix(".weight") for name in adapted.full_rank]
    config = lora_config(base, r, alpha, names, settings.lora_dropout, full)
    config.inference_mode = True
    info = {
        "tasks": tasks,
        "method": method_name,
        "seed": seed,
        "settings": asdict(settings),
        "base_model": model,
        "parent": before.digest if before else None,
        "rows": len(rows),
        "steps": len(losses),
        "losses": losses,
        "trainable": {
            "lora": sum(p.numel() for p in adapted.lora.values()),
            "full_rank": sum(p.numel() for p in adapted.full_rank.values()),
        },
        "seconds": round(time.monotonic() - start, 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    write_stage(output, config, lora, adapted.full_rank, method.memory(optimizer, memory), info)


def check_parent(parent: Stage | None, model: str, method: str) -> None:
    """Raises UserError if the parent stage was trained on another base model or by another method."""
    for key, value in (("base_model", model), ("method", method)):
        if parent is not None and parent.info[key] != value:
            raise UserError(
                f"{parent.folder}: its {key} is {parent.info[key]!r}, not {value!r}: not a stage to go on from"
            )


def stage_seed(seed: int, tasks: Sequence[str]) -> int:
    """A seed of its own for each sequence of tasks, so that no two stages start from the same LoRA factors."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{'/'.join(tasks)}".encode()).digest()[:6], "big")


def fit(
    adapted: Adapted,
    optimizer: torch.optim.Optimizer,
    examples: Sequence[Example],
    tokenizer,
    settings: TrainSettings,
    what: str,
) -> list[float]:
    """Runs all epochs; returns the mean loss per answer token of each step (nats)."""
    adapted.model.train()
    batches = list(batch_indices(len(examples), settings.batch_size, settings.epochs))
    losses = []
    with Progress(what, len(batches)) as progress:
        for batch in batches:
            rows = [examples[i] for i in batch]
            loss = backward(adapted.model, rows, tokenizer, settings.micro_batch_size)
            for name, parameter in adapted.trained.items():  # clipping would spread a NaN over all of them
                check_finite(name, parameter.grad, len(losses) + 1)
            torch.nn.utils.clip_grad_norm_(adapted.trained.values(), settings.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss)
            progress.advance(loss=f"{loss:.4f}")
    return losses


def batch_indices(rows: int, batch_size: int, epochs: int) -> Iterator[list[int]]:
    """The row numbers of each step: every epoch a new permutation from torch's generator, the last batch ragged."""
    for _ in range(epochs):
        yield from (chunk.tolist() for chunk in torch.randperm(rows).split(batch_size))


def backward(model, rows: Sequence[Example], tokenizer, micro_batch_size: int) -> float:
    """Accumulates the gradient of the mean loss per answer token over `rows`; returns that loss.

    Each micro-batch is weighted by its answer tokens, so that the split into micro-batches changes rounding alone.
    """
    tokens = sum(len(row.target) for row in rows)
    rows = sorted(rows, key=lambda row: len(row.source))  # like lengths together: less padding
    total = torch.zeros(())
    for start in range(0, len(rows), micro_batch_size):
        inputs, labels = collate(rows[start : start + micro_batch_size], tokenizer, model.config)
        loss = summed_loss(model(**inputs).logits, labels) / tokens
        loss.backward()
        total += loss.detach()
    return total.item()
