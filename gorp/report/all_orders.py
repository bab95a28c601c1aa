"""The table of all orders: each method's mean and standard deviation over orders and seeds, beside published scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from gorp.metrics.continual import MATRIX_METRICS
from gorp.util.errors import UserError
from gorp.util.yaml_files import read_yaml

METRICS = (*MATRIX_METRICS, "FWT", "F1")


def overview(suites: Mapping[str, Sequence[pd.DataFrame]], published: Mapping) -> pd.DataFrame:
    """One row a suite, method, model and benchmark: `source` is "run" or "published".

    suites: the summary tables (`gorp.report.order_tables.aggregate`) of each suite's orders.
    published: {model: {suite: {method: {metric: percent}}}}; rows of models that were run, and of suites shown.
    Columns: suite, source, method, model, benchmark, orders, seeds, scores (what counts for the tasks, as in the
    orders' tables, each once; exact match where published), then METRIC and METRIC_sd (sample standard
    deviation over orders and seeds, nan for one; published scores have none).
    """
    rows, models = [], set()
    for suite, tables in suites.items():
        runs = pd.concat(tables, ignore_index=True)
        models |= set(runs["model"])
        for (method, model, benchmark), part in runs.groupby(["method", "model", "benchmark"], sort=False):
            row = {"suite": suite, "source": "run", "method": method, "model": model, "benchmark": benchmark}
            row |= {"orders": part["order"].nunique(), "seeds": part["seed"].nunique()}
            row["scores"] = "; ".join(dict.fromkeys(part["scores"]))
            for metric in METRICS:
                row |= {metric: part[metric].mean(), f"{metric}_sd": part[metric].std(ddof=1)}
            rows.append(row)
        for model in sorted(models & set(published)):
            for method, scores in published[model].get(suite, {}).items():
                rows.append({"suite": suite, "source": "published", "method": method, "model": model})
                rows[-1] |= {"scores": "exact_match", **scores}
    return pd.DataFrame(rows).astype({"orders": "Int64", "seeds": "Int64"})


def read_summaries(paths: Sequence[Path]) -> list[pd.DataFrame]:
    """Summary tables of orders. Raises UserError that names a file that is not one, and says what to do."""
    again = "delete it and run the snakemake command again"
    tables = []
    for path in paths:
        try:
            table = pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not a summary table: {error}; {again}") from None
        missing = [column for column in ("order", "method", "seed", "model", "scores", *METRICS) if column not in table]
        if missing:
            raise UserError(f"{path}: not a summary table: no column {missing[0]}; {again}")
        wrong = [column for column in METRICS if not pd.api.types.is_numeric_dtype(table[column])]
        if table.empty or wrong:
            raise UserError(f"{path}: damaged: {'no rows' if table.empty else f'{wrong[0]} is not a number'}; {again}")
        tables.append(table)
    return tables


def read_published(path: Path) -> dict:
    """Published scores by model, suite and method. Raises UserError if the file is not YAML, or has a key twice."""
    return read_yaml(path)
