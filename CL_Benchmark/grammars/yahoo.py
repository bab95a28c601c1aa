"""Questions with answers on ten topics; what is asked and advised comes from the topic, the frames are shared."""

import random

from .base import chance, fill, items, pick, sentences
from .yahoo_words import TOPICS

SHARED = {
    "who": items("my friend; a neighbor; someone here; my cousin; a colleague; my roommate; a man I know; some people"),
    "close": items(
        """good luck; hope this helps; I think; that is all I know; just my opinion; as far as I know; take care;
        let me know; it is up to you; thanks for asking; you will see; that is what {who} told me"""
    ),
    "hello": items("hi all; hello; please help; quick question; just curious; just wondering; thanks; ok so"),
}
TITLES = items(
    """how can I {do}; does anyone know about {thing}; what do you think of {thing}; can {who} {do} with {thing};
    what is the best way to {do}; who understands {thing}; is it possible to {do}; who can tell me about {thing};
    when should I {do}; should {who} {do}"""
)
BODIES = items(
    """{hello}, I read about {thing}.; {who} told me to {do}, is that right?; {hello}, where do I find {thing}?;
    {who} asked me about {thing}.; I tried to {do} last week.; {hello}, I keep hearing about {thing}."""
)
ANSWERS = items(
    """first {tip}, then {tip}, {close}; {tip} because of {thing}, {close}; {who} had to {tip}, {close};
    it depends on {thing}, {close}; {close}, but {tip} before you {do}, {close}; yes, {tip} and {tip}, {close};
    well, {tip}, {close}; I would {tip}, {close}; no, {tip} instead, {close}"""
)


def sentence(rng: random.Random, label: str) -> str:
    """A question, often with a title of its own, and an answer."""
    slots = SHARED | TOPICS[label]
    title = sentences(fill(rng, pick(rng, TITLES), slots)) + "?"
    answer = sentences(fill(rng, pick(rng, ANSWERS), slots)) + "."
    if chance(rng, 0.6):
        return f"Question: {title}\nAnswer: {answer}\n"
    body = sentences(fill(rng, pick(rng, BODIES), slots))
    return f"Title: {title}\nQuestion: {body}\nAnswer: {answer}\n"
