"""Resuming a training inside a task, bit for bit, after it was stopped at any moment."""

import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gorp.parallel import processes
from gorp.train.saved_state import DamagedState, read_state, save_state
from gorp.train.step_log import StepLog
from gorp.util.errors import Interrupted

PREFIX = ".checkpoint-"
GOOD, ABSENT = "good", "absent"  # what a process found; anything else is what is wrong with the file


class Checkpoint:
    """One file beside the stage under way, named by a digest of all that the training depends on.

    So a checkpoint of other settings, data or code is never resumed; such files are removed. A damaged one is
    dropped, with a message, and the stage starts from its first step (see `gorp.train.saved_state`). SIGTERM and
    SIGINT are answered after the step under way: its state is saved, and `Interrupted` raised.

    Many processes save together and can resume in any number: process 0 writes, all read. They also stop together,
    after a signal to any of them.

    Args:
        folder: the folder of the stage to be.
        depends_on: what the training depends on; JSON values.
        minutes: between two savings; 0 saves after every step.
    """

    def __init__(self, folder: Path, depends_on: Mapping[str, Any], minutes: float):
        self.key = sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
        self.path = folder / f"{PREFIX}{self.key[:16]}.safetensors"
        self.minutes = minutes
        self.signal: int | None = None
        self._saved = time.monotonic()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Checkpoint":
        if processes.rank() == 0:
            folder = self.path.parent
            for stale in (*folder.glob(f"{PREFIX}*"), *folder.glob(f".{PREFIX}*.tmp")):  # .tmp: killed while it saved
                if stale != self.path:
                    stale.unlink()
                    print(f"{stale}: removed; it is incomplete, or of other settings, data or code", file=sys.stderr)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _frame: object) -> None:
        self.signal = number

    def resume(self, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> list[float]:
        """Puts a saved state, if there is one, into the parameters, the optimizer and torch's generators.

        Returns the losses of the steps done, none without a saved state. A damaged file is removed and counts as none.
        """
        state, found = self._read(trained, optimizer)
        everywhere = processes.gather_texts(found)
        if wrong := [text for text in everywhere if text not in (GOOD, ABSENT)]:
            if processes.rank() == 0:
                self.path.unlink(missing_ok=True)
                message = "the damaged checkpoint was dropped; the stage starts from its first step"
                print(f"{self.path}: {message}: {wrong[0]}", file=sys.stderr, flush=True)
            return []
        if state is None:
            return []
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(state["trained"][name])
        optimizer.load_state_dict(state["optimizer"])
        restore_generators(state["rng"], len(state["losses"]))
        return state["losses"]

    def _read(
        self, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
    ) -> tuple[dict[str, Any] | None, str]:
        """The saved state, None without a good one, and what was found."""
        if not self.path.is_file():
            return None, ABSENT
        try:
            state = read_state(self.path, self.key)
            check_fits(state, trained, optimizer)
        except DamagedState as error:
            return None, str(error)
        return state, GOOD

    def requests(self) -> tuple[bool, bool]:
        """Whether this process is to stop, and to save."""
        stop = self.signal is not None
        return stop, stop or time.monotonic() - self._saved >= 60 * self.minutes

    def step_done(self, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, step_log: StepLog) -> None:
        """Saves the state if it is time to. Raises Interrupted after a signal.

        Many processes go by the requests that they have told each other, so that all do the same.
        """
        stop, save = self.requests() if processes.size() == 1 else (step_log.stop, step_log.save)
        if not save:
            return
        state: dict[str, Any] = {
            "losses": step_log.finish(),
            "rng": processes.gather(generators()),
            "trained": {name: parameter.detach() for name, parameter in trained.items()},
            "optimizer": optimizer.state_dict(),
        }
        if processes.rank() == 0:
            save_state(self.path, state, self.key)
        self._saved, step_log.save = time.monotonic(), False
        if stop or step_log.stop:
            raise Interrupted(self.signal or signal.SIGTERM, len(state["losses"]))

    def remove(self) -> None:
        """Deletes the saved state; the stage is written."""
        self.path.unlink(missing_ok=True)


def check_fits(state: Any, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Raises DamagedState unless a state is one of this training: before anything of it is used."""
    if not isinstance(state, dict) or state.keys() != {"losses", "rng", "trained", "optimizer"}:
        raise DamagedState("part of the state is missing")
    found, expected = described(state["trained"], state["optimizer"]), described(trained, optimizer.state_dict())
    for name in found.keys() | expected.keys():
        if found.get(name) != expected.get(name):
            raise DamagedState(f"{name}: {found.get(name, 'absent')}, expected {expected.get(name, 'none')}")


def described(trained: Mapping[str, Tensor], optimizer: Mapping[str, Any]) -> dict[str, str]:
    """What must agree between a saved state and a training: shapes, dtypes, and the optimizer's parameters."""
    shapes = {name: f"{tensor.dtype} {list(tensor.shape)}" for name, tensor in trained.items()}
    return {**shapes, "the optimizer": str([group["params"] for group in optimizer["param_groups"]])}


def generators() -> Tensor:
    """The state of torch's generators on the CPU and on this process's GPU, uint8."""
    states = [torch.get_rng_state()]
    if torch.cuda.is_available():
        states.append(torch.cuda.get_rng_state(processes.device()))
    return torch.cat(states)


def restore_generators(states: Sequence[Tensor], steps: int) -> None:
    """Puts this process's state back; one that there was not when it was saved draws anew, in another way each time."""
    if processes.rank() >= len(states):
        torch.manual_seed(torch.initial_seed() + steps)
        return
    state, length = states[processes.rank()], len(torch.get_rng_state())
    torch.set_rng_state(state[:length])
    if torch.cuda.is_available() and len(state) > length:
        torch.cuda.set_rng_state(state[length:], processes.device())
