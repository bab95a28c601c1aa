"""Learning curves of one order, learning.csv and learning.svg, from the evaluations of its trainings."""

import argparse
from pathlib import Path

from gorp.commands.aggregate import add_order, declared_scores, stage_folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_order(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the table and the figure")


def run(args: argparse.Namespace) -> None:
    from gorp.report.learning_curves import curves_figure, read_curves
    from gorp.report.writing import save_figure, write_table

    declared = declared_scores(args)
    curves = read_curves(args.tasks, stage_folders(args))
    write_table(curves, args.output / "learning.csv")
    save_figure(curves_figure(curves, args.order, declared), args.output / "learning.svg")
