"""One side of a comparison, in a process of its own: some training steps on random tokens; prints JSON.

    python benchmarks/one_side.py --model FOLDER --method gorp [--parent STAGE] [--rows 8] [--tokens 256] [--steps 6]

Prints {"seconds": median of the steps after the first two, "peak_mb": peak resident memory, "base_mb": before loading}.
"""

import argparse
import json
import os
import resource
import statistics
import time
from pathlib import Path

import torch

import gorp.models.adapters
from gorp.config.settings import parse_assignments
from gorp.data.tokens import Example
from gorp.methods.registry import make_method, method_settings
from gorp.models.adapters import attach
from gorp.models.loading import load_base
from gorp.models.stage import read_stage
from gorp.optim.clipping import clip_, step_gradients
from gorp.train.loop import backward


def examples(rows: int, tokens: int, vocabulary: int) -> list[Example]:
    """Prompts of `tokens` tokens with answers of three, the length of a label."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, vocabulary - 10, (rows, tokens + 3), generator=generator).tolist()
    return [Example(row[:tokens], row[tokens:]) for row in ids]


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--method", required=True)
    parser.add_argument("--parent", type=Path)
    parser.add_argument("--separate", action="store_true", help="keep earlier LoRA factors beside the weights")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--set", nargs="+", default=[], dest="settings")
    args = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    settings = method_settings(args.method, parse_assignments(args.settings))
    if args.separate:
        gorp.models.adapters.merges = lambda base, new_lora: False
    base_mb = resident_mb()
    parent = read_stage(args.parent) if args.parent else None
    base, tokenizer = load_base(args.model)
    method = make_method(args.method, settings)
    adapted = attach(base, settings, method.full_rank_modules, parent, method.new_lora)
    optimizer = method.optimizer(adapted, parent.gradient_space if parent else {})
    del parent
    batch = examples(args.rows, args.tokens, base.config.vocab_size)
    adapted.model.train()
    seconds = []
    for step in range(args.steps):
        start = time.perf_counter()
        backward(adapted.model, optimizer, batch, tokenizer, settings.micro_batch_size)
        clip_(step_gradients(optimizer, adapted.trained), settings.max_grad_norm, step)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 * 1.048576
    print(json.dumps({"seconds": statistics.median(seconds[2:]), "peak_mb": peak, "base_mb": base_mb}))


if __name__ == "__main__":
    main()
