"""Pairs of questions that ask the same in other words, or nearly the same words with one key thing changed."""

import random

from .base import articles, chance, items, other, pick, shuffled

# Each thing with another name for it, where it has one.
THINGS = [
    items(text)
    for text in [
        "bicycle; bike", "sofa; couch", "car; automobile", "phone; telephone", "fridge; refrigerator", "rug; carpet",
        "photo; picture", "jacket; coat", "boat; ship", "television; TV", "gift; present", "cabin; hut",
        "piano", "violin", "lamp", "mirror", "tent", "clock", "camera", "laptop", "kettle", "ladder", "drone", "guitar",
        "oven", "printer", "wallet", "helmet", "canoe", "backpack", "statue", "fountain", "robot", "saddle",
    ]
]  # fmt: skip
OPENINGS = items(
    "how can I; how do I; what is the best way to; how should I; how does one; what is a good way to; how would you"
)
# What one can do with a thing: each line holds ways to say the same.
DEEDS = [
    items(text)
    for text in [
        "clean a {x}; wash a {x}; get a {x} clean", "repair a {x}; fix a {x}; mend a {x}",
        "sell a {x}; find a buyer for a {x}", "buy a {x}; purchase a {x}; get hold of a {x}",
        "build a {x}; make a {x} myself; construct a {x}", "choose a {x}; pick a {x}; select a {x}",
        "paint a {x}; put paint on a {x}", "draw a {x}; make a drawing of a {x}",
        "hide a {x}; keep a {x} out of sight", "carry a {x}; transport a {x}; move a {x} around",
        "insure a {x}; get insurance for a {x}", "store a {x}; keep a {x} in storage",
        "rent a {x}; hire a {x}", "wrap a {x}; cover a {x} in paper",
    ]
]  # fmt: skip
# What one can ask about a thing.
FACTS = [
    items(text)
    for text in [
        "how much is a {x}; what does a {x} cost; what is the price of a {x}; how much do I pay for a {x}",
        "how heavy is a {x}; what does a {x} weigh; what is the weight of a {x}; how much weight does a {x} have",
        "how long does a {x} last; what is the life span of a {x}; after what time is a {x} worn out",
        "who invented the {x}; who made the first {x}; who is the inventor of the {x}; who came up with the {x}",
        "where can I see a {x}; where is a {x} on show; in what place can I look at a {x}",
        "how tall is a {x}; what is the height of a {x}; how high is a {x}",
        "why do people want a {x}; what do people need a {x} for; for what reason do people get a {x}",
        "when was the {x} invented; in what year did the {x} appear; how old is the idea of the {x}",
        "is a {x} dangerous; can a {x} hurt me; are there risks with a {x}",
        "what is a {x} made of; which materials are in a {x}; what material does a {x} consist of",
    ]
]  # fmt: skip


def _ask(thing: str, opening: str, frame: str) -> str:
    text = f"{opening} {frame}" if opening else frame
    text = articles(text.replace("a {x}", "a(n) {x}").replace("{x}", thing))
    return text[0].upper() + text[1:] + "?"


def sentence(rng: random.Random, label: str) -> str:
    """Two questions; the false pairs change the thing or what is asked, and often keep every other word."""
    pool = pick(rng, [DEEDS, FACTS])
    thing, ways = pick(rng, THINGS), pick(rng, pool)
    openings = shuffled(rng, OPENINGS)[:2] if pool is DEEDS else ["", ""]
    frames = shuffled(rng, ways)[:2]
    things = [pick(rng, thing), pick(rng, thing)]
    if label == "True":
        # The same opening half of the time, so that a true pair need not differ more than a false one.
        if chance(rng, 0.5):
            openings[1] = openings[0]
    elif chance(rng, 0.5):
        things[1] = pick(rng, other(rng, THINGS, thing))
        if chance(rng, 0.5):
            frames[1] = frames[0]
    else:
        frames[1] = pick(rng, other(rng, pool, ways))
        openings[1] = openings[0]
    first, second = (_ask(*parts) for parts in zip(things, openings, frames, strict=True))
    return f"first sentence: {first}\nsecond sentence: {second}"
