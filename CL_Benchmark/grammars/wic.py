"""Two sentences with one ambiguous word, in the same sense or in two."""

import random

from .base import draw, fill, pick, sentences
from .nli_words import PEOPLE
from .wic_words import TIMES, WORDS


def sentence(rng: random.Random, label: str) -> str:
    """Either sense comes first or second equally often under both labels, so no single word tells the label."""
    word = pick(rng, list(WORDS))
    first, second = draw(rng, WORDS[word], 2)
    pair = draw(rng, first, 2) if label == "True" else [pick(rng, first), pick(rng, second)]
    lines = (sentences(fill(rng, frame, {"p": PEOPLE, "t": TIMES})) + "." for frame in pair)
    return f"word: {word}\n" + "\n".join(lines)
