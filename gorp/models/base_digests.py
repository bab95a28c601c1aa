"""The digests of a base model that `gorp base` made, by which a damaged file is found before it is used."""

import shlex
from pathlib import Path

from gorp.util.errors import UserError
from gorp.util.files import read_json, sha256, write_json

DIGESTS = "digests.json"  # in the model's folder: {"name": ..., "files": {file: SHA-256}}


def write_digests(folder: Path, name: str) -> None:
    """Notes the SHA-256 of each file of the base model `name`."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != DIGESTS)
    write_json(folder / DIGESTS, {"name": name, "files": {path.name: sha256(path) for path in files}})


def check_digests(folder: Path | str) -> None:
    """Raises UserError if a file is missing, or not as `gorp base` wrote it; other models are not checked.

    It takes a second for half a gigabyte.
    """
    folder = Path(folder).expanduser()
    if not (folder / DIGESTS).is_file():
        return
    again = f"to make the model again, delete {folder} and run the snakemake command again, or run gorp base"
    try:
        noted = read_json(folder / DIGESTS)
    except UserError as error:
        raise UserError(f"model: {error}; {again}") from None
    files, name = (noted.get(key) if isinstance(noted, dict) else None for key in ("files", "name"))
    if not isinstance(files, dict) or not isinstance(name, str):
        raise UserError(f'model: {folder / DIGESTS}: expected {{"name": ..., "files": {{FILE: SHA-256}}}}; {again}')
    again += f" --name {shlex.quote(name)} --output {shlex.quote(str(folder))}"
    for file, digest in files.items():
        if not (folder / file).is_file():
            raise UserError(f"model: {folder / file}: the file is missing; {again}")
        if sha256(folder / file) != digest:
            raise UserError(f"model: {folder / file}: its SHA-256 differs from the one in {DIGESTS}: damaged; {again}")
