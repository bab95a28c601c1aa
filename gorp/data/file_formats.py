"""The rows of a data file as they stand in it: a JSON list, JSON lines, or CSV.

Imports the standard library only; `datasets` is loaded when CSV is read. It does not read the JSON lines: a single row
of another type makes it write the texts of thousands around it anew, in quotation marks, without a word.
"""

import csv
import glob
from pathlib import Path

from gorp.util.errors import UserError
from gorp.util.files import read_json, read_jsonl

FORMATS = (".json", ".jsonl", ".csv")  # in the order in which they are looked for


def read_rows(path: Path) -> list:
    """The rows of a file in its order, unchecked; every value of a CSV file is text, an empty cell "".

    Raises UserError that names the file, and the line where it stops being JSON or CSV.
    """
    if path.suffix == ".csv":
        return read_csv(path)
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UserError(f'{path}: expected a list of rows {{"label": ..., "sentence": ...}}')
    return rows


def read_csv(path: Path) -> list[dict]:
    """The rows of a CSV file by `datasets`, which keeps no copy of them on disk. Raises UserError as `read_rows`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    columns = header(path)
    import datasets

    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what is wrong is said once, below
    text = datasets.Features({name: datasets.Value("string") for name in columns})  # a label may be 1, or NA
    file = glob.escape(str(path.resolve()))
    options = {"features": text, "keep_default_na": False, "streaming": True}
    try:
        return list(datasets.load_dataset("csv", data_files=file, split="train", **options))
    except Exception as error:  # of several libraries below `datasets`, with no class in common
        raise UserError(f"{path}: not CSV: {' '.join(str(error).split())}") from None


def header(path: Path) -> list[str]:
    """The column names of a CSV file. Raises UserError for none, one without a name, or twice the same."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file), [])
    if not names or not all(names) or len(set(names)) < len(names):
        raise UserError(f"{path}: its first line must name each column once; it reads {','.join(names)!r}")
    return names
