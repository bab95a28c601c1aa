"""Print the labels of a task's train rows and how many rows have each, or write its labels.json."""

import argparse
from pathlib import Path

from gorp.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="PATH", help="the folder of the task, GROUP/DATASET")
    parser.add_argument("--write", action="store_true", help="write them to PATH/labels.json, sorted")


def run(args: argparse.Namespace) -> None:
    from collections import Counter

    from gorp.data.splits import NO_LABEL, is_generation, read_split
    from gorp.data.tasks import task_at
    from gorp.util.files import write_json

    task = task_at(args.path)
    rows = read_split(task, "train", None)
    if is_generation(rows[0]):
        raise UserError(f"{task.file('train')}: rows with an output have no labels")
    counts = Counter(row["label"] for row in rows)
    for label, count in sorted(counts.items()):
        print(f"{count:>8}  {label}" + ("  (no label: annotators did not agree)" if label == NO_LABEL else ""))
    if args.write:
        file = task.file("labels")
        if file.exists():
            raise UserError(f"{file}: already there; remove it to write it again")
        write_json(file, sorted(set(counts) - {NO_LABEL}))
        print(f"written: {file}")
