"""What a training needs, before any weights are loaded: parameters by group, and bytes at the peak of a step.

The training's own code runs on fake tensors (`gorp.train.fake_tensors`) on a model built from its config: attaching,
the method's optimizer, forward, backward and step. So a plan follows every change of the code, and holds for the
kernels that torch chooses on the device, a CPU.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves
from transformers import PretrainedConfig

from gorp.config.settings import TrainSettings
from gorp.data.tokens import Example
from gorp.methods.base import Method
from gorp.methods.registry import make_method
from gorp.models.adapters import Adapted, base_of
from gorp.models.architecture import build_base, read_architecture
from gorp.models.stage import PREFIX, Stage
from gorp.optim.clipping import clip_
from gorp.train.fake_tensors import LiveBytes, fake_model, storage_bytes
from gorp.train.loop import backward


@dataclasses.dataclass(frozen=True)
class Plan:
    """What one process needs for a training; sizes in bytes."""

    model: str
    method: str
    dtype: str  # of the frozen weights
    device: str  # whose kernels are assumed
    earlier_tasks: int
    passes: int  # forward and backward passes a step
    rows: int  # in each
    source_tokens: int  # of each row
    target_tokens: int
    gradient_checkpointing: bool
    parameters: dict[str, int]  # frozen, lora, full_rank
    between_steps: dict[str, int]  # weights, gradients, optimizer_state, gradient_space
    at_peak: dict[str, int]  # these and activations, temporary tensors included

    @property
    def peak(self) -> int:
        return sum(self.at_peak.values())


def make_plan(
    model: str, method_name: str, settings: TrainSettings, dtype: str = "float32", earlier_tasks: int = 0
) -> Plan:
    """Plans the training of a task after `earlier_tasks` others, all prompts and answers as long as they may be.

    The shared gradient space is taken as large as the earlier tasks can have made it. Raises UserError if the model's
    config cannot be read, or the settings do not fit the model.
    """
    config, method, mode = read_architecture(model), make_method(method_name, settings), FakeTensorMode()
    adapted = attach_on_meta(config, method, dtype, None)
    parent = stage_of(adapted, method, earlier_tasks) if earlier_tasks else None
    carried = largest_carried(fake_model(adapted, mode), method, mode, earlier_tasks)
    adapted = fake_model(attach_on_meta(config, method, dtype, parent), mode)
    with mode:
        optimizer = method.optimizer(adapted, carried)
        if settings.gradient_checkpointing:
            base = base_of(adapted.model)
            base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        adapted.model.train()
        weights = [*adapted.model.parameters(), *adapted.model.buffers()]
        live = largest_step(adapted, optimizer, method, lambda: method.held(adapted, optimizer, carried), weights)
    trained = {"lora": count(adapted.lora.values()), "full_rank": count(adapted.full_rank.values())}
    between_steps = {"weights": storage_bytes(weights), **live.bytes_by_part()}
    at_peak = {**between_steps, **live.at_peak}
    at_peak["activations"] = live.peak - sum(at_peak.values())
    return Plan(
        model=model,
        method=method_name,
        dtype=dtype,
        device="cpu",
        earlier_tasks=earlier_tasks,
        passes=passes_of(settings),
        rows=min(settings.batch_size, settings.micro_batch_size),
        source_tokens=settings.max_source_length,
        target_tokens=settings.max_target_length,
        gradient_checkpointing=settings.gradient_checkpointing,
        parameters={"frozen": count(adapted.model.parameters()) - sum(trained.values()), **trained},
        between_steps=between_steps,
        at_peak=at_peak,
    )


def attach_on_meta(config: PretrainedConfig, method: Method, dtype: str, parent: Stage | None) -> Adapted:
    """A new base model with what is trained, on torch's meta device."""
    with torch.device("meta"):
        return method.attach(build_base(config, dtype), parent)


def stage_of(adapted: Adapted, method: Method, tasks: int) -> Stage:
    """A stage that has learnt some tasks by this method, on torch's meta device."""
    times, settings = tasks if method.new_lora else 1, method.settings
    tensors = {}
    for name, p in adapted.lora.items():
        shape = (times * p.shape[0], p.shape[1]) if name.endswith("lora_A") else (p.shape[0], times * p.shape[1])
        tensors[f"{PREFIX}{name}.weight"] = p.new_empty(shape)
    tensors |= {PREFIX + name: p.detach() for name, p in adapted.full_rank.items()}
    return Stage(Path("."), {}, tensors, {}, times * settings.lora_r, times * settings.lora_alpha)


