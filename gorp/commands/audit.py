"""Sort a stage's predictions into kinds of right and wrong: a page, confusion matrices and tables."""

import argparse
from pathlib import Path

from gorp.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--predictions", type=Path, required=True, help="JSON lines: task, id, prediction, target")
    parser.add_argument(
        "--benchmark", required=True, help="the benchmark that has their labels: 'bundled', or a folder"
    )
    parser.add_argument(
        "--data", type=Path, nargs="+", default=[], help="rendered rows, which show an example's sentence"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="a folder for audit.html, confusion.svg, confusion.csv and kinds.csv"
    )


def run(args: argparse.Namespace) -> None:
    from gorp.data.complete_rows import read_complete
    from gorp.data.splits import read_labels
    from gorp.data.tasks import benchmark_root, find_tasks
    from gorp.report.answer_audit import sort_answers
    from gorp.report.audit_page import write_audit
    from gorp.util.errors import close_names

    root = benchmark_root(args.benchmark)
    tasks = find_tasks(root)
    rows = read_complete(args.predictions, "gorp predict")
    for number, row in enumerate(rows, 1):
        for key in ("task", "prediction", "target"):
            if not isinstance(row, dict) or not isinstance(row.get(key), str):
                raise UserError(f"{args.predictions}: line {number} has no {key} (a text under the key {key!r})")
        if row["task"] not in tasks:
            hint = close_names(row["task"], tasks)
            raise UserError(f"{args.predictions}: line {number}: no task {row['task']!r} in {root}; {hint}")
    labels = {task: read_labels(tasks[task]) for task in dict.fromkeys(row["task"] for row in rows)}
    sentences = {
        (row["task"], row["id"]): row["source"][slice(*row["sentence_at"])]
        for path in args.data
        for row in read_complete(path, "gorp preprocess", ("task", "id", "source", "sentence_at"))
    }
    write_audit(sort_answers(rows, labels), labels, sentences, f"Audit of {args.predictions}", args.output)
