"""From a benchmark row to text, and from text to padded tensors for both model families."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gorp.errors import UserError
from gorp.shots import CHUNK, drop_shots
from gorp.sources import model_source, tokenizer_problem

if TYPE_CHECKING:  # rendering text needs neither torch nor transformers, and starts without them
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

IGNORED = -100  # label of positions that the loss leaves out, as torch's cross_entropy has it
PROMPT_END = "\nAnswer:"  # of what `render` makes; an answer follows after a space


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
    decoder_only: bool = False,
) -> list[Example]:
    """Tokenises rendered rows; a source over `max_source_length` tokens loses examples, then the end of its *sentence*.

    The instruction, the options and the closing `Answer:` stay whole. A source is read alone, so that its ids are the
    same in training and in prediction; see `answer_ids` for the target. Raises UserError where what stays does not fit,
    or a target has more than `max_target_length` tokens (None: no limit) with its end-of-sequence token.
    """
    rows = drop_shots(rows, tokenizer, max_source_length)
    targets = answer_ids(tokenizer, [row["target"] for row in rows], decoder_only)
    examples = []
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        sources = tokenizer([row["source"] for row in part], return_offsets_mapping=True)
        for row, ids, offsets in zip(part, sources["input_ids"], sources["offset_mapping"], strict=True):
            if decoder_only and ids[-1] == tokenizer.eos_token_id:
                ids = ids[:-1]  # put there by the tokenizer; the text goes on with the answer
            examples.append(Example(fitting(row, ids, offsets, max_source_length), targets[len(examples)]))
    for row, example in zip(rows, examples, strict=True):
        if max_target_length is not None and len(example.target) > max_target_length:
            raise UserError(
                f"max_target_length: the target {shortened(row['target'])!r} of {row['task']}, row {row['id'] + 1}, "
                f"has {len(example.target)} tokens, over the limit of {max_target_length}; raise it, or shorten the row"
            )
    return examples


def answer_ids(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], decoder_only: bool) -> list[list[int]]:
    """The token ids of answers, each with the end-of-sequence token last.

    The decoder of an encoder-decoder model starts with the answer: its ids are those of the text alone. A decoder-only
    model reads `prompt + " " + answer` as one text, and the ids are those of its second part, with the space. They are
    the same after every prompt: on either side of a place that no token crosses, BPE finds what it finds for that side
    alone. Where a token would cross, the ids are those of `" " + answer` by itself: a prompt is read before its answer
    is known, and must not depend on it.
    """
    distinct = list(dict.fromkeys(texts))
    ids = continuations(tokenizer, distinct) if decoder_only else plain_ids(tokenizer, distinct)
    known = dict(zip(distinct, ids, strict=True))
    return [[*known[text], tokenizer.eos_token_id] for text in texts]


def continuations(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """The token ids of `" " + text` after the end of a prompt, for each text."""
    before, *wholes = plain_ids(tokenizer, [PROMPT_END, *(f"{PROMPT_END} {text}" for text in texts)])
    end = len(before)
    ids = {text: whole[end:] for text, whole in zip(texts, wholes, strict=True) if whole[:end] == before}
    crossed = [text for text in texts if text not in ids]
    if crossed:
        puts_space = tokenizer.tokenize("a") != ["a"]  # before a text that stands alone
        ids |= zip(crossed, plain_ids(tokenizer, crossed if puts_space else [f" {t}" for t in crossed]), strict=True)
    return [ids[text] for text in texts]


def plain_ids(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """The token ids of texts, without special tokens."""
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"]


def fitting(row: dict, ids: list[int], offsets: list[tuple[int, int]], limit: int) -> list[int]:
    """The ids of a row's source, cut to `limit` tokens. Raises UserError where the sentence alone cannot give way."""
    if len(ids) <= limit:
        return ids
    ids = cut_sentence(ids, offsets, row["sentence_at"], len(ids) - limit)
    if len(ids) > limit:
        raise UserError(
            f"max_source_length: {limit} tokens do not hold the instruction and the options of "
            f"{row['task']}; raise it to at least {len(ids)}"
        )
    return ids


def shortened(text: str, limit: int = 60) -> str:
    """The beginning of a text, for a message."""
    return text if len(text) <= limit else f"{text[:limit]}..."


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
