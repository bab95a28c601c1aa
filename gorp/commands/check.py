"""Report what a benchmark folder holds and everything that is wrong with it."""

import argparse
import json

from gorp.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("benchmark", metavar="PATH", help="'bundled', 'official' (fetched), or a folder of data sets")
    parser.add_argument("--model", help="a folder or a hub id, whose tokenizer counts tokens (default: characters)")
    parser.add_argument("--max-source-length", type=int, help="most tokens per prompt (default: 512); needs --model")
    parser.add_argument("--json", action="store_true", help="machine-readable: all counts, errors and warnings")


def run(args: argparse.Namespace) -> None:
    from gorp.data.check import Limit, as_text, check_benchmark
    from gorp.data.tasks import benchmark_root
    from gorp.data.tokenizers import load_tokenizer
    from gorp.util.errors import require

    if args.max_source_length is not None and args.model is None:
        raise UserError("--max-source-length counts tokens: also give --model, whose tokenizer counts them")
    tokens = 512 if args.max_source_length is None else args.max_source_length
    require("--max-source-length", tokens, tokens >= 1, "at least 1")
    root = benchmark_root(args.benchmark)
    report = check_benchmark(root, Limit(load_tokenizer(args.model), tokens) if args.model else None)
    print(json.dumps(report, indent=1) if args.json else as_text(report))
    if report["errors"]:
        raise UserError(f"{root}: {len(report['errors'])} errors")
