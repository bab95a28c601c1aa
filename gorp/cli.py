"""The `gorp` command. Each sub-command is one step of the workflow and can be run alone."""

import argparse
import importlib
import os
import sys

from gorp import __version__
from gorp.util.errors import Interrupted, UserError
from gorp.util.extras import how_to_install

COMMANDS = (  # modules of gorp.commands, in the order of `gorp --help`
    "base",
    "fetch",
    "labels",
    "check",
    "preprocess",
    "train",
    "predict",
    "score",
    "audit",
    "aggregate",
    "curves",
    "summarize",
    "status",
    "plan",
)

EXAMPLES = """\
A stream of two tasks by hand, without Snakemake:

  gorp base --name tiny-t5 --output model
  gorp preprocess --benchmark bundled --task dbpedia --split train --output dbpedia.jsonl
  gorp train --model model --data dbpedia.jsonl --method gorp --set epochs=4 batch_size=32 --output dbpedia
  gorp train --model model --data amazon.jsonl --parent dbpedia --method gorp --output dbpedia/amazon
  gorp predict --model model --stage dbpedia/amazon --data dbpedia.test.jsonl amazon.test.jsonl --output p.jsonl
  gorp score --predictions p.jsonl --output scores.json
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs one sub-command; returns the exit status. A user's mistake is one line on stderr, without a traceback."""
    args = parser().parse_args(arguments)
    process = os.environ.get("RANK", "0")  # of a launcher's; all may fail for one reason
    try:
        args.run(args)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"gorp {args.command}: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except ImportError as error:
        if not (needed := how_to_install(error)):
            raise
        print(f"gorp {args.command}: error: {needed}", file=sys.stderr)
        return 1
    except (UserError, FloatingPointError, Interrupted) as error:
        who = f"gorp {args.command}" if process == "0" else f"gorp {args.command}, process {process}"
        print(f"{who}: error: {error}", file=sys.stderr)
        return getattr(error, "status", 1)
    return 0


def parser() -> argparse.ArgumentParser:
    """The command-line parser with all sub-commands."""
    top = argparse.ArgumentParser(
        prog="gorp",
        description="Continual fine-tuning of language models by gradient low-rank projection.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"gorp {__version__}")
    top.add_argument("--local_rank", help=argparse.SUPPRESS)  # the deepspeed launcher puts it first
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"gorp.commands.{name}")
        sub = commands.add_parser(name, help=module.__doc__, description=module.__doc__)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return top
