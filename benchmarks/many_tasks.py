"""The first stage against the fifteenth: step time, memory and size of the artifact.

    python benchmarks/many_tasks.py [--model t5-base|smollm2-135m] [--rounds 3]

The fourteen stages before are made up: random LoRA factors of rank 8 a task, full-rank matrices, and bases of 8 random
directions a task. Beside it the fifteenth with earlier factors kept beside the weights, as a base model in bfloat16
needs it, but run in float32, so that the price of that way can be told.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from sides import compare, make_model, settings_of

from gorp.config.settings import parse_assignments
from gorp.methods.registry import make_method, method_settings
from gorp.models.adapters import attach, lora_config
from gorp.models.loading import load_base
from gorp.models.stage import write_stage


def make_stage(model: str, settings, tasks: int, folder: Path) -> Path:
    """A stage of `tasks` made-up tasks."""
    base, _ = load_base(model)
    adapted = attach(base, settings, make_method("gorp", settings).full_rank_modules, None, True)
    generator = torch.Generator().manual_seed(0)
    lora, space = {}, {}
    for name, parameter in adapted.lora.items():
        out, into = parameter.shape
        shape = (out * tasks, into) if name.endswith("lora_A") else (out, into * tasks)
        lora[f"base_model.model.{name}.weight"] = 1e-3 * torch.randn(shape, generator=generator)
        if name.endswith("lora_A"):
            space[name] = torch.linalg.qr(torch.randn(into, min(8 * tasks, into), generator=generator)).Q
    for name, parameter in adapted.full_rank.items():
        whole = max(parameter.shape)
        space[name] = torch.linalg.qr(torch.randn(whole, min(8 * tasks, whole), generator=generator)).Q
    names = [name.removesuffix(".lora_A") for name in adapted.lora if name.endswith("lora_A")]
    full = [name.removesuffix(".weight") for name in adapted.full_rank]
    config = lora_config(base, 8 * tasks, 32.0 * tasks, names, 0.0, full)
    info = {"tasks": ["made-up"] * tasks, "method": "gorp", "base_model": model, "dtype": "float32"}
    write_stage(folder, config, lora, adapted.full_rank, space, info)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["t5-base", "smollm2-135m"], default="t5-base")
    parser.add_argument("--rounds", type=int, default=3, help="times that each side is run, in turn")
    parser.add_argument("--steps", type=int, default=12)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = make_model(args.model, folder)
        texts = settings_of(args.model, "gorp")
        settings = method_settings("gorp", parse_assignments(texts))
        stages = {tasks: make_stage(model, settings, tasks, folder / f"stage{tasks}") for tasks in (1, 14, 15)}
        common = ["--model", model, "--steps", str(args.steps), "--method", "gorp"]
        sides = {
            "stage 1": [*common, "--set", *texts],
            "stage 15": [*common, "--parent", str(stages[14]), "--set", *texts],
            "stage 15, not merged": [*common, "--parent", str(stages[14]), "--separate", "--set", *texts],
        }
        print(f"\n{args.model}, 8 rows of 256 tokens, 2 threads")
        print(compare(sides, args.rounds).to_string())
        for tasks in (1, 15):
            size = sum(path.stat().st_size for path in stages[tasks].iterdir()) / 1e6
            print(f"artifact after {tasks} task{'s' * (tasks > 1)}: {size:.1f} MB")


if __name__ == "__main__":
    main()
