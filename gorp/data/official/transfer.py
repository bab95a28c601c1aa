"""Fetches one file of known content from a folder or over HTTP: resumes, retries, and refuses a different file."""

import http.client
import shutil
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gorp.data.official.manifest import blob_id
from gorp.util.errors import UserError

TRIES = 5
BACKOFF = 1.0  # seconds before the second try, doubled before each of the next
LONGEST_WAIT = 60.0  # seconds, even where the server asks for more
TIMEOUT = 20.0  # seconds without a byte
GRACE = 1.0  # seconds for another thread to get the first answer
CHUNK = 1 << 16  # bytes
PASSING = (408, 425, 429)  # statuses below 500 that are worth another try
ADDRESSES = ("http://", "https://")
ABSENT = (404, 410)


@dataclass(frozen=True)
class Blob:
    """A file to bring: its git blob id, the paths that a source may have it at, and the file where its bytes gather."""

    id: str
    paths: tuple[str, ...]
    part: Path


class TryAgain(Exception):
    """A failure that may pass. `wait` is what the server asks for, in seconds."""

    def __init__(self, reason: object, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


class Unreachable(Exception):
    """There is no way to the server."""


class Absent(UserError):
    """The source lacks a file."""


class Stopped(Exception):
    """Somebody called `Source.stop`."""


def check_source(place: str) -> None:
    """Raises UserError unless `place` is a folder that is there, or an address."""
    if not place.startswith(ADDRESSES) and not Path(place).expanduser().is_dir():
        raise UserError(f"official_source: {place}: no such folder; give one, or an address http(s)://...")


@dataclass
class Source:
    """A folder, or an address above the files; shared by the threads that bring them."""

    place: str
    stopped: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)  # the server has answered before

    @property
    def remote(self) -> bool:
        return self.place.startswith(ADDRESSES)

    def stop(self) -> None:
        """Ends all waiting and copying soon."""
        self.stopped.set()

    def pause(self, seconds: float) -> None:
        """Waits. Raises Stopped, also at once, when the source is stopped."""
        if self.stopped.wait(seconds):
            raise Stopped


def bring(blob: Blob, source: Source) -> None:
    """Makes `blob.part` whole and sure to have the id; it resumes from what is already there, if the server can.

    Raises Absent if the source lacks the file, UserError if all tries fail or another file is there, Unreachable if
    the server was never reached, Stopped. What was brought by then stays in the part unless it is known to be wrong.
    """
    blob.part.parent.mkdir(parents=True, exist_ok=True)
    if blob.part.is_file() and blob_id(blob.part) == blob.id:
        return
    if not source.remote:
        copy(blob, Path(source.place).expanduser())
        return
    wait = 0.0
    for number in range(TRIES):
        source.pause(wait)
        try:
            download(blob, source)
            return
        except TryAgain as error:
            reason, wait = error, min(max(BACKOFF * 2**number, error.wait), LONGEST_WAIT)
    raise UserError(f"{blob.paths[0]}: {reason} (tried {TRIES} times from {source.place})")


def copy(blob: Blob, folder: Path) -> None:
    """Copies a file of a folder. Raises Absent if it is not there, UserError if it has another id."""
    file = next((folder / path for path in blob.paths if (folder / path).is_file()), None)
    if file is None:
        raise Absent(f"{blob.paths[0]}: not in {folder}")
    try:
        shutil.copyfile(file, blob.part)
    except OSError as error:
        raise UserError(f"{file}: cannot be copied to {blob.part}: {error.strerror}") from None
    discard_another(blob, str(file), UserError)


def download(blob: Blob, source: Source) -> None:
    """One try over HTTP: asks for what is missing, and appends it. Raises as `bring`, and TryAgain."""
    start = blob.part.stat().st_size if blob.part.is_file() else 0
    try:
        response = ask_each(blob.paths, start, source)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise UserError(f"{error.url}: the server says {error.code} {error.reason}") from None
        blob.part.unlink()  # there is nothing after what we have, and yet it is not the file
        raise TryAgain("what an earlier run left was not the beginning of this file") from None
    with response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status != 200 and not goes_on:
            raise TryAgain(f"the server says {response.status} and sends another range than asked for")
        with blob.part.open("ab" if goes_on else "wb") as file:
            for chunk in chunks(response):
                file.write(chunk)
                source.pause(0)
    discard_another(blob, blob.paths[0], TryAgain)


def ask_each(paths: tuple[str, ...], start: int, source: Source) -> http.client.HTTPResponse:
    """The answer for the first path that the server has, from byte `start` on. Raises Absent if it has none of them."""
    for path in paths:
        url = f"{source.place.rstrip('/')}/{urllib.parse.quote(path)}"
        try:
            return ask(url, start, source)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in ABSENT:
                raise
    raise Absent(f"{paths[0]}: not at {source.place}")


def ask(url: str, start: int, source: Source) -> http.client.HTTPResponse:
    """One request. Raises HTTPError for an answer that is final, TryAgain for what may pass, Unreachable."""
    headers = {"User-Agent": "gorp", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        source.reached.set()
        if error.code in PASSING or error.code >= 500:
            error.close()
            asked = error.headers.get("Retry-After", "")
            raise TryAgain(
                f"the server says {error.code} {error.reason}", float(asked) if asked.isdigit() else 0
            ) from None
        raise
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        # a URLError comes from connecting: no name, no route, nobody there; more tries are vain if nobody had an answer
        grace = 0 if isinstance(reason, socket.gaierror) else GRACE
        if isinstance(error, urllib.error.URLError) and not source.reached.wait(grace):
            raise Unreachable(str(reason)) from None
        raise TryAgain(reason) from None
    source.reached.set()
    return response


def chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it comes. Raises TryAgain if it ends before the length that the server announced."""
    left = response.length or 0
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise TryAgain(f"the connection broke: {error}") from None
        if not chunk:
            break
        left -= len(chunk)
        yield chunk
    if left > 0:
        raise TryAgain(f"the connection ended {left} bytes before the file")


def discard_another(blob: Blob, name: str, error: type[Exception]) -> None:
    """Removes the part and raises `error` unless the part has the blob's id."""
    found = blob_id(blob.part)
    if found != blob.id:
        blob.part.unlink()
        raise error(f"{name}: refused, its git blob id is {found}, expected {blob.id}")
