"""Progress for people: a bar on a terminal, plain lines now and then elsewhere."""

import sys
import time
from collections.abc import Iterator

from tqdm import tqdm


class Progress:
    """Counts `total` units; `advance(note=...)` after each. At most a line each `every` seconds, and one at the end."""

    def __init__(self, what: str, total: int, every: float = 10.0, done: int = 0):
        self.what, self.total, self.every = what, total, every
        self.done, self.before = done, done  # `before` were done by an earlier run, in a time unknown
        self.start, self.last = time.monotonic(), time.monotonic()
        self.bar = tqdm(total=total, desc=what, initial=done) if sys.stderr.isatty() else None

    def advance(self, count: int = 1, **notes: object) -> None:
        self.done += count
        if self.bar is not None:
            self.bar.set_postfix(notes, refresh=False)
            self.bar.update(count)
            return
        now = time.monotonic()
        if now - self.last >= self.every or self.done >= self.total:
            self.last = now
            left = (now - self.start) / (self.done - self.before) * (self.total - self.done)
            text = ", ".join(f"{key} {value}" for key, value in notes.items())
            line = f"{self.what}: {self.done}/{self.total}, {now - self.start:.0f} s, {left:.0f} s left"
            print(f"{line}, {text}" if text else line, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> Iterator[None] | None:
        self.close()
