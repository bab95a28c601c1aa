"""Greedy generation over the test rows of the tasks seen."""

from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel

from gorp.adapter import read_stage
from gorp.errors import UserError
from gorp.files import read_jsonl, write_jsonl
from gorp.models import autocast, load_base
from gorp.progress import Progress
from gorp.prompts import pad, tokenize


def predict(
    model: str,
    stage: Path | None,
    data: Sequence[Path],
    output: Path,
    max_source_length: int,
    max_new_tokens: int,
    batch_size: int,
    dtype: str = "float32",
) -> None:
    """Writes `{"task", "id", "prediction", "target"}` lines for all rows of the data files, in their order.

    `stage` is loaded by stock peft onto the base model; None predicts with the base model alone (zero-shot).
    """
    base, tokenizer = load_base(model, dtype)
    if stage is not None:
        verified = read_stage(stage)
        for key, value in (("base_model", model), ("dtype", dtype)):
            if verified.info[key] != value:
                raise UserError(f"{stage}: its {key} is {verified.info[key]!r}, not {value!r}")
        base = PeftModel.from_pretrained(base, str(stage)).eval()
    rows = [row for path in data for row in read_jsonl(path)]
    with autocast(base):
        answers = generate(base, tokenizer, rows, max_source_length, max_new_tokens, batch_size)
    write_jsonl(
        output,
        (
            {"task": row["task"], "id": row["id"], "prediction": answer, "target": row["target"]}
            for row, answer in zip(rows, answers, strict=True)
        ),
    )


@torch.inference_mode()
def generate(model, tokenizer, rows: Sequence[dict], max_source_length: int, max_new_tokens: int, batch_size: int):
    """The generated text of each row, in the order of `rows`; batches hold rows of like length."""
    decoder_only = not model.config.is_encoder_decoder
    sources = [e.source for e in tokenize(rows, tokenizer, max_source_length)]
    order = sorted(range(len(rows)), key=lambda i: len(sources[i]), reverse=True)
    answers = [""] * len(rows)
    with Progress("predict", len(rows)) as progress:
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            ids = pad([sources[i] for i in batch], tokenizer.pad_token_id, left=decoder_only)
            mask = pad([[1] * len(sources[i]) for i in batch], 0, left=decoder_only)
            out = model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                num_beams=1,
                max_new_tokens=max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
            new = out[:, ids.shape[1] :] if decoder_only else out
            for i, text in zip(batch, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True):
                answers[i] = text.strip()
            progress.advance(len(batch))
    return answers
