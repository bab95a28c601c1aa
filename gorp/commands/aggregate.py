"""Tables and figure of one order: summary.csv, matrix.csv, groups.csv, all as summary.html, and accuracy.svg."""

import argparse
from pathlib import Path

from gorp.util.errors import UserError


def add_order(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which stages an order's tables are made from."""
    parser.add_argument("--order", required=True, help="name of the order")
    parser.add_argument("--tasks", nargs="+", required=True, help="its tasks, in sequence")
    parser.add_argument(
        "--scores",
        nargs="*",
        default=[],
        metavar="TASK=SCORE",
        help="the score of a task, if not exact match: rouge1 or rougeL",
    )
    parser.add_argument("--runs", nargs="+", required=True, metavar="METHOD/seedN", help="rows of the summary")
    parser.add_argument("--stages", type=Path, required=True, help="the folder above METHOD/seedN")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_order(parser)
    parser.add_argument(
        "--evaluate",
        choices=["full", "final"],
        default="full",
        help="full: each stage was scored on all tasks seen; final: only on its own task, the last on all",
    )
    parser.add_argument("--zero-shot", type=Path, required=True, help="the folder of the base model's scores by task")
    parser.add_argument("--model", required=True, help="name for the tables")
    parser.add_argument("--benchmark", required=True, help="name for the tables")
    parser.add_argument("--output", type=Path, required=True, help="the folder of the tables")


def declared_scores(args: argparse.Namespace) -> dict[str, str]:
    """{task: score} of --scores. Raises UserError for another form, an unknown task or score."""
    from gorp.metrics.answers import SCORES

    declared = dict(pair.rpartition("=")[::2] for pair in args.scores)
    for task, score in declared.items():
        if task not in args.tasks or score not in SCORES:
            expected = f"TASK=SCORE, a task of --tasks, one of {', '.join(SCORES)}"
            raise UserError(f"--scores: {task}={score}: expected {expected}")
    return declared


def stage_folders(args: argparse.Namespace) -> dict[tuple[str, int], Path]:
    """{(method, seed): folder} of --runs. Raises UserError for another form."""
    folders = {}
    for name in args.runs:
        method, _, seed = name.rpartition("/seed")
        if not method or not seed.isdigit():
            raise UserError(f"--runs: {name}: expected METHOD/seedN")
        if (method, int(seed)) in folders:
            raise UserError(f"--runs: {name} appears twice")
        folders[method, int(seed)] = args.stages / name
    return folders


def run(args: argparse.Namespace) -> None:
    from gorp.report.accuracy_figure import accuracy_figure
    from gorp.report.group_table import group_table
    from gorp.report.order_page import order_tables, write_page
    from gorp.report.order_tables import aggregate
    from gorp.report.read_run import read_run
    from gorp.report.writing import save_figure, write_table, write_tables

    declared = declared_scores(args)
    where = (args.zero_shot, args.tasks, args.evaluate == "full")
    runs = [
        read_run(method, seed, args.model, args.benchmark, folder, *where)
        for (method, seed), folder in stage_folders(args).items()
    ]
    try:
        summary, matrix = aggregate(args.order, args.tasks, runs, declared)
    except ValueError as error:
        raise UserError(str(error)) from None
    write_tables(summary, matrix, args.output)
    groups = group_table(args.tasks, matrix)
    write_table(groups, args.output / "groups.csv")
    tables = {**order_tables(summary, matrix), "Scores by group of tasks, macro and micro": groups}
    write_page(args.output / "summary.html", f"{args.order}: {args.model} on {args.benchmark}", tables)
    save_figure(accuracy_figure(matrix, args.order), args.output / "accuracy.svg")
