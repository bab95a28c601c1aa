"""Print parameters by group and the memory that a training takes; loads no weights."""

import argparse
from pathlib import Path

from gorp.commands.common import prepare_torch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", type=Path, help="a file for --configfile, such as workflow/presets/t5-large.yaml")
    parser.add_argument("--model", help="base model: a folder or a hub id (default: the preset's)")
    parser.add_argument("--method", help="gorp or seqlora, or a variant of the preset (default: its first)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="of the frozen base model")
    parser.add_argument("--tasks", type=int, default=0, help="earlier tasks, whose directions are kept (default: 0)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings", help="settings to change")
    parser.add_argument("--json", action="store_true", help="sizes in bytes, for programs")


def run(args: argparse.Namespace) -> None:
    from gorp.presets import asked_training
    from gorp.settings import require

    require("--tasks", args.tasks, args.tasks >= 0, "at least 0")
    model, method, settings, dtype = asked_training(args.preset, args.model, args.method, args.dtype, args.settings)
    prepare_torch(None)
    from gorp.plan import as_json, as_table, make_plan

    plan = make_plan(model, method, settings, dtype, args.tasks)
    print(as_json(plan) if args.json else as_table(plan))
