"""Progress for people: a bar on a terminal, occasional plain lines elsewhere."""

import sys
import time
from pathlib import Path

from tqdm import tqdm

from gorp.util.files import write_json

PROGRESS = ".progress.json"  # beside a stage under way; `gorp status` reads it


class Progress:
    """Counts `total` units; `advance(note=...)` after each. At most a line each `every` seconds, and one at the end.

    Where `file` is given, what a line says is kept in it as JSON until the end. A `quiet` one does nothing: of many
    processes one tells.
    """

    def __init__(
        self,
        what: str,
        total: int,
        every: float = 10.0,
        done: int = 0,
        file: Path | None = None,
        quiet: bool = False,
    ):
        self.quiet = quiet
        self.what, self.total, self.every, self.file = what, total, every, file
        self.done, self.before = done, done  # `before` were done by an earlier run, in a time unknown
        self.start, self.last = time.monotonic(), time.monotonic()
        self.bar = tqdm(total=total, desc=what, initial=done) if sys.stderr.isatty() and not quiet else None

    def advance(self, count: int = 1, **notes: object) -> None:
        if self.quiet:
            return
        self.done += count
        if self.bar is not None:
            self.bar.set_postfix(notes, refresh=False)
            self.bar.update(count)
        now = time.monotonic()
        if now - self.last < self.every and self.before + count < self.done < self.total:
            return
        self.last = now
        each = (now - self.start) / (self.done - self.before)
        left = each * (self.total - self.done)
        if self.file is not None:
            known = {"done": self.done, "total": self.total, "seconds_each": each, "seconds_left": left}
            write_json(self.file, {**known, "time": time.time(), **notes})
        if self.bar is None:
            text = ", ".join(f"{key} {value}" for key, value in notes.items())
            line = f"{self.what}: {self.done}/{self.total}, {now - self.start:.0f} s, {left:.0f} s left"
            print(f"{line}, {text}" if text else line, file=sys.stderr, flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.file is not None and kind is None and not self.quiet:
            self.file.unlink(missing_ok=True)
