"""The table of all orders: means over orders and seeds, published scores."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--suite",
        nargs="+",
        action="append",
        required=True,
        metavar=("SUITE", "SUMMARY"),
        help="a suite and the summary.csv of each of its orders; repeat for each suite",
    )
    parser.add_argument("--published", type=Path, help="YAML: {MODEL: {SUITE: {METHOD: {METRIC: percent}}}}")
    parser.add_argument(
        "--output", type=Path, required=True, help="CSV; an HTML page is written beside it, with the same name"
    )


def run(args: argparse.Namespace) -> None:
    from gorp.report.all_orders import overview, read_published, read_summaries
    from gorp.report.order_page import write_page
    from gorp.report.writing import write_table

    suites = {suite: read_summaries([Path(path) for path in paths]) for suite, *paths in args.suite}
    table = overview(suites, read_published(args.published) if args.published else {})
    write_table(table, args.output)
    write_page(args.output.with_suffix(".html"), "All orders", {"Means over orders and seeds": table})
