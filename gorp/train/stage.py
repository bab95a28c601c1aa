"""The training of one stage, from its rows to the files of the stage."""

import hashlib
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gorp.config.content_digests import model_key
from gorp.config.deepspeed_file import read_zero_config, without_effect
from gorp.config.settings import TrainSettings
from gorp.config.step_code import step_code
from gorp.data.complete_rows import RENDERED, read_complete
from gorp.data.tokens import tokenize
from gorp.methods.base import Method
from gorp.methods.registry import make_method, method_name
from gorp.models.adapters import Adapted, base_of, concatenated_lora, lora_config
from gorp.models.loading import load_base
from gorp.models.stage import PREFIX, Stage, check_base, read_stage, write_stage
from gorp.parallel import processes
from gorp.train.checkpoint import Checkpoint
from gorp.train.loop import fit
from gorp.train.schedule import total_steps
from gorp.util.errors import UserError
from gorp.util.files import sha256


@processes.started()
def train_stage(
    model: str,
    data: Path | str,
    output: Path | str,
    method: str,
    settings: TrainSettings,
    seed: int = 0,
    parent: Path | str | None = None,
    dtype: str = "float32",
    checkpoint_minutes: float = 10,
    deepspeed: Path | None = None,
    evaluation: Any = None,
    earlier: Sequence[Path] = (),
) -> None:
    """Trains one task on top of `parent` (None: on the base model) and writes the stage to `output`.

    `data` holds rendered rows (gorp.data.prompts.render) of one task, `earlier` those of each earlier task, for a
    method that mixes them in. `method` is the name of one, or a Python file; `dtype` is that of the frozen base model.
    A training that was stopped resumes from its last checkpoint (see `gorp.train.checkpoint`). Raises UserError for
    what a user can put right.

    Started by a launcher, many processes share each step's rows (see `gorp.parallel.processes`) and the first writes
    the stage: the same to rounding, dropout aside. `deepspeed` is a config file by which the frozen base model is
    sharded (see `gorp.parallel.zero3`), which changes rounding alone too. `evaluation` (a
    `gorp.prediction.during_training.Evaluation`) scores the model on dev rows as it trains, which changes nothing else.
    """
    data, output, parent = Path(data), Path(output), Path(parent) if parent is not None else None
    if parent is not None and output.resolve() == parent.resolve():
        raise UserError(f"{output}: the output is the parent stage, which it would overwrite; choose another folder")
    how = make_method(method, settings)
    before = read_stage(parent) if parent is not None else None
    learnt = before.info["tasks"] if before else []
    task, rows = stage_rows(how, data, earlier, learnt)
    steps, tasks, key = total_steps(len(rows), settings), [*learnt, task], model_key(model)
    check_parent(before, model, key, dtype=dtype, method=method_name(method))
    zero = zero_stage_3(deepspeed, settings, dtype) if deepspeed is not None else None
    torch.manual_seed(stage_seed(seed, tasks))
    base, tokenizer = load_base(model, dtype)
    adapted = how.attach(base, before, zero)
    carried = before.gradient_space if before else {}
    optimizer = how.optimizer(adapted, carried)
    limits = settings.max_source_length, settings.max_target_length
    examples = tokenize(rows, tokenizer, *limits, decoder_only=not base.config.is_encoder_decoder)
    origin = {
        **{"tasks": tasks, "method": method_name(method), "seed": seed, "settings": asdict(settings)},
        **{"base_model": model, "base_model_key": key, "dtype": dtype},
        **{"load_with": {"dtype": dtype, "autocast": None if dtype == "float32" else dtype}},
        **{"parent": before.digest if before else None},
    }
    depends_on = {
        **{name: value for name, value in origin.items() if name != "base_model"},  # where it lies
        **{"commit": getattr(base.config, "_commit_hash", None), "data": [sha256(path) for path in (data, *earlier)]},
        **{"code": step_code("train", method), "torch": torch.__version__},
    }
    watch = None
    if evaluation is not None:
        depends_on["evaluation"] = evaluation.depends_on()
        watch = evaluation.begin(adapted, tokenizer, settings, steps, output, zero is None)
    del before  # read again for the writing: what earlier tasks have learnt takes no memory while this one trains
    start = time.monotonic()
    with Checkpoint(output, depends_on, checkpoint_minutes) as checkpoint:
        losses = fit(how, adapted, optimizer, examples, tokenizer, settings, tasks, checkpoint, watch)
    if processes.rank() > 0:
        processes.wait()  # for the stage: the next may be trained on it
        return
    info = {**origin, **figures(adapted, losses, len(rows), time.monotonic() - start)}
    write_trained(output, how, adapted, parent, info, how.carry(adapted, optimizer, carried))
    checkpoint.remove()
    if watch is not None:
        watch.finish()
    processes.wait()


