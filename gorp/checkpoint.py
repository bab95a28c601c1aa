"""Resuming a training inside a task, bit for bit, after it was stopped at any moment."""

import json
import signal
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gorp.errors import Interrupted
from gorp.files import replacing

PREFIX = ".checkpoint-"


class Checkpoint:
    """One file beside the stage under way, named by a digest of all that the training depends on.

    So a checkpoint of other settings, data or code is never resumed; such files are removed. SIGTERM and SIGINT are
    answered after the step under way: its state is saved, and `Interrupted` raised.

    Args:
        folder: the folder of the stage to be.
        depends_on: what the training depends on; JSON values.
        minutes: between two savings; 0 saves after every step.
    """

    def __init__(self, folder: Path, depends_on: Mapping[str, Any], minutes: float):
        key = sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
        self.path = folder / f"{PREFIX}{key}.pt"
        self.minutes = minutes
        self.signal: int | None = None
        self._saved = time.monotonic()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Checkpoint":
        for stale in self.path.parent.glob(f"{PREFIX}*.pt"):
            if stale != self.path:
                stale.unlink()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _frame: object) -> None:
        self.signal = number

    def resume(self, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> list[float]:
        """Puts a saved state, if there is one, into the parameters, the optimizer and torch's generator.

        Returns the losses of the steps done, none without a saved state. A file that cannot be read counts as none.
        """
        if not self.path.is_file():
            return []
        try:
            state = torch.load(self.path, weights_only=True)
        except (RuntimeError, EOFError, OSError, ValueError):
            self.path.unlink()
            return []
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(state["trained"][name])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        return state["losses"]

    def step_done(
        self, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, losses: Sequence[float]
    ) -> None:
        """Saves the state if it is time to. Raises Interrupted after a signal."""
        if self.signal is None and time.monotonic() - self._saved < 60 * self.minutes:
            return
        state = {
            "trained": {name: parameter.detach() for name, parameter in trained.items()},
            "optimizer": optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "losses": list(losses),
        }
        with replacing(self.path) as temporary:
            torch.save(state, temporary)
        self._saved = time.monotonic()
        if self.signal is not None:
            raise Interrupted(self.signal, len(losses))

    def remove(self) -> None:
        """Deletes the saved state; the stage is written."""
        self.path.unlink(missing_ok=True)
