"""The rows of a data file as they stand in it: a JSON list, JSON lines, or CSV.

Imports the standard library only; `datasets` is loaded when JSON lines or CSV are read.
"""

import csv
import glob
from pathlib import Path

from gorp.errors import UserError
from gorp.files import read_json, read_jsonl

FORMATS = (".json", ".jsonl", ".csv")  # in the order in which they are looked for


def read_rows(path: Path) -> list:
    """The rows of a file in its order, unchecked; every value of a CSV file is text, an empty cell "".

    Raises UserError that names the file, and the line where it stops being JSON or CSV.
    """
    if path.suffix == ".json":
        rows = read_json(path)
        if not isinstance(rows, list):
            raise UserError(f'{path}: expected a list of rows {{"label": ..., "sentence": ...}}')
        return rows
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.stat().st_size == 0:
        return []  # which `datasets` takes for an error
    try:
        return load(path)
    except UserError:
        raise
    except Exception as error:  # of several libraries below `datasets`, with no class in common
        try:
            path.read_text(encoding="utf-8")
        except UnicodeDecodeError as wrong:  # an earlier one may count from the start of a block
            raise UserError(f"{path}: not UTF-8 text (byte {wrong.start}); save it as UTF-8") from None
        if path.suffix == ".jsonl":
            read_jsonl(path)  # names the line that is not JSON
        raise UserError(f"{path}: not {path.suffix[1:].upper()}: {' '.join(str(error).split())}") from None


def load(path: Path) -> list[dict]:
    """The rows of a JSON-lines or CSV file by `datasets`, which keeps no copy of them on disk."""
    import datasets

    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what is wrong is said once, by the caller
    kind, options = "json", {}
    if path.suffix == ".csv":
        columns = {name: datasets.Value("string") for name in header(path)}  # a label 1 or NA is no number and no gap
        options = {"features": datasets.Features(columns), "keep_default_na": False}
        kind = "csv"
    file = glob.escape(str(path.resolve()))
    return list(datasets.load_dataset(kind, data_files=file, split="train", streaming=True, **options))


def header(path: Path) -> list[str]:
    """The column names of a CSV file. Raises UserError for one without a name, or twice the same."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file), [])
    if not all(names) or len(set(names)) < len(names):
        raise UserError(f"{path}: its first line must name each column once; it reads {','.join(names)}")
    return names
