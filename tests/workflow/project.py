"""A project small enough for real runs in the tests."""

import contextlib
import json
import shutil
from pathlib import Path

import torch
import yaml
from calls import REPOSITORY
from transformers import T5Config, T5ForConditionalGeneration

from gorp.data.tasks import BUNDLED
from gorp.models.made.embedded import train_tokenizer
from gorp.models.trainable import read_layers
from gorp.util.files import write_json

ORDERS = {"short": {"ab": ["amazon", "agnews"], "abc": ["amazon", "agnews", "yahoo"]}}


def make_project(folder: Path) -> Path:
    """A checkout with three small tasks, a random micro T5 and two orders that start alike."""
    for name in ("Snakefile", "workflow", "profiles"):
        (folder / name).symlink_to(REPOSITORY / name)
    texts = []
    for task in ("SC/amazon", "TC/agnews", "TC/yahoo"):
        for split in ("train", "dev", "test"):
            rows = json.loads((BUNDLED / task / f"{split}.json").read_text())[:8]
            texts += [row["sentence"] for row in rows]
            write_json(folder / "data" / task / f"{split}.json", rows)
        shutil.copy(BUNDLED / task / "labels.json", folder / "data" / task)
    shutil.copy(BUNDLED / "instruction_config.json", folder / "data")
    tokenizer = train_tokenizer(texts)
    torch.manual_seed(0)
    sizes = dict(d_model=32, d_kv=16, num_heads=2, d_ff=16, num_layers=1, num_decoder_layers=1, dropout_rate=0.0)
    ids = dict(pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, decoder_start_token_id=0)
    T5ForConditionalGeneration(T5Config(vocab_size=len(tokenizer), **sizes, **ids)).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    with contextlib.chdir(folder):  # as the first call would find them, seconds later
        read_layers("./model", Path(".snakemake/gorp"))
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    config |= {"run": "test", "model": "./model", "benchmark": "data", "orders": ORDERS}
    config["training"] |= {"epochs": 1, "batch_size": 4, "rank": 4}
    write_json(folder / "adam.json", {"optimizer": {"type": "Adam"}})
    config["prediction"] |= {"max_new_tokens": 3}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder
