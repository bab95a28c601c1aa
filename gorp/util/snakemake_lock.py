"""Resuming after a power cut: removes Snakemake's lock on a folder that nobody holds any more.

Snakemake locks the files of a run by notes in `.snakemake/locks`, which a killed run leaves behind. Each run therefore
leaves a note of its own process here. A lock is removed where every run that is noted is known to be dead, on this
machine, and nothing that it started works on. In any other case the lock stays, and what to do is said.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

from gorp.util.errors import UserError
from gorp.util.files import read_json, write_json

LOCKS, RUNS = Path(".snakemake/locks"), Path(".snakemake/gorp/runs")
LOCAL = ("local", "dryrun", "touch", "")  # executors whose jobs end with the machine


def note_run(executor: str = "") -> None:
    """Notes that this process runs Snakemake in the working directory, and how its jobs are executed."""
    own = psutil.Process()
    note = {"host": socket.gethostname(), "pid": own.pid, "started": own.create_time(), "executor": executor}
    with contextlib.suppress(OSError):  # a folder that is read-only: nothing can be run in it either
        write_json(RUNS / f"{note['host']}-{own.pid}.json", note)


def remove_stale_lock() -> str | None:
    """Removes Snakemake's lock on the working directory where it is safe; returns what is to be said, if anything.

    Notes of dead runs are removed with it.
    """
    locks = sorted(LOCKS.glob("*.lock"))
    notes = list(read_notes())
    if not locks:
        forget(path for path, note in notes if on_this_machine(note) and not alive(note))
        return None
    if not notes or any(on_this_machine(note) and alive(note) for _, note in notes):
        return None  # Snakemake says it itself
    for _, note in notes:
        if not on_this_machine(note):
            return advice(f"a run on {note['host']} (process {note['pid']})")
        if note["executor"] not in LOCAL:
            return advice(f"jobs of a stopped run, which {note['executor']} may still execute")
    working = jobs_at_work()
    if working:
        return advice(f"process {working[0]}, a job that a stopped run left behind")
    for lock in locks:
        lock.unlink(missing_ok=True)
    forget(path for path, _ in notes)
    return "The previous run was killed: its lock was removed, and this run resumes where it stopped."


def advice(holder: str) -> str:
    """What to do about a lock that may be held."""
    return f"The folder is locked, possibly by {holder}. Once nothing is running in it, run: snakemake --unlock"


def read_notes() -> Iterator[tuple[Path, dict]]:
    """The notes of runs that can be read; a note that is cut off is removed."""
    for path in RUNS.glob("*.json"):
        try:
            note = read_json(path)
            yield path, {key: note[key] for key in ("host", "pid", "started", "executor")}
        except (UserError, KeyError, TypeError):
            path.unlink(missing_ok=True)


def forget(paths: Iterator[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def on_this_machine(note: dict) -> bool:
    return note["host"] == socket.gethostname()


def alive(note: dict) -> bool:
    """Whether the process of a note still runs; another one may have got its number since."""
    try:
        return abs(psutil.Process(note["pid"]).create_time() - note["started"]) < 5  # seconds: the clock may be set
    except psutil.Error:
        return False


def jobs_at_work() -> list[int]:
    """Numbers of other processes that run this package in the working directory."""
    found, here, own = [], os.getcwd(), {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.pid not in own and process.cwd() == here and any(is_ours(word) for word in words[:4]):
                found.append(process.pid)
        except psutil.Error:  # of another user, or gone
            continue
    return sorted(found)


def is_ours(word: str) -> bool:
    return Path(word).name in ("gorp", "torchrun", "deepspeed")