def stage_rows(how: Method, data: Path, earlier: Sequence[Path], learnt: Sequence[str]) -> tuple[str, list[dict]]:
    """(task, rows) of a stage, as its method wants them; `learnt`: the tasks before.

    Raises UserError for a file of several tasks, one that is missing or damaged, or earlier tasks that are not those
    learnt.
    """
    tasks, parts = [], []
    for path in (data, *earlier):
        parts.append(read_complete(path, "gorp preprocess", RENDERED))
        names = sorted({row["task"] for row in parts[-1]})
        if len(names) > 1:
            raise UserError(f"{path}: rows of {' and of '.join(names)}; a stage trains one task")
        tasks += names
    if how.needs_earlier_rows and tasks[1:] != list(learnt):
        wanted, given = (", ".join(names) or "none" for names in (learnt, tasks[1:]))
        raise UserError(f"--earlier: the method needs the rows of the tasks before, {wanted}; got those of {given}")
    return tasks[0], how.rows(parts[0], parts[1:])


def figures(adapted: Adapted, losses: list[float], rows: int, seconds: float) -> dict[str, Any]:
    """What stage.json says of how a training went."""
    return {
        "rows": rows,
        "steps": len(losses),
        "processes": processes.size(),
        "losses": losses,
        "trainable": {
            "lora": sum(p.numel() for p in adapted.lora.values()),
            "full_rank": sum(p.numel() for p in adapted.full_rank.values()),
        },
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def write_trained(
    output: Path,
    how: Method,
    adapted: Adapted,
    parent: Path | None,
    info: Mapping[str, Any],
    carried: Mapping[str, Tensor],
) -> None:
    """Writes the stage of a finished training. Raises UserError if its parent has changed since the training began."""
    before = read_stage(parent) if parent is not None else None
    if before and before.digest != info["parent"]:
        raise UserError(f"{parent}: it was retrained while this stage was being trained; run the command again")
    base = base_of(adapted.model)
    lora, r, alpha = concatenated_lora(adapted, before, how.new_lora)
    names = [name.removesuffix(".lora_A") for name in adapted.lora if name.endswith(".lora_A")]
    full = [name.removesuffix(".weight") for name in adapted.full_rank]
    config = lora_config(base, r, alpha, names, how.settings.lora_dropout, full)
    config.inference_mode = True
    new_lora = {f"{PREFIX}{name}.weight": parameter for name, parameter in adapted.lora.items()}
    write_stage(output, config, lora, adapted.saved_whole, carried, info, new_lora, base.config)


def zero_stage_3(path: Path, settings: TrainSettings, dtype: str) -> dict[str, Any] | None:
    """How a DeepSpeed config shards the base model; None if it does not."""
    zero = read_zero_config(path, settings, dtype, processes.size())
    stage, ignored = zero.get("stage", 0), without_effect(path)
    if stage in (1, 2) and processes.rank() == 0:
        print(f"{path}: stage {stage} trains as stage 0: optimizer state and gradients are small here", file=sys.stderr)
    if ignored and processes.rank() == 0:
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
