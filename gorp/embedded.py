"""The embedded base models, `tiny-t5` and `tiny-llama`: a tokenizer and a small model pretrained on bundled text.

Pretraining mixes self-supervision on the train sentences (span corruption for T5, next token for LLaMA) with reading:
an instruction with options, one of which fits the text. The options are words of the texts themselves; no label of
any task is ever an answer, so that the zero-shot model knows the form of a prompt and nothing of the tasks.
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path

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

from gorp.benchmark import find_tasks, read_instruction, read_labels, read_split
from gorp.progress import Progress
from gorp.prompts import Example, collate
from gorp.train import summed_loss

VOCABULARY = 4096
SENTINELS = 16  # of span corruption
PAD, EOS, UNK, BOS = "<pad>", "</s>", "<unk>", "<s>"
BATCH = 64
STEPS = 1000
LONGEST = 128  # tokens of a pretraining text
WORD = re.compile(r"[A-Za-z]{4,}")
READING = (  # task, data set, instruction; a gap or not
    ("Reading", "words", "Which of these words stands in the paragraph? Choose one from the option.\n", False),
    ("Cloze", "gaps", "Which word belongs in the gap of the paragraph? Choose one from the option.\n", True),
)


def make_embedded(name: str, benchmark: Path, output: Path, seed: int, steps: int = STEPS) -> None:
    """Trains the tokenizer and the model `name` and saves both as a transformers folder."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tasks = find_tasks(benchmark).values()
    labels = {task.name: read_labels(task) for task in tasks}
    texts = [row["sentence"] for task in tasks for row in read_split(task, "train", labels[task.name])]
    prompts = [read_instruction(benchmark, task.group) + ", ".join(labels[task.name]) for task in tasks]
    tokenizer = train_tokenizer([*texts, *prompts * 20, *(row[2] for row in READING)])
    model = build_model(name, tokenizer)
    label_words = {word.lower() for names in labels.values() for label in names for word in WORD.findall(label)}
    pretrain(model, tokenizer, texts, label_words, rng, steps)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


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
    """A randomly initialised model of a few million parameters."""
    ids = {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "vocab_size": len(tokenizer),
    }
    if name == "tiny-t5":
        return T5ForConditionalGeneration(
            T5Config(
                **ids,
                d_model=192,
                d_kv=32,
                num_heads=6,
                d_ff=512,
                num_layers=3,
                num_decoder_layers=2,
                dropout_rate=0.0,
                decoder_start_token_id=tokenizer.pad_token_id,
                relative_attention_max_distance=64,
            )
        )
    return LlamaForCausalLM(
        LlamaConfig(
            **ids,
            bos_token_id=tokenizer.bos_token_id,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=6,
            tie_word_embeddings=True,
            max_position_embeddings=1024,
        )
    )


def pretrain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    label_words: set[str],
    rng: random.Random,
    steps: int,
) -> None:
    """AdamW with warm-up and linear decay over `steps` batches; in place."""
    words = sorted({w for text in texts for w in WORD.findall(text) if w.lower() not in label_words})
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 50, (steps - step) / (steps - 50 + 1e-9))
    )
    model.train()
    with Progress("pretrain", steps) as progress:
        for step in range(steps):
            rows = batch_of(step, texts, words, label_words, tokenizer, model.config.is_encoder_decoder, rng)
            inputs, labels = collate(rows, tokenizer, model.config)
            loss = summed_loss(model(**inputs).logits, labels) / sum(len(row.target) for row in rows)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            progress.advance(loss=f"{loss.item():.3f}")
    model.eval()


def batch_of(step, texts, words, label_words, tokenizer, encoder_decoder, rng) -> list[Example]:
    """One batch: self-supervision on every fourth step, reading on the others."""
    chosen = rng.choices(texts, k=BATCH)
    if step % 4 == 0:
        ids = tokenizer(chosen)["input_ids"]
        spans = corrupt if encoder_decoder else continue_text
        return [spans(row[:LONGEST], tokenizer, rng) for row in ids]
    kind = READING[step % len(READING)]
    pairs = [reading(text, kind, words, label_words, rng) for text in chosen]
    sources = tokenizer([source for source, _ in pairs])["input_ids"]
    targets = tokenizer([target for _, target in pairs])["input_ids"]
    return [Example(s[-LONGEST:], [*t, tokenizer.eos_token_id]) for s, t in zip(sources, targets, strict=True)]


def corrupt(ids: list[int], tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> Example:
    """T5's span corruption: about 15 % of the tokens in spans of 1 to 4 become sentinels, the target spells them."""
    source, target, i, sentinel = [], [], 0, 0
    while i < len(ids):
        if sentinel < SENTINELS and rng.random() < 0.07:
            mark = tokenizer.convert_tokens_to_ids(f"<extra_id_{sentinel}>")
            length = rng.randint(1, 4)
            source.append(mark)
            target += [mark, *ids[i : i + length]]
            sentinel, i = sentinel + 1, i + length
        else:
            source.append(ids[i])
            i += 1
    return Example(source or [tokenizer.eos_token_id], [*target, tokenizer.eos_token_id])


def continue_text(ids: list[int], tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> Example:
    """Next-token prediction: everything after the first token is target."""
    return Example([tokenizer.bos_token_id], [*ids, tokenizer.eos_token_id])


def reading(
    text: str, kind: tuple[str, str, str, bool], words: Sequence[str], label_words: set[str], rng: random.Random
) -> tuple[str, str]:
    """A prompt in the benchmark's form and its answer, a word of the text among words that are not in it."""
    task, dataset, instruction, gap = kind
    own = [w for w in WORD.findall(text) if w.lower() not in label_words]
    answer = rng.choice(own) if own else rng.choice(words)
    options = [w for w in rng.sample(words, rng.randint(1, 9)) if w not in text]
    options.insert(rng.randint(0, len(options)), answer)
    if gap:
        text = text.replace(answer, "___")
    return f"Task:{task}\nDataset:{dataset}\n{instruction}Option: {', '.join(options)} \n{text}\nAnswer:", answer
