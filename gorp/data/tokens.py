"""From rendered rows to token ids: prompts cut to a length, and answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gorp.data.prompts import PROMPT_END
from gorp.data.shots import CHUNK, drop_shots
from gorp.util.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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
    examples: list[Example] = []
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
