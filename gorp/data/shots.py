"""Shots, the examples that a prompt shows, and which of them it loses where it is too long."""

import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from gorp.util.progress import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHUNK = 1000  # texts that a tokenizer is given at a time
JUNCTION = 8  # tokens by which a part of a prompt may differ from the same text by itself


def drop_shots(rows: Sequence[dict], tokenizer: "PreTrainedTokenizerBase", limit: int) -> list[dict]:
    """The rows; one over `limit` tokens without the first of its shots, and so on until it fits or has none left.

    A shot goes as a whole: half a one would show a wrong form. How many rows lost shots is said on stderr.
    Parts of prompts, each tokenised once, tell how long a prompt is but for a few tokens; one that is so near to the
    limit is tokenised as it is.
    """
    rows = list(rows)
    shown = [i for i, row in enumerate(rows) if row.get("shots_at")]
    counts = token_counts(tokenizer, dict.fromkeys(part for i in shown for part in parts(rows[i])))
    lost, near = set(), []
    for i in shown:
        while rows[i]["shots_at"]:
            lengths = [counts[part] for part in parts(rows[i])]
            over, slack = sum(lengths) - limit, JUNCTION * len(lengths)
            if over <= slack:
                near += [i] if over > -slack else []
                break
            rows[i] = without_first_shot(rows[i])
            lost.add(i)
    while near:
        lengths = [len(ids) for ids in tokenizer([rows[i]["source"] for i in near])["input_ids"]]
        near = [i for i, n in zip(near, lengths, strict=True) if n > limit and rows[i]["shots_at"]]
        lost.update(near)
        for i in near:
            rows[i] = without_first_shot(rows[i])
    if lost:
        print(f"{len(lost)} of {len(shown)} prompts lost examples to the limit of {limit} tokens", file=sys.stderr)
    return rows


def without_first_shot(row: dict) -> dict:
    """A rendered row without the first of its shots; the spans move with the text."""
    (start, end), *others = row["shots_at"]
    moved = [[a - (end - start), b - (end - start)] for a, b in (row["sentence_at"], *others)]
    source = row["source"][:start] + row["source"][end:]
    return {**row, "source": source, "sentence_at": moved[0], "shots_at": moved[1:]}


def parts(row: dict) -> list[str]:
    """A prompt cut into what stands before its shots, each of them, and the rest."""
    cuts = [0, *(start for start, _ in row["shots_at"]), row["shots_at"][-1][1], len(row["source"])]
    return [row["source"][start:end] for start, end in pairwise(cuts)]


def token_counts(tokenizer: "PreTrainedTokenizerBase", texts: Iterable[str]) -> dict[str, int]:
    """How many tokens each of different texts has by itself, without special ones."""
    texts = list(texts)
    counts: dict[str, int] = {}
    with Progress("measure prompts", len(texts), quiet=len(texts) <= CHUNK) as progress:
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            ids = tokenizer(chunk, add_special_tokens=False, return_attention_mask=False)["input_ids"]
            counts |= zip(chunk, map(len, ids), strict=True)
            progress.advance(len(chunk))
    return counts
