"""Print parameters by group and the memory that a training takes; loads no weights."""

import argparse
from pathlib import Path

from gorp.commands.common import prepare_torch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", type=Path, help="a file for --configfile, or a bundled one: t5-large")
    parser.add_argument("--model", help="base model: a folder or a hub id (default: the preset's)")
    parser.add_argument("--method", help="gorp or seqlora, or a variant of the preset (default: its first)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="of the frozen base model")
    parser.add_argument("--suite", help="whose overrides hold (default: the preset's first suite)")
    parser.add_argument("--stage", metavar="TASK/...", help="whose overrides hold (default: those of the whole suite)")
    parser.add_argument(
        "--tasks", type=int, help="earlier tasks, whose directions are kept (default: those of --stage, or 0)"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings", help="settings to change")
    parser.add_argument("--json", action="store_true", help="sizes in bytes, for programs")


def run(args: argparse.Namespace) -> None:
    from gorp.config.presets import asked_training, other_settings
    from gorp.config.settings import require
    from gorp.util.places import find_preset

    args.preset = args.preset and find_preset(args.preset)
    tasks = (args.stage or "").count("/") if args.tasks is None else args.tasks
    require("--tasks", tasks, tasks >= 0, "at least 0")
    model, method, settings, dtype = asked_training(
        args.preset, args.model, args.method, args.dtype, args.settings, args.suite, args.stage
    )
    prepare_torch(None)
    from gorp.train.memory_plan import as_json, as_table, make_plan

    plan = make_plan(model, method, settings, dtype, tasks)
    print(as_json(plan) if args.json else as_table(plan))
    if args.preset and not args.json and (others := other_settings(args.preset)):
        print("\nThe preset has other settings for some stages; each is planned by its options:")
        print("\n".join(f"  {line}" for line in others))
