"""The training loop of one stage, on plain torch."""

import hashlib
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gorp import distributed
from gorp.adapter import PREFIX, Stage, check_base, read_stage, write_stage
from gorp.checkpoint import Checkpoint
from gorp.complete import RENDERED, read_complete
from gorp.content import model_key
from gorp.digest import code_digest
from gorp.errors import UserError
from gorp.files import sha256
from gorp.gradients import clip_, step_gradients
from gorp.loss import summed_loss
from gorp.methods import make_method
from gorp.models import Adapted, attach, autocast, concatenated_lora, load_base, lora_config
from gorp.progress import PROGRESS, Progress
from gorp.prompts import IGNORED, Example, collate, to_device, tokenize
from gorp.reports import Reports
from gorp.schedule import factor, set_rates, total_steps
from gorp.settings import TrainSettings
from gorp.zero_config import read_zero_config, without_effect


@distributed.started()
def train_stage(
    model: str,
    data: Path,
    output: Path,
    method_name: str,
    settings: TrainSettings,
    seed: int,
    parent: Path | None,
    dtype: str = "float32",
    checkpoint_minutes: float = 10,
    deepspeed: Path | None = None,
    evaluation: Any = None,
) -> None:
    """Trains one task on top of `parent` (None: on the base model) and writes the stage to `output`.

    `data` holds rendered rows (gorp.prompts.render) of one task; `dtype` is that of the frozen base model.
    A training that was stopped resumes from its last checkpoint (see `gorp.checkpoint`). Raises UserError for mistakes
    that a user can correct.

    Started by a launcher, many processes share each step's rows (see `gorp.distributed`) and the first writes the
    stage: the same to rounding, dropout aside. `deepspeed` is a config file with which the frozen base model is
    sharded (see `gorp.zero`), which changes only rounding too. `evaluation` (a `gorp.evaluation.Evaluation`) scores the
    model on dev rows as it trains, which changes nothing else.
    """
    rows = read_complete(data, "gorp preprocess", RENDERED)
    steps = total_steps(len(rows), settings)
    task = rows[0]["task"]
    if others := sorted({row["task"] for row in rows} - {task}):
        raise UserError(f"{data}: rows of {task} and of {', '.join(others)}; a stage trains one task")
    if parent is not None and output.resolve() == parent.resolve():
        raise UserError(f"{output}: the output is the parent stage, which it would overwrite; choose another folder")
    before = read_stage(parent) if parent is not None else None
    tasks = [*(before.info["tasks"] if before else []), task]
    key = model_key(model)
    check_parent(before, model, key, dtype=dtype, method=method_name)
    zero = zero_stage_3(deepspeed, settings, dtype) if deepspeed is not None else None
    torch.manual_seed(stage_seed(seed, tasks))
    base, tokenizer = load_base(model, dtype)
    method = make_method(method_name, settings)
    adapted = attach(base, settings, method.full_rank_modules, before, method.new_lora, zero)
    memory = before.gradient_space if before else {}
    optimizer = method.optimizer(adapted, memory)
    limits = settings.max_source_length, settings.max_target_length
    examples = tokenize(rows, tokenizer, *limits, decoder_only=not base.config.is_encoder_decoder)
    parent_digest = before.digest if before else None
    depends_on = {
        **{"model": key, "commit": getattr(base.config, "_commit_hash", None), "dtype": dtype},
        **{"method": method_name, "seed": seed},
        **{"settings": asdict(settings), "data": sha256(data), "parent": parent_digest},
        **{"code": code_digest("gorp.train", f"gorp.methods.{method_name}"), "torch": torch.__version__},
    }
    watch = None
    if evaluation is not None:
        depends_on["evaluation"] = evaluation.depends_on()
        watch = evaluation.begin(adapted, tokenizer, settings, steps, output, zero is None)
    del before  # read again for the writing: what earlier tasks have learnt takes no memory while this one trains
    start = time.monotonic()
    with Checkpoint(output, depends_on, checkpoint_minutes) as checkpoint:
        losses = fit(adapted, optimizer, examples, tokenizer, settings, f"train {'/'.join(tasks)}", checkpoint, watch)
    if distributed.rank() > 0:
        distributed.wait()  # for the stage: the next may be trained on it
        return
    seconds = time.monotonic() - start
    before = read_stage(parent) if parent is not None else None
    if before and before.digest != parent_digest:
        raise UserError(f"{parent}: it was retrained while this stage was being trained; run the command again")
    info = {
        "tasks": tasks,
        "method": method_name,
        "seed": seed,
        "settings": asdict(settings),
        "base_model": model,
        "base_model_key": key,
        "dtype": dtype,
        "load_with": {"dtype": dtype, "autocast": None if dtype == "float32" else dtype},
        "parent": parent_digest,
        "rows": len(rows),
        "steps": len(losses),
        "processes": distributed.size(),
        "losses": losses,
        "trainable": {
            "lora": sum(p.numel() for p in adapted.lora.values()),
            "full_rank": sum(p.numel() for p in adapted.full_rank.values()),
        },
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    lora, r, alpha = concatenated_lora(adapted, before, method.new_lora)
    names = [name.removesuffix(".lora_A") for name in adapted.lora if name.endswith(".lora_A")]
    full = [name.removesuffix(".weight") for name in adapted.full_rank]
    config = lora_config(base, r, alpha, names, settings.lora_dropout, full)
    config.inference_mode = True
    new_lora = {f"{PREFIX}{name}.weight": parameter for name, parameter in adapted.lora.items()}
    space = method.memory(optimizer, memory)
    write_stage(output, config, lora, adapted.saved_whole, space, info, new_lora, base.config)
    checkpoint.remove()
    if watch is not None:
        watch.finish()
    distributed.wait()


def zero_stage_3(path: Path, settings: TrainSettings, dtype: str) -> dict[str, Any] | None:
    """How a DeepSpeed config shards the base model; None if it does not."""
    zero = read_zero_config(path, settings, dtype, distributed.size())
    stage, ignored = zero.get("stage", 0), without_effect(path)
    if stage in (1, 2) and distributed.rank() == 0:
        print(f"{path}: stage {stage} trains as stage 0: optimizer state and gradients are small here", file=sys.stderr)
    if ignored and distributed.rank() == 0:
        print(f"{path}: ignored, the settings of the training apply: {', '.join(ignored)}", file=sys.stderr)
    return zero if stage == 3 else None


def check_parent(parent: Stage | None, model: str, key: str, **expected: str) -> None:
    """Raises UserError if the parent stage was trained on another base model, in another dtype or by another method."""
    if parent is None:
        return
    check_base(parent, model, key)
    for name, value in expected.items():
        if parent.info[name] != value:
            raise UserError(
                f"{parent.folder}: its {name} is {parent.info[name]!r}, not {value!r}: not a stage to continue from"
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
    checkpoint: Checkpoint | None = None,
    watch: Callable[[int], None] | None = None,
) -> list[float]:
    """Runs all epochs, or what remains after the checkpoint; returns each step's mean loss per answer token (nats).

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
    if losses and distributed.rank() == 0:
        print(f"{what}: resuming after step {len(losses)}", file=sys.stderr, flush=True)
    start_alike(adapted.trained, len(losses))
    reports = Reports(losses, adapted.trained, lag=1 if device.type == "cuda" else 0)
    file = checkpoint.path.with_name(PROGRESS) if checkpoint else None
    if watch and not losses:
        watch(0)
    with Progress(what, len(batches), done=len(losses), file=file, quiet=distributed.rank() > 0) as progress:
        for step, batch in enumerate(batches[len(losses) :], len(losses) + 1):
            scale = factor(step, len(batches), settings.lr_schedule, settings.warmup_steps)
            set_rates(optimizer, rates, scale)
            loss = backward(
                adapted.model, optimizer, [examples[i] for i in batch], tokenizer, settings.micro_batch_size
            )
            gradients = step_gradients(optimizer, adapted.trained)
            wishes = torch.tensor(checkpoint.wishes() if checkpoint else (0, 0), dtype=torch.float32, device=device)
            distributed.sum_([*gradients.values(), loss, wishes])
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
    if distributed.rank() > 0:
        torch.manual_seed(torch.initial_seed() + (distributed.rank() << 48))  # stage seeds have 48 bits


def start_alike(trained: Mapping[str, Tensor], steps: int) -> None:
    """Gives all processes the trained parameters of the first. Raises UserError unless all have done the same steps."""
    if len({int(count) for count in distributed.gather(torch.tensor([steps]))}) > 1:
        raise UserError("the processes see different checkpoints: put the results into a folder that all nodes share")
    distributed.broadcast_(trained.values())


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
    passes = share(rows, micro_batch_size, distributed.rank(), distributed.size())
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


def share(rows: Sequence[Example], micro_batch_size: int, rank: int, size: int) -> list[list[Example]]:
    """The micro-batches of one of `size` processes: each the same number, and rows of like lengths at the same time.

    Some may be empty where the rows do not come out even. An empty one is to be run too, on any row without loss:
    processes that hold parts of one model, or of one gradient, wait for each other in every pass.
    """
    rows = sorted(rows, key=lambda row: len(row.source))  # like lengths together: less padding
    most = len(rows[::size])
    own = rows[rank::size]
    return [own[start : start + micro_batch_size] for start in range(0, most, micro_batch_size)]
