"""Exact match, ROUGE and F1 of a predictions file, by task."""

import argparse
from pathlib import Path

from gorp.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=[], help="tasks that the file must contain (default: any)")
    parser.add_argument("--output", type=Path, required=True, help="JSON: scores in percent by task")


def run(args: argparse.Namespace) -> None:
    from gorp.data.complete_rows import how_to_make_again, read_complete
    from gorp.metrics.answers import score_predictions
    from gorp.util.files import write_json

    try:
        scores = score_predictions(read_complete(args.predictions, "gorp predict"), args.tasks)
    except ValueError as error:
        raise UserError(f"{args.predictions}: {error}; {how_to_make_again('gorp predict')}") from None
    write_json(args.output, scores)
