"""Exact match, ROUGE and F1 of a predictions file, by task."""

import argparse
from pathlib import Path

from gorp.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="JSON: scores in percent by task")


def run(args: argparse.Namespace) -> None:
    from gorp.files import read_jsonl, write_json
    from gorp.metrics import score_predictions

    try:
        scores = score_predictions(read_jsonl(args.predictions))
    except ValueError as error:
        raise UserError(f"{args.predictions}: {error}") from None
    write_json(args.output, scores)
