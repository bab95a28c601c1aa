"""From a benchmark row to text, and from text to padded tensors for both model families."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gorp.errors import UserError
from gorp.sources import model_source, tokenizer_problem

if TYPE_CHECKING:  # rendering text needs neither torch nor transformers, and starts without them
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

IGNORED = -100  # label of positions that the loss leaves out, as torch's cross_entropy has it


def render(
    row: dict,
    number: int,
    task: str,
    group: str,
    instruction: str,
    labels: Sequence[str],
    shots: Sequence[dict] = (),
    task_name: bool = True,
    dataset_name: bool = True,
) -> dict:
    """One row as the model reads it: `{"task", "group", "id", "source", "target", "labels", "sentence_at"}`.

    `sentence_at` is the span [start, end) of the sentence within `source`: what may be cut when a prompt is too long.
    `shots` are rows shown as examples, with their answers, before the sentence; `shots_at`, there if they are, holds
    the span of each. Groups without an instruction (COPA) ask in the sentence and get no option line. A generation row
    has no options; an instruction of its own stands in place of the task's. `task_name` and `dataset_name` say whether
    the source begins with the lines `Task:GROUP` and `Dataset:TASK`.
    """
    instruction = own_instruction(row) or instruction
    head = f"Task:{group}\n" * task_name + f"Dataset:{task}\n" * dataset_name + instruction
    if instruction and labels:
        head += f"Option: {', '.join(labels)} \n"
    spans = []
    for shot in shots:
        start, other = len(head), own_instruction(shot)
        head += f"{other if other != instruction else ''}{shot['sentence']}\nAnswer: {shot['label']}\n"
        spans.append([start, len(head)])
    source = f"{head}{row['sentence']}\nAnswer:"
    span = [len(head), len(head) + len(row["sentence"])]
    names = {"task": task, "group": group, "id": number, "labels": list(labels)}
    rendered = {**names, "source": source, "target": row["label"], "sentence_at": span}
    return {**rendered, "shots_at": spans} if spans else rendered


def own_instruction(row: dict) -> str:
    """The instruction that a generation row brings along; "" for other rows."""
    text = row["instruction"].rstrip("\n") if "output" in row else ""
    return f"{text}\n" if text.strip() else ""


def load_tokenizer(model: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of a base model, a folder or a hub id, with a padding token. Raises UserError if there is none."""
    from transformers import AutoTokenizer

    source, local = model_source(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        reason = tokenizer_problem(source) if local else None
        reason = reason or str(error).splitlines()[0]
        raise UserError(f"model: {model}: its tokenizer cannot be loaded: {reason}") from error
    if len(tokenizer) == len(tokenizer.all_special_ids):  # transformers makes an empty one where there are no files
        raise UserError(f"model: {model}: its tokenizer cannot be loaded: {tokenizer_problem(source) or 'it is empty'}")
    if not tokenizer.is_fast:
        raise UserError(f"model: {model}: its tokenizer has no fast version, which is needed to cut long prompts")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@dataclass(frozen=True)
class Example:
    """A tokenised row: `source` and `target` are token ids, the target ends with the end-of-sequence token."""

    source: list[int]
    target: list[int]


def tokenize(
    rows: Sequence[dict],
    tokenizer: "PreTrainedTokenizerBase",
    max_source_length: int,
    max_target_length: int | None = None,
) -> list[Example]:
    """Tokenises rendered rows; a source over `max_source_length` tokens loses examples, then the end of its *sentence*.

    The instruction, the options and the closing `Answer:` stay whole. Raises UserError where they alone do not fit,
    or a target has more than `max_target_length` tokens (None: no limit) with its end-of-sequence token.
    """
    rows = drop_shots(rows, tokenizer, max_source_length)
    sources = tokenizer([row["source"] for row in rows], return_offsets_mapping=True)
    targets = tokenizer([row["target"] for row in rows], add_special_tokens=False)["input_ids"]
    examples = []
    for row, ids, offsets, target in zip(rows, sources["input_ids"], sources["offset_mapping"], targets, strict=True):
        excess = len(ids) - max_source_length
        if excess > 0:
            ids = cut_sentence(ids, offsets, row["sentence_at"], excess)
            if len(ids) > max_source_length:
                raise UserError(
                    f"max_source_length: {max_source_length} tokens do not hold the instruction and the options of "
                    f"{row['task']}; raise it to at least {len(ids)}"
                )
        target = [*target, tokenizer.eos_token_id]
        if max_target_length is not None and len(target) > max_target_length:
            raise UserError(
                f"max_target_length: the target {shortened(row['target'])!r} of {row['task']}, row {row['id'] + 1}, "
                f"has {len(target)} tokens, over the limit of {max_target_length}; raise it, or shorten the row"
            )
        examples.append(Example(ids, target))
    return examples


def shortened(text: str, limit: int = 60) -> str:
    """The beginning of a text, for a message."""
    return text if len(text) <= limit else f"{text[:limit]}..."


def drop_shots(rows: Sequence[dict], tokenizer: "PreTrainedTokenizerBase", limit: int) -> list[dict]:
    """The rows; one over `limit` tokens without the first of its examples, and so on until it fits or has none left.

    An example goes as a whole: half a one would show a wrong form. How many rows lost examples is said on stderr.
    """
    rows = list(rows)
    pending = [i for i, row in enumerate(rows) if row.get("shots_at")]
    full, lost = len(pending), set()
    while pending:
        lengths = [len(ids) for ids in tokenizer([rows[i]["source"] for i in pending])["input_ids"]]
        pending = [i for i, n in zip(pending, lengths, strict=True) if n > limit and rows[i]["shots_at"]]
        lost.update(pending)
        for i in pending:
            rows[i] = without_first_shot(rows[i])
    if lost:
        print(f"{len(lost)} of {full} prompts lost examples to the limit of {limit} tokens", file=sys.stderr)
    return rows


def without_first_shot(row: dict) -> dict:
    """A rendered row without the first of its examples; the spans move with the text."""
    (start, end), *others = row["shots_at"]
    moved = [[a - (end - start), b - (end - start)] for a, b in (row["sentence_at"], *others)]
    source = row["source"][:start] + row["source"][end:]
    return {**row, "source": source, "sentence_at": moved[0], "shots_at": moved[1:]}


def cut_sentence(ids: list[int], offsets: list[tuple[int, int]], span: Sequence[int], excess: int) -> list[int]:
    """Drops the last `excess` tokens (or as many as there are) that lie wholly inside the character span."""
    inside = [i for i, (start, end) in enumerate(offsets) if span[0] <= start < end <= span[1]]
    dropped = set(inside[-excess:])
    first = min((offsets[i][0] for i in dropped), default=span[1])
    dropped.update(i for i in inside if offsets[i][1] > first)  # byte-level tokens may share one character
    return [token for i, token in enumerate(ids) if i not in dropped]


def pad(sequences: Sequence[Sequence[int]], value: int, left: bool = False) -> "torch.Tensor":
    """int64 tensor [len(sequences), longest], padded with `value` on the right, or on the left."""
    import torch

    longest = max(len(ids) for ids in sequences)
    rows = [
        [value] * (longest - len(ids)) + list(ids) if left else [*ids] + [value] * (longest - len(ids))
        for ids in sequences
    ]
    return torch.tensor(rows, dtype=torch.long)


def to_device(batch, device: "torch.device"):
    """A tensor, or a dict of tensors and numbers, on a device; to a GPU the copy goes while it computes."""
    import torch

    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if not isinstance(batch, torch.Tensor) or device.type != "cuda":
        return batch
    return batch.pin_memory().to(device, non_blocking=True)


def collate(
    examples: Sequence[Example], tokenizer: "PreTrainedTokenizerBase", config: "PretrainedConfig"
) -> tuple[dict[str, "torch.Tensor"], "torch.Tensor"]:
    """A training batch: (model inputs, labels [batch, answer length]), labels `IGNORED` outside the answers.

    Encoder-decoder: the source goes to the encoder, the target shifted by one to the decoder. Decoder-only: source
    and target are one sequence, padded on the left so that the answers end together; `logits_to_keep` asks for the
    logits of the answer positions alone.
    """
    labels = pad([e.target for e in examples], IGNORED, left=not config.is_encoder_decoder)
    fill = tokenizer.pad_token_id
    if config.is_encoder_decoder:
        ids = pad([e.source for e in examples], fill)
        mask = pad([[1] * len(e.source) for e in examples], 0)
        shifted = pad([[config.decoder_start_token_id, *e.target[:-1]] for e in examples], fill)
        return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": shifted}, labels
    # the last token is predicted, never read; position t predicts token t + 1
    ids = pad([[*e.source, *e.target[:-1]] for e in examples], fill, left=True)
    mask = pad([[1] * (len(e.source) + len(e.target) - 1) for e in examples], 0, left=True)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    return {**inputs, "logits_to_keep": labels.shape[1]}, labels
