"""What a job's log says about its end or its progress."""

import re
from pathlib import Path

END = 1 << 16  # bytes that are read
PROGRESS = re.compile(r"^\w+(?: \S+)?: (\d+/\d+, .+)$", re.MULTILINE)  # as gorp.util.progress prints it
ERROR = re.compile(r"^gorp \w+(?:, process \d+)?: error: (.+)$", re.MULTILINE)
RAISED = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(\S.*)$", re.MULTILINE)
OF_A_RANK = re.compile(r"^\[rank\d+\]: ?", re.MULTILINE)  # torch's, before each line of a process's traceback
STOPPED = re.compile(r"stopped by SIG|KeyboardInterrupt")


def read_log(log: Path) -> str:
    """The end of a log; "" where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - END))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return OF_A_RANK.sub("", text)


def last_progress(text: str) -> str:
    """The last line of progress in a log, such as "5/9, 10 s, 8 s left, loss 0.5"; "" for none."""
    found = PROGRESS.findall(text)
    return found[-1] if found else ""


def last_error(text: str) -> str:
    """The error after the last line of progress; "" for none. A launcher's own, about a process's, does not count."""
    *_, last = PROGRESS.split(text)
    for pattern in (ERROR, RAISED):
        if found := pattern.search(last):
            return found[1]
    return ""