def largest_carried(adapted: Adapted, method: Method, mode: FakeTensorMode, tasks: int) -> Mapping[str, Tensor]:
    """The most that some earlier tasks can hand on."""
    if tasks == 0:
        return {}
    with mode, LiveBytes(dict):
        optimizer = method.optimizer(adapted, {})
        step_alone(adapted, optimizer)
        return method.largest_carried(adapted, optimizer, tasks)


def step_alone(adapted: Adapted, optimizer: torch.optim.Optimizer) -> None:
    """A step with gradients from nowhere: it makes the optimizer's state."""
    for parameter in adapted.trained.values():
        parameter.grad = torch.empty_like(parameter)
    optimizer.step()
    optimizer.zero_grad()


def largest_step(
    adapted: Adapted,
    optimizer: torch.optim.Optimizer,
    method: Method,
    parts: Callable[[], Mapping[str, list[Tensor]]],
    weights: list[Tensor],
) -> LiveBytes:
    """The bytes of the first step, or of the heaviest later one, if that takes more."""

    def step() -> LiveBytes:
        live = LiveBytes(parts)
        for tensor in tree_leaves([weights, parts()]):
            live.add(tensor)
        with live:
            run_step(adapted, optimizer, method)
        return live

    first = None
    if method.first_step_may_be_heaviest:
        first = step()
    else:
        with LiveBytes(dict):
            step_alone(adapted, optimizer)
    method.make_heaviest(optimizer)
    later = step()
    return first if first is not None and first.peak > later.peak else later


def run_step(adapted: Adapted, optimizer: torch.optim.Optimizer, method: Method) -> None:
    """One training step. Of many passes only the last two run, on top of the gradients that earlier ones leave."""
    settings = method.settings
    if passes_of(settings) > 2:
        method.before_pass(optimizer, last=False)
        torch.stack([parameter.sum() for parameter in adapted.trained.values()]).sum().backward()
    rows = min(settings.batch_size, settings.micro_batch_size)
    row = Example([0] * settings.max_source_length, [0] * settings.max_target_length)
    tokenizer = SimpleNamespace(pad_token_id=0)
    backward(method, adapted, optimizer, [row] * rows * min(passes_of(settings), 2), tokenizer, rows)
    gradients = method.gradients(adapted, optimizer)
    method.change_gradients(adapted, gradients)
    clip_(gradients, settings.max_grad_norm, 1)
    optimizer.step()
    optimizer.zero_grad()


def passes_of(settings: TrainSettings) -> int:
    return math.ceil(settings.batch_size / settings.micro_batch_size)


def count(parameters: Iterable[Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def as_json(plan: Plan) -> str:
    """A plan for programs; sizes in bytes."""
    return json.dumps({**dataclasses.asdict(plan), "peak": plan.peak}, indent=2)


def as_table(plan: Plan) -> str:
    """A plan for people; megabytes of a million bytes."""
    checkpointing = "on" if plan.gradient_checkpointing else "off"
    lines = [
        f"{plan.model}, {plan.method}, frozen weights in {plan.dtype}; from the config alone, no weights were read",
        f"one process on device {plan.device}, with its attention kernels; after {plan.earlier_tasks} earlier tasks",
        f"a step: {plan.passes} passes of {plan.rows} rows, each {plan.source_tokens} tokens of prompt and "
        f"{plan.target_tokens} of answer; gradient checkpointing {checkpointing}",
        "",
        f"{'parameters':<18}{'number':>18}",
        *(f"  {name:<16}{number:>18,}" for name, number in plan.parameters.items()),
        "",
        f"{'MB':<18}{'between steps':>18}{'at the peak':>18}",
    ]
    for name, size in plan.at_peak.items():
        lines.append(f"  {name:<16}{plan.between_steps.get(name, 0) / 1e6:>18,.1f}{size / 1e6:>18,.1f}")
    lines.append(f"  {'sum':<16}{sum(plan.between_steps.values()) / 1e6:>18,.1f}{plan.peak / 1e6:>18,.1f}")
    lines += [
        "",
        "Python and its libraries add about 500 MB. The memory allocator keeps some of the freed memory: on Linux a",
        "fifth to two fifths, or little with MALLOC_MMAP_THRESHOLD_=65536 in the environment.",
    ]
    return "\n".join(lines)
