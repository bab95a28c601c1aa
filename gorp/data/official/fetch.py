"""Fetching the official benchmark: in parallel; a data set's files get their names once all of them are verified."""

import contextlib
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from gorp.data.official.manifest import Manifest, blob_id, how_to_bring, read_manifest
from gorp.data.official.transfer import Absent, Blob, Source, Unreachable, bring, check_source
from gorp.util.errors import UserError, close_names
from gorp.util.files import replacing
from gorp.util.progress import Progress

WORKERS = 8
SHOWN = 10  # failures named in a message
UNDER_WAY = ".fetch"  # below the output folder: what is not sure yet, by unit and blob id
LOCK = "lock"


@dataclass(frozen=True)
class Unit:
    """A data set, or the instructions: the files that it still lacks, and the blobs they are made from."""

    name: str
    lacking: dict[Path, Blob]  # dev and test may be one blob

    @property
    def blobs(self) -> list[Blob]:
        return list(dict.fromkeys(self.lacking.values()))


def fetch(names: Sequence[str], place: str, output: Path) -> tuple[int, int]:
    """Brings the named units of the official benchmark, or all where none is named, below the folder `output`.

    `place` is a folder, an address, or "" for the public repository at the pinned commit. Returns how many files were
    brought, and how many were there. Raises UserError for an unknown name, and where files could not be brought;
    whole data sets are kept, and what was fetched of the others, so that the same call resumes from there.
    """
    manifest = read_manifest()
    pinned = manifest.units()
    for name in names:
        if name not in pinned:
            raise UserError(f"--task: no {name!r} in the official benchmark; {close_names(name, pinned)}")
    wanted = sorted(set(names)) or sorted(pinned)
    source = Source(place or manifest.url)
    check_source(source.place)
    with contextlib.ExitStack() as locks:
        for name in wanted:  # in one sequence, so that two processes never wait for each other
            locks.enter_context(only_one(output / UNDER_WAY / name))
        units = [lacking(name, manifest, output) for name in wanted]
        bring_all(units, source)
    brought = sum(len(unit.lacking) for unit in units)
    return brought, sum(len(pinned[name]) for name in wanted) - brought


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Waits until no other process works in a folder; makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting for another fetch of {folder.name}", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lacking(name: str, manifest: Manifest, output: Path) -> Unit:
    """What is to be brought of a unit: the files that are not there, or are others."""
    files = manifest.units()[name]
    found: dict[Path, Blob] = {}
    for place, blob in files.items():
        file = output / place
        if file.is_file() and blob_id(file) == blob:
            continue
        if file.is_file():
            print(f"{file}: not the official file; fetching it again", file=sys.stderr)
        first = next(other for other, same in files.items() if same == blob)
        found[file] = Blob(blob, manifest.source_paths(first), output / UNDER_WAY / name / blob)
    return Unit(name, found)


def bring_all(units: Sequence[Unit], source: Source) -> None:
    """Brings the blobs of all units at once; a unit takes its names when it is whole. Raises UserError as `fetch`."""
    failures: list[UserError] = []
    left = {unit.name: len(unit.blobs) for unit in units}
    with ThreadPoolExecutor(WORKERS) as pool, stopping(source, pool):
        jobs = {pool.submit(bring, blob, source): (unit, blob) for unit in units for blob in unit.blobs}
        with Progress("Fetch", len(jobs)) as progress:
            for job in as_completed(jobs):
                unit, blob = jobs[job]
                try:
                    job.result()
                except Unreachable as error:
                    raise UserError(no_way(units, source, error)) from None
                except UserError as error:
                    failures.append(error)
                except OSError as error:
                    failures.append(UserError(f"{blob.part}: {error.strerror or error}"))
                else:
                    left[unit.name] -= 1
                    if not left[unit.name]:
                        take_names(unit)
                progress.advance(last=unit.name)
    if failures:
        raise UserError(some_failed(failures, source))


@contextlib.contextmanager
def stopping(source: Source, pool: ThreadPoolExecutor) -> Iterator[None]:
    """Ends the threads of a pool soon when the body fails or is interrupted."""
    try:
        yield
    except BaseException:
        source.stop()
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def take_names(unit: Unit) -> None:
    """Moves the parts of a whole unit to where they belong, and removes what else was under way."""
    folder = next(iter(unit.blobs)).part.parent
    files = dict(unit.lacking)
    while files:
        file, blob = files.popitem()
        file.parent.mkdir(parents=True, exist_ok=True)
        if blob in files.values():
            with replacing(file) as temporary:
                shutil.copyfile(blob.part, temporary)
        else:
            os.replace(blob.part, file)
    for left in folder.iterdir():
        if left.name != LOCK:
            left.unlink()


def no_way(units: Sequence[Unit], source: Source, reason: object) -> str:
    """The message where the source cannot be reached: what is missing, and how to bring it."""
    lines = [
        f"  {unit.name}: {', '.join(sorted(file.name for file in unit.lacking))}" for unit in units if unit.lacking
    ]
    return "\n".join([f"cannot reach {source.place}: {reason}", "Missing are:", *lines, how_to_bring()])


def some_failed(failures: Sequence[UserError], source: Source) -> str:
    """The message where some files could not be brought."""
    lines = sorted(str(failure) for failure in failures)
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    vain = not source.remote or any(isinstance(failure, Absent) for failure in failures)
    advice = how_to_bring() if vain else "What was fetched is kept; the same command resumes from there."
    return "\n".join([f"{len(lines)} files could not be fetched:", *lines[:SHOWN], *more, advice])
