"""The training of one stage, from its rows to the files of the stage."""

import hashlib
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gorp.config.content_digests import model_key
from gorp.config.deepspeed_file import read_zero_config, without_effect
from gorp.config.settings import TrainSettings
from gorp.config.step_code import step_code
from gorp.data.complete_rows import RENDERED, read_complete
from gorp.data.tokens import tokenize
from gorp.methods import make_method
from gorp.models.adapters import attach, concatenated_lora, lora_config
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

    `data` holds rendered rows (gorp.data.prompts.render) of one task; `dtype` is that of the frozen base model.
    A training that was stopped goes on from its last checkpoint (see `gorp.train.checkpoint`). Raises UserError for
    what a user can put right.

    Started by a launcher, many processes share each step's rows (see `gorp.parallel.processes`) and the first writes
    the stage: the same to rounding, dropout aside. `deepspeed` is a config file by which the frozen base model is held
    in pieces (see `gorp.parallel.zero3`), which changes rounding alone too. `evaluation` (a
    `gorp.predict.during_training.Evaluation`) scores the model on dev rows as it trains, which changes nothing else.
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
        **{"code": step_code("train", method_name), "torch": torch.__version__},
    }
    watch = None
    if evaluation is not None:
        depends_on["evaluation"] = evaluation.depends_on()
        watch = evaluation.begin(adapted, tokenizer, settings, steps, output, zero is None)
    del before  # read again for the writing: what earlier tasks have learnt takes no memory while this one trains
    start = time.monotonic()
    with Checkpoint(output, depends_on, checkpoint_minutes) as checkpoint:
        losses = fit(adapted, optimizer, examples, tokenizer, settings, f"train {'/'.join(tasks)}", checkpoint, watch)
    if processes.rank() > 0:
        processes.wait()  # for the stage: the next may be trained on it
        return
    seconds = time.monotonic() - start
    before = read_stage(parent) if parent is not None else None
    if before and before.digest != parent_digest:
        raise UserError(f"{parent}: it was trained again while this stage was; give the command once more")
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
        "processes": processes.size(),
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
    processes.wait()


def zero_stage_3(path: Path, settings: TrainSettings, dtype: str) -> dict[str, Any] | None:
    """How a DeepSpeed config wants the base model in pieces; None where it leaves it whole."""
    zero = read_zero_config(path, settings, dtype, processes.size())
    stage, ignored = zero.get("stage", 0), without_effect(path)
    if stage in (1, 2) and processes.rank() == 0:
        print(f"{path}: stage {stage} trains as stage 0: optimizer state and gradients are small here", file=sys.stderr)
    if ignored and processes.rank() == 0:
        print(f"{path}: ignored, the settings of the training hold: {', '.join(ignored)}", file=sys.stderr)
    return zero if stage == 3 else None


def check_parent(parent: Stage | None, model: str, key: str, **expected: str) -> None:
    """Raises UserError if the parent stage was trained on another base model, in another dtype or by another method."""
    if parent is None:
        return
    check_base(parent, model, key)
    for name, value in expected.items():
        if parent.info[name] != value:
            raise UserError(
                f"{parent.folder}: its {name} is {parent.info[name]!r}, not {value!r}: not a stage to go on from"
            )


def stage_seed(seed: int, tasks: Sequence[str]) -> int:
    """A seed of its own for each sequence of tasks, so that no two stages start from the same LoRA factors."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{'/'.join(tasks)}".encode()).digest()[:6], "big")
