"""Log-likelihoods of labels: ours beside those of lm-evaluation-harness, row by row.

    pip install -r benchmarks/requirements.txt
    python benchmarks/lm_eval_agreement.py
    python benchmarks/lm_eval_agreement.py --model FOLDER [--stage FOLDER] [--data path/to/CL_Benchmark] [--task agnews]

The harness gets the rendered rows as a multiple-choice task and loads the model and the stage by itself:

    lm_eval --model hf --model_args pretrained=MODEL,peft=STAGE --tasks ...

By design ours counts the end-of-sequence token, and the harness does not. So each row is compared twice: both without
that token, and both with it, which the harness reads as a part of the choices of a second task. Rows are not cut.
Without --model a small random LLaMA with byte-level BPE is made, and a stage trained on it for a few steps. Ends with
status 1 where a log-likelihood differs by more than 1e-4, or a choice does.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch
import yaml
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gorp.data.prompts import Prompts, render_split
from gorp.data.tasks import benchmark_root, find_tasks
from gorp.data.tokens import answer_ids, tokenize
from gorp.methods.registry import method_settings
from gorp.models.loading import load_base
from gorp.prediction.decoding import Batch, label_log_likelihoods
from gorp.prediction.predict import load_stage
from gorp.train.stage import train_stage
from gorp.util.files import write_jsonl

NO_LIMIT = 10**6  # tokens of a prompt
TOLERANCE = 1e-4  # nats


def read_rows(benchmark: str, task: str, split: str, count: int) -> list[dict]:
    root = benchmark_root(benchmark)
    return list(islice(render_split(root, find_tasks(root)[task], split, Prompts()), count))


def make_micro(rows: Sequence[dict], folder: Path) -> tuple[str, Path]:
    """(model, stage): a random LLaMA whose tokenizer puts no space before a text, and a few steps of training on it."""
    learnt = ByteLevelBPETokenizer()
    special = ["<|endoftext|>", "<|pad|>"]
    learnt.train_from_iterator([f"{row['source']} {row['target']}" for row in rows], 2000, special_tokens=special)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learnt._tokenizer, eos_token=special[0], bos_token=special[0], pad_token=special[1]
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    ids = {"vocab_size": len(tokenizer), "eos_token_id": 0, "bos_token_id": 0, "pad_token_id": 1}
    model, stage = folder / "micro", folder / "stage"
    LlamaForCausalLM(LlamaConfig(**sizes, **ids, initializer_range=0.1)).save_pretrained(model)
    tokenizer.save_pretrained(model)
    write_jsonl(folder / "train.jsonl", rows)
    modules = {"lora_modules": r".*self_attn\.(q|v)_proj", "full_rank_modules": r".*mlp\.gate_proj"}
    settings = method_settings("gorp", {**modules, "batch_size": 8, "micro_batch_size": 8, "learning_rate": 0.01})
    train_stage(str(model), folder / "train.jsonl", stage, "gorp", settings, 0, None)
    return str(model), stage


@torch.inference_mode()
def ours(model: str, stage: Path | None, rows: Sequence[dict]) -> tuple[list[Tensor], list[Tensor], str]:
    """(log-likelihoods [labels] of each row without the end-of-sequence token, the same with it, that token's text)."""
    base, tokenizer = load_base(model)
    if base.config.is_encoder_decoder:
        sys.exit(f"--model: {model} is not a decoder-only model")
    base = load_stage(base, stage, model, "float32") if stage else base
    plain, ended = [], []
    for row, example in zip(rows, tokenize(rows, tokenizer, NO_LIMIT, decoder_only=True), strict=True):
        prompt = Batch(base, [example.source], tokenizer.pad_token_id)
        ids = answer_ids(tokenizer, row["labels"], decoder_only=True)
        plain.append(label_log_likelihoods(prompt, [label[:-1] for label in ids])[0])
        ended.append(label_log_likelihoods(prompt, ids)[0])
    return plain, ended, tokenizer.eos_token


def harness(model: str, stage: Path | None, rows: Sequence[dict], end: str, folder: Path) -> list[Tensor]:
    """Log-likelihoods [labels] of each row by the `lm_eval` command, `end` being the end of each choice."""
    docs = [
        {"text": row["source"], "choices": [label + end for label in row["labels"]]}
        | {"gold": row["labels"].index(row["target"])}
        for row in rows
    ]
    write_jsonl(folder / "rows.jsonl", docs)
    task = {
        "task": "gorp_labels",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "rows.jsonl")}, "cache_dir": str(folder / "cache")},
        **{"test_split": "test", "output_type": "multiple_choice", "target_delimiter": " "},
        **{"doc_to_text": "text", "doc_to_choice": "choices", "doc_to_target": "gold"},
        "metric_list": [{"metric": "acc"}],
    }
    (folder / "gorp_labels.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    parts = [f"pretrained={model}", *([f"peft={stage}"] if stage else []), "dtype=float32"]
    command = [sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", ",".join(parts), "--device", "cpu"]
    command += ["--tasks", "gorp_labels", "--include_path", str(folder), "--batch_size", "8"]
    command += ["--output_path", str(folder / "out"), "--log_samples"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (samples,) = (folder / "out").rglob("samples_gorp_labels_*.jsonl")
    by_row = {
        sample["doc_id"]: torch.tensor([float(value) for value, _ in sample["filtered_resps"]])
        for sample in map(json.loads, samples.read_text(encoding="utf-8").splitlines())
    }
    return [by_row[number] for number in range(len(rows))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder with a saved decoder-only model")
    parser.add_argument("--stage", type=Path, help="a stage of --model, named in it as it is here")
    parser.add_argument("--data", default="bundled", help="a benchmark folder (default: the bundled one)")
    parser.add_argument("--task", default="dbpedia", help="a task with labels (default: dbpedia)")
    parser.add_argument("--rows", type=int, default=20, help="test rows (default: 20)")
    args = parser.parse_args()
    if importlib.util.find_spec("lm_eval") is None:
        parser.error("lm_eval is not installed: pip install -r benchmarks/requirements.txt")
    rows = read_rows(args.data, args.task, "test", args.rows)
    if not rows[0]["labels"]:
        parser.error(f"--task: {args.task} has no labels to compare")
    with tempfile.TemporaryDirectory() as scratch:
        model, stage = args.model, args.stage
        if not model:
            model, stage = make_micro(read_rows(args.data, args.task, "train", 64), Path(scratch))
        *own, end = ours(model, stage, rows)
        agreed, chosen = True, []
        for name, scores, text in zip(("without the end token", "with the end token"), own, ("", end), strict=True):
            folder = Path(scratch, name.split()[0])
            folder.mkdir()
            theirs = harness(model, stage, rows, text, folder)
            difference = max((a - b).abs().max().item() for a, b in zip(scores, theirs, strict=True))
            same = sum(a.argmax() == b.argmax() for a, b in zip(scores, theirs, strict=True))
            right = sum(r["labels"][s.argmax()] == r["target"] for r, s in zip(rows, theirs, strict=True))
            counted = sum(map(len, theirs))
            print(f"{name}: {counted} log-likelihoods, largest difference {difference:.1e}; ", end="")
            print(f"same choice in {same} of {len(rows)} rows; {right} are right", flush=True)
            agreed &= difference <= TOLERANCE and same == len(rows)
            chosen.append([int(score.argmax()) for score in scores])
        differing = sum(a != b for a, b in zip(*chosen, strict=True))
        print(f"the end token changes the choice in {differing} of {len(rows)} rows")
    sys.exit(not agreed)


if __name__ == "__main__":
    main()
