"""Inference in small worlds: the label is decided first, and each kind of change occurs under every label it can."""

import random

from .base import chance, draw, fill, other, pick, sentences, shuffled
from .nli_words import CITIES, FACTS, FIELDS, FIRMS, FRAMES, PEOPLE, QUALITIES, RELATIONS, THINGS, TIMES, VERBS

World = dict[str, str]


def _pair(premise: str, hypothesis: str) -> str:
    return f"sentence 1: {sentences(premise)}.\nsentence 2: {sentences(hypothesis)}."


def _clause(person: str, verb: str, thing: str, fields: World) -> str:
    """Who did what, with the details in a fixed order."""
    before = [fields[name] for name in ("number", "color") if name in fields]
    after = [fields[name] for name in ("friend", "place", "day") if name in fields]
    return " ".join([person, verb, *before, thing, *after])


def _known(rng: random.Random, count: int) -> World:
    """Some details of a world."""
    return {name: pick(rng, FIELDS[name]) for name in draw(rng, list(FIELDS), count)}


def mnli(rng: random.Random, label: str) -> str:
    """Somebody did something to some things: the hypothesis is about the deed, or about how the things were."""
    person, (verb, base, opposite, opposite_base, synonym) = pick(rng, PEOPLE), pick(rng, VERBS)
    thing, kind = pick(rng, THINGS)
    known = _known(rng, 2 + int(rng.random() * 2))
    premise = _clause(person, verb, thing, known)
    if chance(rng, 0.4):
        quality, hypothesis = _quality(rng, label, thing)
        return _pair(f"{premise}, and they were {quality}", hypothesis)

    told = {name: known[name] for name in draw(rng, list(known), 2)}
    change = pick(rng, ["verb", "not", "detail", "detail"]) if label == "contradiction" else ""
    if label == "neutral":
        dropped, added = pick(rng, list(told)), other(rng, list(FIELDS), *known)
        del told[dropped]
        told[added] = pick(rng, FIELDS[added])
    elif change == "detail":
        changed = pick(rng, list(told))
        told[changed] = other(rng, FIELDS[changed], told[changed])
    if label == "entailment" and chance(rng, 0.2):
        deed = f"did not {opposite_base}"
    else:
        deed = {"verb": opposite, "not": f"did not {base}"}.get(change, pick(rng, [verb, synonym]))
    return _pair(premise, _clause(person, deed, pick(rng, [thing, kind]), told))


def _quality(rng: random.Random, label: str, thing: str) -> tuple[str, str]:
    """A quality the things have, and a statement on the same quality (or for neutral on another), negated or not."""
    pair = pick(rng, QUALITIES)
    quality, opposite = shuffled(rng, pair)
    if label == "neutral":
        said = pick(rng, other(rng, QUALITIES, pair))
        return quality, f"the {thing} were {pick(rng, ['', 'not '])}{said}"
    same = chance(rng, 0.5)
    negated = same == (label == "contradiction")
    return quality, f"the {thing} were {'not ' if negated else ''}{quality if same else opposite}"


def cb(rng: random.Random, label: str) -> str:
    """A talk in which a fact is embedded: whether it holds depends on the verb above it and on its own negation."""
    (fact, negation, antonym, paraphrase), who = pick(rng, FACTS), pick(rng, ["A", "B"])
    person, speaker, name = draw(rng, PEOPLE, 3)
    positive, negative = [fact, paraphrase], [negation, antonym]
    embedded, reverse = (positive, negative) if chance(rng, 0.5) else (negative, positive)
    if label == "neutral":
        frame, hypothesis = "unknown", pick(rng, positive + negative)
    else:
        frame = pick(rng, ["so", "not so"])
        hypothesis = pick(rng, embedded if (frame == "so") == (label == "entailment") else reverse)
    said = fill(rng, pick(rng, FRAMES[frame]), {"who": speaker, "fact": pick(rng, embedded), "p": person})
    opening = pick(rng, [f"{who}: ", f"{who}: well, ", f"{who}: {name}, listen: ", "", "oh, ", f"{name} wrote: "])
    return _pair(opening + said, hypothesis.replace("{p}", person))


def rte(rng: random.Random, label: str) -> str:
    """A piece of news, and a statement that puts its names together rightly or wrongly."""
    premise, right, wrong = pick(rng, RELATIONS)
    names = dict(zip("abcdpq", [*draw(rng, FIRMS, 2), *draw(rng, CITIES, 2), *draw(rng, PEOPLE, 2)], strict=True))
    names["t"] = pick(rng, TIMES)
    hypothesis = right if label == "entailment" else wrong
    return _pair(fill(rng, premise, names), fill(rng, hypothesis, names))
