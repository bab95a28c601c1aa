"""Which stages of a run are done, training (step, loss, time left) and to come."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configfile", type=Path, nargs="+", default=[Path("config.yaml")], help="as for snakemake")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the results folder (default: results)")


def run(args: argparse.Namespace) -> None:
    from gorp.status import read_config, status

    table = status(read_config(args.configfile), args.results)
    counts = table["state"].value_counts(sort=False)
    print(table.to_string(index=False, justify="left"))
    print(f"\n{len(table)} stages: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
