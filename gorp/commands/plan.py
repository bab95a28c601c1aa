"""Print parameters by group and the memory that a training takes; loads no weights."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from gorp.commands.common import prepare_torch
from gorp.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", type=Path, help="a file for --configfile, or a bundled one: t5-large")
    parser.add_argument("--model", help="base model: a folder or a hub id (default: the preset's)")
    parser.add_argument(
        "--method", help="gorp, seqlora, a Python file, or a variant of the preset (default: its first)"
    )
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="dtype of the frozen base model")
    parser.add_argument("--suite", help="suite whose overrides apply (default: the preset's first)")
    parser.add_argument("--stage", metavar="TASK/...", help="stage whose overrides apply (default: the suite's)")
    parser.add_argument(
        "--tasks", type=int, help="number of earlier tasks, whose directions are kept (default: those of --stage, or 0)"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings", help="settings to change")
    parser.add_argument("--json", action="store_true", help="machine-readable, sizes in bytes")


def asked_training(args: argparse.Namespace) -> tuple[str, str, Any, str]:
    """(model, method, settings, dtype) of a training, from a preset, from what is asked for beside it, or both.

    Raises UserError if something is missing, unknown or out of range.
    """
    from gorp.config.presets import preset_training
    from gorp.config.settings import method_name, parse_assignments
    from gorp.methods.registry import method_settings, methods_of, settings_of
    from gorp.util.yaml_files import read_yaml

    changes, more = parse_assignments(args.settings), [args.method] if args.method else []
    if args.preset is not None:
        name = method_name(args.method) if args.method else None
        known = partial(settings_of, more=more)
        model, method, settings, dtype = preset_training(args.preset, known, changes, name, args.suite, args.stage)
        return args.model or model, methods_of(read_yaml(args.preset), more)[method], settings, args.dtype or dtype
    if args.model is None or args.method is None:
        raise UserError("give --preset FILE, or --model and --method")
    if args.suite or args.stage:
        raise UserError("--suite and --stage choose among the overrides of a preset; give --preset FILE")
    return args.model, args.method, method_settings(args.method, changes), args.dtype or "float32"


def run(args: argparse.Namespace) -> None:
    from gorp.config.presets import other_settings
    from gorp.methods.registry import settings_of
    from gorp.util.errors import require
    from gorp.util.places import find_preset

    args.preset = args.preset and find_preset(args.preset)
    tasks = (args.stage or "").count("/") if args.tasks is None else args.tasks
    require("--tasks", tasks, tasks >= 0, "at least 0")
    model, method, settings, dtype = asked_training(args)
    prepare_torch(None)
    from gorp.train.memory_plan import as_json, as_table, make_plan

    plan = make_plan(model, method, settings, dtype, tasks)
    print(as_json(plan) if args.json else as_table(plan))
    if args.preset and not args.json and (others := other_settings(args.preset, settings_of)):
        print("\nThe preset has different settings for some stages. To plan each of them:")
        print("\n".join(f"  {line}" for line in others))
