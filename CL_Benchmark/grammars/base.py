"""Drawing and template filling that every grammar shares.

Only ``random.Random.random`` is used for drawing: its stream is the one part of the module that Python promises to
keep, so the data come out the same on every version.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
Slots = Mapping[str, str | Sequence[str]]

_SLOT = re.compile(r"\{(\w+)\}")
_OPTION = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"\b([Aa])\(n\) (?=(\w+))")
_VOWEL_SOUND = re.compile(r"(?!us|uni|one|eu)[aeiou]", re.IGNORECASE)
_START = re.compile(r"(^|[.!?] )([a-z])")


def items(text: str) -> list[str]:
    """Split a word list written as ``one; two; three`` (over any number of lines)."""
    return [" ".join(part.split()) for part in text.split(";") if part.strip()]


def table(text: str, columns: int) -> list[list[str]]:
    """Split lines of ``a | b | c`` into rows with that many columns; a line that ends in ``|`` or ``;`` goes on."""
    lines = re.sub(r"([|;])\n\s*", r"\1 ", text).strip().splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    wrong = [row for row in rows if len(row) != columns]
    if wrong:
        raise ValueError(f"expected {columns} columns: {wrong[0]}")
    return rows


def pick(rng: random.Random, choices: Sequence[T]) -> T:
    """One of the choices, all equally likely."""
    return choices[int(rng.random() * len(choices))]


def shuffled(rng: random.Random, choices: Sequence[T]) -> list[T]:
    """The choices in a random order."""
    result = list(choices)
    for last in range(len(result) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        result[last], result[other] = result[other], result[last]
    return result


def draw(rng: random.Random, choices: Sequence[T], count: int) -> list[T]:
    """That many different choices."""
    return shuffled(rng, choices)[:count]


def other(rng: random.Random, choices: Sequence[T], *used: T) -> T:
    """A choice that is none of the used ones."""
    return pick(rng, [choice for choice in choices if choice not in used])


def chance(rng: random.Random, probability: float) -> bool:
    """True with that probability."""
    return rng.random() < probability


def fill(rng: random.Random, template: str, slots: Slots) -> str:
    """Fill ``{slot}``s, keep each ``[optional part]`` half of the time, and set ``a(n)`` right.

    A slot with a string is always that string; a slot with a list is drawn anew at each use, without repeating itself.
    """
    pools: dict[str, list[str]] = {}

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        choices = slots[name]
        if isinstance(choices, str):
            return choices
        if not pools.get(name):
            pools[name] = shuffled(rng, choices)
        return pools[name].pop()

    text = template
    while _OPTION.search(text):
        text = _OPTION.sub(lambda match: match.group(1) if chance(rng, 0.5) else "", text)
    while _SLOT.search(text):
        text = _SLOT.sub(value, text)
    return articles(text)


def articles(text: str) -> str:
    """Write ``a`` or ``an`` for each ``a(n)``, by the sound that follows."""
    return _ARTICLE.sub(lambda match: match.group(1) + ("n " if _VOWEL_SOUND.match(match.group(2)) else " "), text)


def sentences(text: str) -> str:
    """The text with a capital at the start of each sentence."""
    return _START.sub(lambda match: match.group(1) + match.group(2).upper(), text)
