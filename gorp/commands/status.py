"""Show the progress of a run: stages scored, trained, training (step, loss, time left), stopped, failed or pending."""

import argparse
from pathlib import Path

CONFIG = Path("config.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("orders", nargs="*", metavar="ORDER", help="orders to show (default: those that were begun)")
    parser.add_argument(
        "--run", dest="name", metavar="NAME", help="the run (default: of --configfile, or the last one)"
    )
    parser.add_argument("--configfile", type=Path, nargs="+", help=f"as for snakemake (default: {CONFIG})")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the results folder (default: results)")


def aligned(table) -> str:
    """A table as text, all columns aligned on the left."""
    widths = [max(map(len, map(str, [name, *table[name]]))) for name in table]
    lines = [list(table), *table.itertuples(index=False)]
    padded = [[f"{cell!s:<{width}}" for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in padded)


def run(args: argparse.Namespace) -> None:
    from gorp.methods.registry import settings_of
    from gorp.report.begun_runs import begun_orders, choose_run, orders_of, runs_of, strangers
    from gorp.report.status import read_config, status

    config = read_config(args.configfile or ([CONFIG] if CONFIG.is_file() else []), settings_of)
    name = choose_run(args.name, config["run"], bool(args.configfile), args.results)
    config, folder = {**config, "run": name}, args.results / name
    others = [other for other in runs_of(args.results) if other != name]
    print(f"run {name}" + (f"; others, with --run NAME: {', '.join(others)}" if others else ""))
    orders = args.orders or begun_orders(config, folder)
    table = status(config, args.results, orders)
    if len(table):
        counts = table["state"].value_counts(sort=False)
        print(f"\n{aligned(table)}\n")
        print(f"{len(table)} stages: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    left = [order for suite in orders_of(config).values() for order in suite if order not in orders]
    if left:
        print(f"{'not shown' if args.orders else 'not begun'}: {', '.join(left)}; gorp status ORDER shows its stages")
    if unknown := strangers(config, folder):
        print(f"{len(unknown)} stages belong to no order of the config, such as {unknown[0]}: add --configfile")
