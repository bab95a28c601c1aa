"""Writing files so that no reader, and no later run, ever sees a half-written one."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gorp.util.errors import UserError
from gorp.util.places import how_to_get


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary name beside `path`; on success it replaces `path`, on failure it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        open_to_others(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_output(path: Path, folder: bool = False) -> None:
    """Raises UserError, before the work begins, if a file, or a folder, cannot be written at a path."""
    if path.exists() and path.is_dir() != folder:
        raise UserError(f"{path}: there is a {'file' if folder else 'folder'} of this name; choose another output")
    above = next(parent for parent in (path if folder else path.parent, *path.absolute().parents) if parent.exists())
    if not above.is_dir():
        raise UserError(f"{path}: {above} is a file, not a folder; choose another output")
    if not os.access(above, os.W_OK):
        raise UserError(f"{path}: the folder {above} cannot be written to")


@contextlib.contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yields an empty scratch folder; on success its files move into `folder`, each whole; on failure none does."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        yield Path(scratch)
        for file in sorted(Path(scratch).iterdir()):
            if file.is_file():
                open_to_others(file)
            file.replace(folder / file.name)


def open_to_others(file: Path) -> None:
    """Gives a file the permissions of any new file; safetensors writes ones that its owner alone may read."""
    mask = os.umask(0o022)
    os.umask(mask)
    file.chmod(0o666 & ~mask)


def write_json(path: Path | str, value: Any) -> None:
    """Writes `value` as indented UTF-8 JSON, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_jsonl(path: Path | str, rows: Iterable[dict]) -> None:
    """Writes one JSON object a line, atomically."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_json(path: Path | str) -> Any:
    """The content of a JSON file. Raises UserError that names the file, and the line where it stops being JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file{how_to_get(path)}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None


def read_jsonl(path: Path | str) -> list[dict]:
    """The rows of a JSON-lines file. Raises UserError that names the file and the line."""
    rows = []
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    for number, line in enumerate(lines, 1):
        if line:
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise UserError(f"{path}: line {number} is not JSON: {error.msg}") from None
    return rows


def sha256(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
