"""Greedy generation over the test rows of the tasks seen, and on request the likeliest label of each."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from gorp.data.complete_rows import RENDERED, ROWS, read_complete
from gorp.data.tokens import answer_ids, tokenize
from gorp.models.loading import autocast, load_base
from gorp.models.stage import read_stage
from gorp.models.stage_model import put_on
from gorp.parallel import processes
from gorp.prediction.decoding import Batch, greedy, likeliest
from gorp.util.errors import UserError
from gorp.util.files import write_jsonl
from gorp.util.progress import Progress

COPIED = ("task", "group", "id", "labels", "target", ROWS)  # of a row, to its prediction


@processes.started()
def predict(
    model: str,
    stage: Path | None,
    data: Sequence[Path],
    output: Path,
    max_source_length: int,
    max_new_tokens: int,
    batch_tokens: int,
    dtype: str = "float32",
    label_likelihood: bool = False,
) -> None:
    """Writes `{"task", "group", "id", "labels", "target", "prediction"}` lines for all rows of the files, in order.

    Where the rows know how many there are, "rows" is copied too (see `gorp.data.complete_rows`).
    `label_likelihood` adds "likeliest_label" (see `generate`). `stage` is loaded by stock peft onto the base model;
    None predicts with the base model alone (zero-shot). Of many processes each answers its share, and the first writes.
    """
    rows = [row for path in data for row in read_complete(path, "gorp preprocess", RENDERED)]
    base, tokenizer = load_base(model, dtype)
    if stage is not None:
        base = load_stage(base, stage, model, dtype)
    with autocast(base):
        answers = generate(base, tokenizer, rows, max_source_length, max_new_tokens, batch_tokens, label_likelihood)
    if processes.rank() == 0:
        write_jsonl(
            output,
            (
                {**{key: row[key] for key in COPIED if key in row}, **answer}
                for row, answer in zip(rows, answers, strict=True)
            ),
        )


def load_stage(base, stage: Path, model: str, dtype: str):
    """The base model with a stage on it. Raises UserError where the stage was made for another one."""
    verified = read_stage(stage)
    if verified.info["dtype"] != dtype:
        raise UserError(f"{stage}: its dtype is {verified.info['dtype']!r}, not {dtype!r}")
    return put_on(base, verified, model)


@torch.inference_mode()
def generate(
    model,
    tokenizer,
    rows: Sequence[dict],
    max_source_length: int,
    max_new_tokens: int,
    batch_tokens: int,
    label_likelihood: bool = False,
    *,
    shared: bool = True,
    quiet: bool = False,
) -> list[dict]:
    """`{"prediction": text}` of each rendered row, in their order: what the model generates greedily for it alone.

    A batch holds rows of the same labels and like length, at most `batch_tokens` tokens of padded prompts and answers;
    a row over that has one of its own. Rows with the same prompt are answered once. In fp32 a row where rounding, which
    differs from batch to batch, might decide between two tokens is done again alone: the answers do not depend on
    `batch_tokens`. In bf16 they may, where two tokens are nearly equal.
    `label_likelihood` adds "likeliest_label", that of the row's labels with the largest log-likelihood (see
    `gorp.prediction.decoding.label_log_likelihoods`); rows without labels (generation tasks) get none.
    The batches are dealt out to the processes, and are the same for any number of them: so are the answers. Unless they
    are `shared`, each process does them all. `quiet` shows no progress.
    """
    examples = tokenize(rows, tokenizer, max_source_length, decoder_only=not model.config.is_encoder_decoder)
    sources = [tuple(example.source) for example in examples]
    prompts = [(source, tuple(row["labels"])) for source, row in zip(sources, rows, strict=True)]
    dealt = list(batches(prompts, batch_tokens, max_new_tokens))
    rank, size = (processes.rank(), processes.size()) if shared else (0, 1)
    mine, own = dealt[rank::size], []
    with Progress("predict", sum(map(len, mine)), quiet=quiet or processes.rank() > 0) as progress:
        for batch in mine:
            found, sure = answer(model, tokenizer, batch, max_new_tokens, label_likelihood)
            for i, prompt in enumerate(batch):
                if len(batch) > 1 and not sure[i]:
                    found[i] = answer(model, tokenizer, [prompt], max_new_tokens, label_likelihood)[0][0]
            own += found
            progress.advance(len(batch))
    answers: dict[tuple, dict] = {}
    for number, text in enumerate(processes.gather_texts(json.dumps(own)) if shared else [json.dumps(own)]):
        answered = [prompt for batch in dealt[number::size] for prompt in batch]
        answers |= zip(answered, json.loads(text), strict=True)
    return [answers[prompt] for prompt in prompts]


def batches(prompts: Sequence[tuple], batch_tokens: int, max_new_tokens: int) -> Iterator[list[tuple]]:
    """Distinct prompts (token ids, labels) in batches of the same labels, the longest first."""
    batch: list[tuple] = []
    for prompt in sorted(set(prompts), key=lambda prompt: (prompt[1], -len(prompt[0]), prompt[0])):
        longest = len((batch or [prompt])[0][0])
        full = (len(batch) + 1) * (longest + max_new_tokens) > batch_tokens
        if batch and (full or prompt[1] != batch[0][1]):
            yield batch
            batch = []
        batch.append(prompt)
    if batch:
        yield batch


def answer(
    model, tokenizer, batch: Sequence[tuple], max_new_tokens: int, label_likelihood: bool
) -> tuple[list[dict], list[bool]]:
    """What `generate` returns for one batch of `batches`, and of which rows it is sure."""
    labels = batch[0][1]
    prompts = Batch(model, [source for source, _ in batch], tokenizer.pad_token_id)
    found: list[dict[str, str]] = [{} for _ in batch]
    sure = [True] * len(batch)
    if label_likelihood and labels:
        numbers, sure = likeliest(prompts, answer_ids(tokenizer, labels, not prompts.has_encoder))
        found = [{"likeliest_label": labels[number]} for number in numbers]
    tokens, decided = greedy(prompts, max_new_tokens, tokenizer.eos_token_id)
    texts = tokenizer.batch_decode(tokens, skip_special_tokens=True)
    answers = [{"prediction": text.strip(), **label} for text, label in zip(texts, found, strict=True)]
    return answers, [a and b for a, b in zip(sure, decided, strict=True)]
