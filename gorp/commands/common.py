"""What the commands that run a model share."""

import argparse
import os
import sys
from pathlib import Path


def add_dtype(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="float32",
        help="dtype of the frozen base model (default: float32); trained parameters are always float32",
    )


def at_least(least: int, most: int = 2**32 - 1):
    """A type of arguments: whole numbers in a range."""

    def number(text: str) -> int:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not a number from {least} to {most}")
        return int(text)

    return number


def add_common(parser: argparse.ArgumentParser, output: str) -> None:
    parser.add_argument(
        "--threads",
        type=at_least(1),
        help="CPU threads, shared by the processes of a machine (default: torch's choice)",
    )
    parser.add_argument("--output", type=Path, required=True, help=output)


def prepare_torch(threads: int | None) -> None:
    """Sets threads and the precision of a GPU, and silences libraries whose progress bars would fill a log file."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported
    import torch

    torch.backends.cuda.matmul.allow_tf32 = True  # the model's products on a GPU; see gorp.optim.projection too
    if threads is not None:
        here = os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("LOCAL_SIZE") or "1"  # torchrun's, deepspeed's name
        torch.set_num_threads(max(1, threads // int(here)))
