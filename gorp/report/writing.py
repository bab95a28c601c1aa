"""Tables as CSV and figures as SVG: the same content gives the same bytes, and files appear whole or not at all."""

import os
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from gorp.util.files import replacing

# of the columns with fractions or undefined values; of the others: 4
_DECIMALS = {"train_seconds": 1, "peak_memory_mb": 1, "tp": 0, "fp": 0, "fn": 0}


def write_tables(summary: pd.DataFrame, matrix: pd.DataFrame, folder: str | os.PathLike[str]) -> None:
    """Write summary.csv and matrix.csv into `folder`: fixed decimals, "nan" where undefined, "\\n" ends a line."""
    write_table(summary, Path(folder, "summary.csv"))
    write_table(matrix, Path(folder, "matrix.csv"))


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write one table as `write_tables` does."""
    text = table.assign(**{str(column): _fixed(table[column]) for column in table.select_dtypes("float")})
    with replacing(path) as temporary:
        text.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def _fixed(column: pd.Series) -> list[str]:
    """Numbers with as many decimals as the column has; adding 0.0 turns -0.0 into 0.0."""
    decimals = _DECIMALS.get(str(column.name), 4)
    return [f"{round(value, decimals) + 0.0:.{decimals}f}" for value in column]


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Save as SVG; no date and fixed ids, so that the same figure has the same bytes."""
    with matplotlib.rc_context({"svg.hashsalt": "gorp"}), replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
