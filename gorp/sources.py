"""Telling the names of base models apart: ones that the workflow makes, folders, hub ids. Standard library only."""

import re
from pathlib import Path

from gorp.errors import UserError

EMBEDDED = ("tiny-t5", "tiny-llama")  # pretrained on the bundled text
MADE = (*EMBEDDED, "smollm2-135m")  # the workflow makes these itself
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def is_local(model: str) -> bool:
    """True if `model` means a folder: it is one, or is written like a path rather than like a hub id (`owner/name`)."""
    return Path(model).expanduser().is_dir() or not HUB_ID.fullmatch(model)


def check_model(model: str) -> None:
    """Raises UserError if `model` is written like a local path and is not there; hub ids are checked when loaded."""
    if model not in MADE and is_local(model) and not Path(model).expanduser().is_dir():
        raise UserError(
            f"model: {model}: no such folder; give {', '.join(MADE)}, a folder with a saved model, or a hub id"
        )
