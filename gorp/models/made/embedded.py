"""The embedded base models, `tiny-t5` and `tiny-llama`: a tokenizer and a small model pretrained on bundled text.

Pretraining mixes self-supervision on the prompts of the train rows, without their answers (span corruption for T5,
next token for LLaMA), with three ways of reading a prompt with options: which option stands first or last, which one
is a word of the text, and which kind has a word in the text, where kinds are invented. Options are random words of
the texts and never a label of any task: the zero-shot model knows the form of a prompt and nothing of the tasks.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from gorp.data.batches import collate
from gorp.data.instructions import read_instructions
from gorp.data.prompts import render
from gorp.data.splits import read_labels, read_split
from gorp.data.tasks import find_tasks
from gorp.data.tokens import Example
from gorp.models.loss import summed_loss
from gorp.models.made.exercises import QUESTIONS, WORD, Reader
from gorp.util.files import filling
from gorp.util.progress import Progress

VOCABULARY = 4096
SENTINELS = 16  # of span corruption
PAD, EOS, UNK, BOS = "<pad>", "</s>", "<unk>", "<s>"
STEPS = {"tiny-t5": 1800, "tiny-llama": 1100}  # under three minutes each on two cores
BATCH, LEARNING_RATE = 32, 1e-2  # the rate is relative to a parameter's own size (Adafactor)
LONGEST = 96  # tokens of a prompt that is not read but restored
# what the steps do in turn; copying an option comes before choosing one
EARLY = ("place", "place", "restore", "word", "kind", "place")
LATE = ("place", "kind", "restore", "word", "kind", "place")


def make_embedded(name: str, benchmark: Path, output: Path, seed: int, steps: int | None = None) -> None:
    """Trains the tokenizer and the model `name` and saves both as a transformers folder, each file whole."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    texts, prompts, labels = [], [], set()
    for task in find_tasks(benchmark).values():
        names, (instruction,) = read_labels(task), read_instructions(benchmark, task)
        rows = read_split(task, "train", names)
        texts += [row["sentence"] for row in rows]
        prompts += [render(row, 0, task.name, task.group, instruction, names)["source"] for row in rows]
        labels.update(names)
    tokenizer = train_tokenizer([*prompts, *labels, *QUESTIONS.values()])
    model = build_model(name, tokenizer)
    label_words = {word for label in labels for word in WORD.findall(label.lower())}
    reader = Reader(texts, label_words, tokenizer, rng)
    pretrain(model, tokenizer, prompts, reader, rng, steps or STEPS[name])
    with filling(output) as scratch:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)


def train_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: it spells any text, of real data too, without unknown tokens."""
    special = [PAD, EOS, UNK, BOS, *(f"<extra_id_{i}>" for i in range(SENTINELS))]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNK,
        bos_token=BOS,
        additional_special_tokens=special[4:],
        clean_up_tokenization_spaces=False,
    )


def build_model(name: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A randomly initialised model of over one million parameters."""
    ids: dict[str, Any] = {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "vocab_size": len(tokenizer),
    }
    if name == "tiny-t5":
        sizes: dict[str, Any] = {
            "d_model": 128,
            "d_kv": 32,
            "num_heads": 4,
            "d_ff": 256,
            "num_layers": 2,
            "num_decoder_layers": 2,
        }
        start: dict[str, Any] = {"decoder_start_token_id": tokenizer.pad_token_id}
        model = T5ForConditionalGeneration(
            T5Config(**ids, **sizes, **start, dropout_rate=0.0, relative_attention_max_distance=64)
        )
        ease_copying(model)
        return model
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
    start = {"bos_token_id": tokenizer.bos_token_id, "tie_word_embeddings": True, "max_position_embeddings": 1024}
    return LlamaForCausalLM(LlamaConfig(**ids, **sizes, **start))


def ease_copying(model: T5ForConditionalGeneration) -> None:
    """Starts the encoder attending to like tokens, and cross-attention handing tokens on, in place.

    A random start finds out only after thousands of steps that an answer may be copied from the options.
    """
    encoder: Any = model.encoder
    decoder: Any = model.decoder
    with torch.no_grad():
        for block in encoder.block:
            attention = block.layer[0].SelfAttention
            attention.q.weight.copy_(attention.k.weight * attention.key_value_proj_dim**-0.5)
        for block in decoder.block:
            attention = block.layer[1].EncDecAttention
            torch.nn.init.orthogonal_(attention.v.weight)
            attention.o.weight.copy_(5 * attention.v.weight.mT)


def pretrain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    reader: Reader,
    rng: random.Random,
    steps: int,
) -> None:
    """`steps` batches of Adafactor with warm-up, and linear decay over the second half; in place."""
    restore = corrupt if model.config.is_encoder_decoder else continue_text
    optimizer = torch.optim.Adafactor(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 50, 1.0, (steps - step) / steps * 2 + 0.02)
    )
    model.train()
    with Progress("pretrain", steps) as progress:
        for step in range(steps):
            kind = (EARLY if step < 0.35 * steps else LATE)[step % len(LATE)]
            if kind == "restore":
                ids = tokenizer(rng.choices(prompts, k=BATCH))["input_ids"]
                rows = [restore(row[:LONGEST], tokenizer, rng) for row in ids]
            else:
                rows = reader.batch(kind, BATCH)
            inputs, labels = collate(rows, tokenizer, model.config)
            loss = summed_loss(model(**inputs).logits, labels) / sum(len(row.target) for row in rows)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            progress.advance(loss=f"{loss.item():.3f}")
    model.eval()


def corrupt(ids: list[int], tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> Example:
    """T5's span corruption: about 15 % of the tokens, in spans of 1 to 4, become sentinels; the target spells them."""
    source: list[int] = []
    target: list[int] = []
    i, sentinel = 0, 0
    while i < len(ids):
        if sentinel < SENTINELS and rng.random() < 0.07:
            mark: Any = tokenizer.convert_tokens_to_ids(f"<extra_id_{sentinel}>")
            length = rng.randint(1, 4)
            source.append(mark)
            target += [mark, *ids[i : i + length]]
            sentinel, i = sentinel + 1, i + length
        else:
            source.append(ids[i])
            i += 1
    return Example(source, [*target, tokenizer.eos_token_id])


def continue_text(ids: list[int], tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> Example:
    """Next-token prediction: the whole text is target."""
    return Example([tokenizer.bos_token_id], [*ids, tokenizer.eos_token_id])
