"""Exceptions whose messages are meant for the user, and help in making them."""

import difflib
import signal
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can correct: the command line prints only the message, without a traceback."""


def close_names(name: str, known: Iterable[str]) -> str:
    """A phrase for error messages: the known names closest to `name`, or all of them where none is close."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "known are: " + (", ".join(known) if known else "none")


def require(key: str, value: object, valid: bool, expected: str) -> None:
    """Raises UserError that names the key unless `valid`."""
    if not valid:
        raise UserError(f"{key}: {value} is not {expected}")


class Interrupted(Exception):
    """A signal asked the training to stop, and its state is saved."""

    def __init__(self, number: int, steps: int):
        super().__init__(f"stopped by {signal.Signals(number).name}; the {steps} steps done are saved")
        self.status = 128 + number  # as a shell reports a process that a signal ended
