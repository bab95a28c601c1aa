"""Generate answers for test rows, greedily."""

import argparse
from pathlib import Path

from gorp.commands.common import add_common, add_dtype, at_least, prepare_torch
from gorp.util.files import check_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="base model: a folder or a hub id")
    add_dtype(parser)
    parser.add_argument("--stage", type=Path, help="the stage to load (default: none, the zero-shot model)")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="rendered rows, one file per task")
    parser.add_argument(
        "--max-source-length", type=at_least(1), default=512, help="most tokens per prompt (default: 512)"
    )
    parser.add_argument("--max-new-tokens", type=at_least(1), default=50, help="most tokens per answer (default: 50)")
    parser.add_argument(
        "--batch-tokens",
        type=at_least(1),
        default=8192,
        help="most tokens per batch, padded prompts and answers; limits memory (default: 8192)",
    )
    parser.add_argument("--label-likelihood", action="store_true", help="also find the most likely label of each row")
    add_common(
        parser, "JSON lines: task, group, id, labels, target, prediction, with --label-likelihood also likeliest_label"
    )


def run(args: argparse.Namespace) -> None:
    check_output(args.output)
    prepare_torch(args.threads)
    from gorp.prediction.predict import predict

    predict(
        args.model,
        args.stage,
        args.data,
        args.output,
        args.max_source_length,
        args.max_new_tokens,
        args.batch_tokens,
        args.dtype,
        args.label_likelihood,
    )
