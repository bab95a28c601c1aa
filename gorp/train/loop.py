"""The training loop of one stage, on plain torch."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from gorp.config.settings import TrainSettings
from gorp.data.batches import IGNORED, collate, share, to_device
from gorp.data.tokens import Example
from gorp.models.adapters import Adapted
from gorp.models.loading import autocast
from gorp.models.loss import summed_loss
from gorp.optim.clipping import clip_, step_gradients
from gorp.parallel import processes
from gorp.train.checkpoint import Checkpoint
from gorp.train.schedule import factor, set_rates
from gorp.train.step_log import Reports
from gorp.util.errors import UserError
from gorp.util.progress import PROGRESS, Progress


def fit(
    adapted: Adapted,
    optimizer: torch.optim.Optimizer,
    examples: Sequence[Example],
    tokenizer,
    settings: TrainSettings,
    what: str,
    checkpoint: Checkpoint | None = None,
    watch: Callable[[int], None] | None = None,
) -> list[float]:
    """Runs all epochs, or what is left since the checkpoint; returns each step's mean loss per answer token (nats).

    `watch` is called with the number of each step done, and with 0 before the first.
    """
    base = adapted.model.get_base_model()
    if settings.gradient_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    adapted.model.train()
    device = next(iter(adapted.trained.values())).device
    batches = list(batch_indices(len(examples), settings.batch_size, settings.epochs))
    seed_dropout()
    rates = [group["lr"] for group in optimizer.param_groups]  # before a checkpoint brings those of its step
    losses = checkpoint.resume(adapted.trained, optimizer) if checkpoint else []
    if losses and processes.rank() == 0:
        print(f"{what}: going on after step {len(losses)}", file=sys.stderr, flush=True)
    start_alike(adapted.trained, len(losses))
    reports = Reports(losses, adapted.trained, lag=1 if device.type == "cuda" else 0)
    file = checkpoint.path.with_name(PROGRESS) if checkpoint else None
    if watch and not losses:
        watch(0)
    with Progress(what, len(batches), done=len(losses), file=file, quiet=processes.rank() > 0) as progress:
        for step, batch in enumerate(batches[len(losses) :], len(losses) + 1):
            scale = factor(step, len(batches), settings.lr_schedule, settings.warmup_steps)
            set_rates(optimizer, rates, scale)
            loss = backward(
                adapted.model, optimizer, [examples[i] for i in batch], tokenizer, settings.micro_batch_size
            )
            gradients = step_gradients(optimizer, adapted.trained)
            wishes = torch.tensor(checkpoint.wishes() if checkpoint else (0, 0), dtype=torch.float32, device=device)
            processes.sum_([*gradients.values(), loss, wishes])
            reports.add(loss, clip_(gradients, settings.max_grad_norm, step), wishes)
            optimizer.step()
            optimizer.zero_grad()
            if watch:
                watch(step)
            if checkpoint:
                checkpoint.step_done(adapted.trained, optimizer, reports)
            shown = f"{reports.losses[-1]:.4f}" if reports.losses else ""
            progress.advance(loss=shown, lr=f"{rates[0] * scale:.2e}")
    return reports.finish()


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


def backward(model, optimizer, rows: Sequence[Example], tokenizer, micro_batch_size: int) -> Tensor:
    """Accumulates the gradient of the mean loss per answer token over `rows`; returns that loss, a scalar.

    Each micro-batch is weighted by its answer tokens, so that the split into micro-batches changes rounding alone.
    Of many processes each does its share of the rows: their gradients, and the losses returned, are to be summed.
    """
    tokens = sum(len(row.target) for row in rows)
    device = optimizer.param_groups[0]["params"][0].device
    total = torch.zeros((), device=device)
    passes = share(rows, micro_batch_size, processes.rank(), processes.size())
    for number, part in enumerate(passes, 1):
        optimizer.complete = number == len(passes)  # read by GorpAdamW alone
        inputs, labels = collate(part or rows[:1], tokenizer, model.config)
        if not part:
            labels.fill_(IGNORED)
        inputs, labels = to_device(inputs, device), to_device(labels, device)
        with autocast(model):
            logits = model(**inputs, use_cache=False).logits
        loss = summed_loss(logits, labels) / tokens
        loss.backward()
        total += loss.detach()
    return total
