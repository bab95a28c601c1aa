"""Fetch the official benchmark, or some of its data sets; each file is checked against the manifest."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task",
        nargs="+",
        default=[],
        metavar="NAME",
        help="data sets, such as amazon, or 'instructions', the file that all of them need (default: everything)",
    )
    parser.add_argument(
        "--source",
        default="",
        help="a clone of the official repository, any folder with its files, or the address of a mirror"
        " (default: the public repository)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("results/official"),
        help="the benchmark folder (default: results/official, where `benchmark: official` looks)",
    )


def run(args: argparse.Namespace) -> None:
    from gorp.data.official.fetch import fetch
    from gorp.util.errors import UserError

    try:
        brought, there = fetch(args.task, args.source, args.output)
    except KeyboardInterrupt:
        raise UserError("stopped; what was fetched is kept, and the same command resumes from there") from None
    except OSError as error:
        raise UserError(f"{args.output}: {error}") from None
    print(f"{args.output}: {brought} files fetched, {there} already there")
