"""What each step reports to the CPU, without making a GPU wait."""

import math
from collections import deque
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gorp.optim.clipping import check_finite


class StepLog:
    """Losses, norms and requests of the steps; read at once on a CPU, one step later from a GPU.

    By then a GPU has long been given its next step, so that it never stands still for the reading.

    Args:
        losses: of the steps already done; those to come are added.
        trained: the parameters by name, among which the culprit is looked for if a norm is not finite.
        lag: steps to wait before reading.
    """

    def __init__(self, losses: Sequence[float], trained: Mapping[str, Tensor], lag: int):
        self.losses = list(losses)
        self.stop = self.save = False  # whether a process asked to
        self.trained, self.lag = trained, lag
        self._waiting: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def add(self, loss: Tensor, norm: Tensor, requests: Tensor) -> None:
        """Takes a step's loss and norm, scalars, and the requests [stop, save], above 0 where any process has them.

        Raises FloatingPointError if the norm of a step that is read is not finite.
        """
        numbers, event = torch.cat([loss.view(1), norm.view(1), requests]), None
        if numbers.is_cuda:
            there = torch.empty(numbers.shape, pin_memory=True)
            there.copy_(numbers, non_blocking=True)
            numbers, event = there, torch.cuda.Event()
            event.record()
        self._waiting.append((numbers, event))
        self._read(self.lag)

    def finish(self) -> list[float]:
        """Reads what is left; returns the losses of all steps."""
        self._read(0)
        return self.losses

    def _read(self, leave: int) -> None:
        while len(self._waiting) > leave:
            numbers, event = self._waiting.popleft()
            if event is not None:
                event.synchronize()
            loss, norm, stop, save = numbers.tolist()
            if not math.isfinite(norm):
                self._blame(len(self.losses) + 1)
            self.losses.append(loss)
            self.stop, self.save = self.stop or stop > 0, self.save or save > 0

    def _blame(self, step: int) -> None:
        for name, parameter in self.trained.items():
            check_finite(name, parameter, step)
        raise FloatingPointError(f"step {step}: the norm of the gradients is not finite")
