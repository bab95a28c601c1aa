"""Digests of data and models by what they contain, so that neither a path nor a time nor the layout of a file counts.

    digests = Digests(Path(".snakemake/gorp/digests.json"))
    digests.rows(Path("CL_Benchmark/SC/amazon/train.json"))
    digests.folder(Path("models/llama"))

A model of 14 GB takes about ten seconds once, at the speed of SHA-256; a file's digest is kept until its size or its
time changes. Imports the standard library only.
"""

import contextlib
import csv
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from gorp.config.model_names import is_local
from gorp.util.errors import UserError
from gorp.util.files import read_json, read_jsonl, sha256, write_json

MODEL_SUFFIXES = (".json", ".safetensors", ".bin", ".model", ".txt", ".jinja")  # of files that transformers reads


def model_files(folder: Path) -> list[Path]:
    """The files of a saved model, sorted by name; notes and hidden files do not count."""
    return sorted(path for path in folder.glob("[!.]*") if path.suffix in MODEL_SUFFIXES)


def folder_digest(files: Iterable[Path], digest: Callable[[Path], str] = sha256) -> str:
    """One digest of the names and contents of some files, in their order."""
    return short([[path.name, digest(path)] for path in files])


def model_key(model: str) -> str:
    """What tells a base model from others: of a folder a digest of its files, wherever they lie; else the hub id."""
    return folder_digest(model_files(Path(model).expanduser())) if is_local(model) else model


def rows_digest(path: Path) -> str:
    """A digest of the rows of a data file, or of the values of any JSON file: its layout does not count.

    A file that cannot be read has the digest of its bytes: the job that reads it says what is wrong.
    """
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                return short(list(csv.reader(file)))
        return short(read_jsonl(path) if path.suffix == ".jsonl" else read_json(path))
    except (UserError, UnicodeError, csv.Error):
        return sha256(path) if path.is_file() else "missing"


def short(value: object) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of a value as JSON; the order of keys does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


class Digests:
    """Digests of files that are kept in a file of their own, each until the size or the time of its file changes."""

    def __init__(self, store: Path):
        self.store = store
        self._known: dict[str, list] | None = None

    def rows(self, path: Path) -> str:
        """`rows_digest` of a file."""
        return self._of("rows", path, rows_digest)

    def folder(self, folder: Path) -> str:
        """`folder_digest` of a saved model."""
        return folder_digest(model_files(folder), lambda path: self._of("bytes", path, sha256))

    def _of(self, kind: str, path: Path, digest: Callable[[Path], str]) -> str:
        if not path.is_file():
            return digest(path)
        known, place, state = self._read(), f"{kind} {path.resolve()}", path.stat()
        seen = [state.st_size, state.st_mtime_ns]
        if known.get(place, [])[:2] != seen:
            known[place] = [*seen, digest(path)]
            self._save()
        return known[place][2]

    def _read(self) -> dict[str, list]:
        if self._known is None:
            try:
                found = read_json(self.store)
            except UserError:  # not there, or damaged: all is read again
                found = {}
            valid = isinstance(found, dict) and all(isinstance(v, list) and len(v) == 3 for v in found.values())
            self._known = found if valid else {}
        return self._known

    def _save(self) -> None:
        with contextlib.suppress(OSError):  # a folder that is read-only: the digest is taken again next time
            write_json(self.store, self._known)
