"""`gorp plan` against training runs: the planned peak beside the measured one, side by side, and their ratio.

    python benchmarks/plan_vs_run.py [--quick] [--default-allocator]

Each run is a process of its own that loads a random model and trains two steps, subspaces refreshed in both. Measured
is its peak resident memory (VmHWM, reset before the model is loaded) above the resident memory at that moment, with an
allocator that gives freed memory back at once: a plan counts tensors that live. The C library's as it is keeps more.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import torch
from sides import MODULES
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, LlamaConfig, T5Config

from gorp.config.settings import parse_assignments
from gorp.data.tokens import Example
from gorp.methods.registry import make_method, method_settings
from gorp.models.adapters import attach
from gorp.models.loading import DTYPES
from gorp.train.loop import fit
from gorp.train.memory_plan import build_base, make_plan

CONFIGS = {
    "t5-base": T5Config(
        d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12, vocab_size=32128, decoder_start_token_id=0
    ),
    "smollm2-135m": LlamaConfig(
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        vocab_size=49152,
        tie_word_embeddings=True,
    ),
}
CASES = [  # model, method, dtype, rows a pass, passes, tokens, gradient checkpointing
    *(
        (model, "gorp", "float32", rows, 1, tokens, checkpointing)
        for model in CONFIGS
        for rows, tokens in ((8, 256), (4, 512))
        for checkpointing in (False, True)
    ),
    *((model, "gorp", "float32", 2, 4, 256, True) for model in CONFIGS),
    *((model, "seqlora", "float32", 8, 1, 256, False) for model in CONFIGS),
    *((model, "gorp", "bfloat16", 8, 1, 256, False) for model in CONFIGS),
]
QUICK = [
    *((model, "gorp", "float32", 4, 1, 128, checkpointing) for model in CONFIGS for checkpointing in (False, True)),
]
ANSWER = 8  # tokens
TIGHT = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def settings_of(case):
    model, method, _, rows, passes, tokens, checkpointing = case
    modules = parse_assignments(MODULES[model][: 2 if method == "gorp" else 1])
    own = {"refresh_every": 1} if method == "gorp" else {}
    sizes = {"batch_size": rows * passes, "micro_batch_size": rows, "max_source_length": tokens}
    values = {**modules, **own, **sizes, "max_target_length": ANSWER, "gradient_checkpointing": checkpointing}
    return method_settings(method, values)


def status_mb(key: str) -> float:
    """A line of /proc/self/status, such as VmHWM, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024 / 1e6


def run(folder: str, case) -> None:
    """Trains two steps and prints the peak in MB."""
    _, method_name, dtype, rows, passes, tokens, _ = case
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = settings_of(case)
    examples = [Example([5] * (tokens - i % 4), [5] * ANSWER) for i in range(2 * rows * passes)]
    kind = AutoModelForSeq2SeqLM if Path(folder).name == "t5-base" else AutoModelForCausalLM
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM := VmRSS
    before = status_mb("VmRSS")
    method = make_method(method_name, settings)
    base = kind.from_pretrained(folder, dtype=DTYPES[dtype]).requires_grad_(False)
    adapted = attach(base, settings, method.full_rank_modules, None, method.new_lora)
    print(f"loaded: {status_mb('VmHWM') - before}", file=sys.stderr)
    fit(adapted, method.optimizer(adapted, {}), examples, SimpleNamespace(pad_token_id=0), settings, "run")
    print(status_mb("VmHWM") - before)


def measured_mb(folder: Path, case, variables: dict[str, str]) -> float:
    """The peak of a run in a process of its own, with some environment variables."""
    command = [sys.executable, __file__, "--run", str(folder), json.dumps(case)]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, env=environment)
    return float(done.stdout.split()[-1])


def compare(folder: Path, case, default_allocator: bool) -> dict:
    """A row of the table."""
    model, method, dtype, rows, passes, tokens, checkpointing = case
    row = {"model": model, "method": method, "dtype": dtype, "passes x rows x tokens": f"{passes} x {rows} x {tokens}"}
    row["checkpointing"] = "on" if checkpointing else "off"
    row["plan MB"] = make_plan(str(folder), method, settings_of(case), dtype).peak / 1e6
    row["run MB"] = measured_mb(folder, case, TIGHT)
    row["plan / run"] = row["plan MB"] / row["run MB"]
    if default_allocator:
        row["default MB"] = measured_mb(folder, case, {})
        row["plan / default"] = row["plan MB"] / row["default MB"]
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four small runs")
    parser.add_argument("--default-allocator", action="store_true", help="measure with the C library's allocator too")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run(args.run[0], json.loads(args.run[1]))
        return
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, config in CONFIGS.items():
            build_base(config, "float32").save_pretrained(Path(scratch) / name)
        for case in QUICK if args.quick else CASES:
            rows.append(compare(Path(scratch) / case[0], case, args.default_allocator))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="{:.3f}".format))
    print(f"plan / run from {table['plan / run'].min():.3f} to {table['plan / run'].max():.3f}")


if __name__ == "__main__":
    main()
