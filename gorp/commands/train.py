"""Train one stage: one task, on top of an earlier stage or the base model."""

import argparse
from pathlib import Path

from gorp.commands.common import add_common, add_dtype, at_least, prepare_torch
from gorp.config.model_names import check_model
from gorp.util.errors import UserError
from gorp.util.files import check_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="base model: a folder or a hub id")
    parser.add_argument("--data", type=Path, required=True, help="rendered train rows of one task")
    parser.add_argument("--parent", type=Path, help="the stage to continue from (default: the base model)")
    add_dtype(parser)
    parser.add_argument("--method", required=True, help="gorp, seqlora, or a Python file with a method of your own")
    parser.add_argument(
        "--earlier",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="rendered train rows of the earlier tasks, in their order, for a method that mixes them in",
    )
    parser.add_argument("--seed", type=at_least(0), default=0)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings", help="settings to change")
    parser.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=10,
        help="minutes between checkpoints; a stopped training resumes from the last one (default: 10)",
    )
    parser.add_argument("--deepspeed", type=Path, metavar="FILE", help="DeepSpeed config, to shard the frozen model")
    parser.add_argument(
        "--dev",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="rendered rows for evaluation, one file per task",
    )
    parser.add_argument(
        "--evaluate-every",
        type=int,
        default=0,
        metavar="N",
        help="score the --dev rows every N steps, and after 0, 1, 2, 5, 10, ... below N, into evaluations.csv beside"
        " the stage; this does not change the stage (default: 0, never)",
    )
    parser.add_argument(
        "--evaluate-rows",
        type=int,
        default=100,
        metavar="N",
        help="rows of each --dev file to score, drawn once; 0: all (default: 100)",
    )
    add_common(parser, "the folder of the stage")


def run(args: argparse.Namespace) -> None:
    from gorp.config.settings import parse_assignments
    from gorp.methods.registry import make_method, method_settings

    settings = method_settings(args.method, parse_assignments(args.settings))
    if bool(args.dev) != bool(args.evaluate_every):
        raise UserError("--dev and --evaluate-every: one needs the other")
    check_model(args.model)
    check_output(args.output, folder=True)
    prepare_torch(args.threads)
    from gorp.models.architecture import read_architecture
    from gorp.models.trainable import find_layers
    from gorp.train.stage import train_stage

    make_method(args.method, settings).check(find_layers(read_architecture(args.model)))
    evaluation = None
    if args.evaluate_every:
        from gorp.prediction.during_training import Evaluation

        evaluation = Evaluation(args.dev, args.evaluate_every, args.evaluate_rows)
    train_stage(
        args.model,
        args.data,
        args.output,
        args.method,
        settings,
        args.seed,
        args.parent,
        args.dtype,
        args.checkpoint_minutes,
        args.deepspeed,
        evaluation,
        args.earlier,
    )
