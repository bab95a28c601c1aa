"""The learning rate over the steps of a task: warm-up, then constant, linear or cosine.

A function of the step alone, so that a training that resumes from a checkpoint needs no state of it.
"""

import math
from collections.abc import Sequence

from torch.optim import Optimizer

from gorp.config.settings import TrainSettings
from gorp.util.errors import UserError


def total_steps(rows: int, settings: TrainSettings) -> int:
    """The optimizer steps of a training. Raises UserError where the warm-up is longer."""
    steps = -(-rows // settings.batch_size) * settings.epochs
    if settings.warmup_steps > steps:
        raise UserError(
            f"warmup_steps: {settings.warmup_steps} is more than the {steps} steps of the training "
            f"({rows} rows, batch_size {settings.batch_size}, epochs {settings.epochs})"
        )
    return steps


def factor(step: int, total: int, schedule: str, warmup: int) -> float:
    """What the learning rate of a step is multiplied by, above 0 and at most 1; steps count from 1 to `total`.

    In the warm-up it is step / warmup. After it, with x the part of the steps left, the one under way included:
    1 ("constant"), x ("linear") or (1 - cos(pi x)) / 2 ("cosine"), so that each begins at 1.
    """
    if step <= warmup:
        return step / warmup
    left = (total - step + 1) / (total - warmup)
    return {"constant": 1.0, "linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2}[schedule]


def set_rates(optimizer: Optimizer, rates: Sequence[float], scale: float) -> None:
    """Gives each parameter group its own rate times `scale`."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * scale
