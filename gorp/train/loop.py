"""The training loop of one stage, on plain torch."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from gorp.config.settings import TrainSettings
from gorp.data.batches import IGNORED, collate, share, to_device
from gorp.data.tokens import Example
from gorp.methods.base import Method
from gorp.models.adapters import Adapted, base_of
from gorp.models.loading import autocast
from gorp.models.loss import summed_loss
from gorp.optim.clipping import clip_
from gorp.parallel import processes
from gorp.train.checkpoint import Checkpoint
from gorp.train.schedule import factor, set_rates
from gorp.train.step_log import StepLog
from gorp.util.errors import UserError
from gorp.util.progress import PROGRESS, Progress


def fit(
    method: Method,
    adapted: Adapted,
    optimizer: torch.optim.Optimizer,
    examples: Sequence[Example],
    tokenizer,
    settings: TrainSettings,
    tasks: Sequence[str],
    checkpoint: Checkpoint | None = None,
    watch: Callable[[int], None] | None = None,
) -> list[float]:
    """Runs all epochs, or what remains after the checkpoint; returns each step's mean loss per answer token (nats).

    `tasks` are those of the stage, for messages; `watch` is called with the number of each step done, and with 0
    before the first.
    """
    base = base_of(adapted.model)
    if settings.gradient_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    adapted.model.train()
    device = next(iter(adapted.trained.values())).device
    batches = list(batch_indices(len(examples), settings.batch_size, settings.epochs))
    seed_dropout()
    rates = [group["lr"] for group in optimizer.param_groups]  # before a checkpoint brings those of its step
    losses = checkpoint.resume(adapted.trained, optimizer) if checkpoint else []
    if losses and processes.rank() == 0:
        print(f"train {'/'.join(tasks)}: resumes after step {len(losses)}", file=sys.stderr, flush=True)
    start_alike(adapted.trained, len(losses))
    step_log = StepLog(losses, adapted.trained, lag=1 if device.type == "cuda" else 0)
    file = checkpoint.path.with_name(PROGRESS) if checkpoint else None
    if watch and not losses:
        watch(0)
    quiet = processes.rank() > 0
    with Progress(f"train {'/'.join(tasks)}", len(batches), done=len(losses), file=file, quiet=quiet) as progress:
        for step, batch in enumerate(batches[len(losses) :], len(losses) + 1):
            scale = factor(step, len(batches), settings.lr_schedule, settings.warmup_steps)
            set_rates(optimizer, rates, scale)
            rows = [examples[i] for i in batch]
            loss = backward(method, adapted, optimizer, rows, tokenizer, settings.micro_batch_size)
            gradients = method.gradients(adapted, optimizer)
            requests = torch.tensor(checkpoint.requests() if checkpoint else (0, 0), dtype=torch.float32, device=device)
            processes.sum_([*gradients.values(), loss, requests])
            method.change_gradients(adapted, gradients)
            step_log.add(loss, clip_(gradients, settings.max_grad_norm, step), requests)
            optimizer.step()
            optimizer.zero_grad()
            if watch:
                watch(step)
            if checkpoint:
                checkpoint.step_done(adapted.trained, optimizer, step_log)
            shown = f"{step_log.losses[-1]:.4f}" if step_log.losses else ""
            progress.advance(loss=shown, lr=f"{rates[0] * scale:.2e}")
    return step_log.finish()


def seed_dropout() -> None:
    """Gives each process but the first a seed of its own from here on: the same dropout for all would be less noise."""
    if processes.rank() > 0:
        torch.manual_seed(torch.initial_seed() + (processes.rank() << 48))  # stage seeds have 48 bits


def start_alike(trained: Mapping[str, Tensor], steps: int) -> None:
    """Gives all processes the trained parameters of the first. Raises UserError unless all have done the same steps."""
    if len({int(count) for count in processes.gather(torch.tensor([steps]))}) > 1:
        raise UserError("the processes see different checkpoints: put the results into a folder that all nodes share")
    processes.broadcast_(trained.values())


def batch_indices(rows: int, batch_size: int, epochs: int) -> Iterator[list[int]]:
    """The row numbers of each step: every epoch a new permutation from torch's generator, the last batch ragged."""
    for _ in range(epochs):
        yield from (chunk.tolist() for chunk in torch.randperm(rows).split(batch_size))


def backward(
    method: Method,
    adapted: Adapted,
    optimizer: torch.optim.Optimizer,
    rows: Sequence[Example],
    tokenizer,
    micro_batch_size: int,
) -> Tensor:
    """Accumulates the gradient of the mean loss per answer token over `rows`; returns that loss, a scalar.

    Each micro-batch is weighted by its answer tokens, so that the split into micro-batches changes rounding alone. What
    the method adds to the loss has its gradient there too, and is no part of the loss returned.
    Of many processes each does its share of the rows: their gradients, and the losses returned, are to be summed.
    """
    tokens = sum(len(row.target) for row in rows)
    model, device = adapted.model, next(iter(adapted.trained.values())).device
    total = torch.zeros((), device=device)
    penalty = method.penalty(adapted)
    if penalty is not None and processes.rank() == 0:
        method.before_pass(optimizer, last=False)
        penalty.backward()
    passes = share(rows, micro_batch_size, processes.rank(), processes.size())
    for number, part in enumerate(passes, 1):
        method.before_pass(optimizer, last=number == len(passes))
        inputs, labels = collate(part or rows[:1], tokenizer, model.config)
        if not part:
            labels.fill_(IGNORED)
        inputs, labels = to_device(inputs, device), to_device(labels, device)
        with autocast(model):
            logits = model(**inputs, use_cache=False).logits
            added = method.batch_loss(adapted, inputs, labels, logits)
        loss = summed_loss(logits, labels) / tokens
        (loss if added is None else loss + added / tokens).backward()
        total += loss.detach()
    return total
