"""Micro models and tasks, made on the spot: a T5 and a LLaMA of a few thousand random weights."""

import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from gorp.config.settings import TrainSettings
from gorp.data.prompts import render
from gorp.methods.registry import method_settings
from gorp.models.loading import load_base
from gorp.models.made.embedded import train_tokenizer
from gorp.train.stage import train_stage
from gorp.util.files import write_jsonl

torch.set_num_threads(1)

SMALL = {
    "batch_size": 4,
    "micro_batch_size": 4,
    "learning_rate": 0.02,
    "max_source_length": 200,
    "lora_r": 2,
    "lora_alpha": 8.0,
}
FULL_RANK = {"full_rank_lr": 0.01, "rank": 4, "refresh_every": 2}
PATTERNS = {
    "t5": (r".*SelfAttention\.(q|v)", r".*EncDecAttention\.(q|v)"),
    "llama": (r".*self_attn\.(q|v)_proj", r".*mlp\.gate_proj"),
}
TASKS = {  # name: group, instruction, labels, rows of different lengths
    "moods": (
        "SC",
        "How does the person feel? Choose one from the option.\n",
        ["Good", "Bad"],
        [
            ("Good", "What a sunny day, I sing."),
            ("Bad", "It rained on my picnic and the sandwiches went soggy before anyone came."),
            ("Bad", "My bicycle is gone."),
            ("Good", "We won the race by a mile!"),
            ("Good", "Fresh bread, hot tea and a good book by the fire: what more could I wish for tonight?"),
            ("Bad", "No."),
            ("Good", "The cat came home."),
        ],
    ),
    "topics": (
        "TC",
        "What is the text about? Choose one from the option.\n",
        ["Sports", "Sea life", "Trains"],
        [
            ("Trains", "The engine pulled nine wagons up the hill."),
            ("Sports", "The keeper saved a late shot."),
            ("Sea life", "An octopus has three hearts, and two of them rest when it swims."),
            ("Trains", "Tickets please!"),
            ("Sports", "She served, the crowd rose, and the ball came down on the white line."),
        ],
    ),
    "causes": (
        "COPA",
        "",
        ["A", "B"],
        [
            ("A", "The vase broke. What was the cause? A: it fell. B: it was blue."),
            ("B", "He wore a coat. Why? A: it was hot. B: it was cold outside that day."),
            ("A", "The dog barked. Why? A: a bell rang. B: it slept."),
            ("B", "The lamp went out. What was the cause? A: it was new. B: the oil was used up."),
        ],
    ),
}


@dataclass(frozen=True)
class Micro:
    """A micro model: its folder, tokenizer and settings that fit it."""

    name: str
    path: str
    tokenizer: PreTrainedTokenizerFast

    def load(self) -> PreTrainedModel:
        return load_base(self.path)[0]

    def settings(self, method: str = "gorp", **changes) -> TrainSettings:
        lora, full_rank = PATTERNS[self.name]
        own = {**FULL_RANK, "full_rank_modules": full_rank} if method == "gorp" else {}
        return method_settings(method, {**SMALL, "lora_modules": lora, **own, **changes})


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever tries to reach a network fails the test."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("the network was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def task_rows() -> dict[str, list[dict]]:
    """Rendered rows by task."""
    return {
        name: [
            render({"label": label, "sentence": sentence}, number, name, group, instruction, labels)
            for number, (label, sentence) in enumerate(rows)
        ]
        for name, (group, instruction, labels, rows) in TASKS.items()
    }


@pytest.fixture(scope="session")
def tasks(task_rows, tmp_path_factory) -> dict[str, Path]:
    """Files of rendered rows by task."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, rows in task_rows.items():
        write_jsonl(folder / f"{name}.jsonl", rows)
    return {name: folder / f"{name}.jsonl" for name in task_rows}


@pytest.fixture(scope="session")
def micros(task_rows, tmp_path_factory) -> dict[str, Micro]:
    """Both families; no matrix is square, so that either orientation is met."""
    tokenizer = train_tokenizer([row["source"] for rows in task_rows.values() for row in rows])
    ids = {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "vocab_size": len(tokenizer),
    }
    torch.manual_seed(0)
    t5 = T5ForConditionalGeneration(
        T5Config(
            **ids,
            d_model=32,
            d_kv=12,
            num_heads=2,
            d_ff=48,
            num_layers=2,
            dropout_rate=0.0,
            decoder_start_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=False,
        )
    )
    with torch.no_grad():  # so that answers depend on the prompt, which random cross-attention hardly looks at
        for block in t5.decoder.block:
            block.layer[1].EncDecAttention.v.weight *= 4
            block.layer[1].EncDecAttention.q.weight *= 2
        t5.lm_head.weight /= 10  # logits of about 1, so that rounding stays below 1e-5
    llama = LlamaForCausalLM(
        LlamaConfig(
            **ids,
            bos_token_id=tokenizer.bos_token_id,
            hidden_size=32,
            head_dim=12,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            initializer_range=0.2,
        )
    )
    micros = {}
    for name, model in (("t5", t5), ("llama", llama)):
        path = str(tmp_path_factory.mktemp(name))
        model.save_pretrained(path)
        tokenizer.save_pretrained(path)
        micros[name] = Micro(name, path, load_base(path)[1])
    return micros


@pytest.fixture(params=["t5", "llama"])
def family(request, micros) -> Micro:
    """Runs a test with each of the two model families."""
    return micros[request.param]


@pytest.fixture(scope="session")
def chain(tasks, tmp_path_factory):
    """`chain(family, method, n)`: folders of the stages of the first n tasks, trained once a session."""
    made: dict[tuple, Path] = {}

    def stages(family: Micro, method: str = "gorp", count: int = 3) -> list[Path]:
        folders: list[Path] = []
        for number, name in enumerate(list(tasks)[:count]):
            key = (family.name, method, number)
            if key not in made:
                made[key] = tmp_path_factory.mktemp(f"{family.name}-{method}") / name
                parent = folders[-1] if folders else None
                train_stage(family.path, tasks[name], made[key], method, family.settings(method), 7, parent)
            folders.append(made[key])
        return folders

    return stages


@pytest.fixture
def train(tasks, tmp_path):
    """`train(family, task, parent, seed, method, dtype, **settings)` trains into a new folder and returns it."""
    count = iter(range(1000))

    def run(family, task="moods", parent=None, seed=7, method="gorp", dtype="float32", **changes) -> Path:
        folder = tmp_path / str(next(count))
        settings = family.settings(method, **changes)
        train_stage(family.path, tasks[task], folder, method, settings, seed, parent, dtype)
        return folder

    return run
