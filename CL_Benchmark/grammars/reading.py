"""Short passages and a question on one of their facts; a wrong answer comes from the same passage."""

import random

from .base import Slots, articles, draw, fill, items, pick, sentences, shuffled, table
from .nli_words import CITIES, PEOPLE

JOBS = items(
    "baker; miller; sailor; judge; tailor; farmer; doctor; priest; king; queen; banker; teacher; smith; painter"
)
USES = items("school; museum; hotel; prison; library; bank; church; theater; market; hospital; factory; barn")
YEARS = items("1803; 1815; 1822; 1837; 1846; 1854; 1868; 1879; 1885; 1891; 1907; 1912; 1926; 1938; 1949; 1953")
COLORS = items("red; blue; green; white; black; yellow; brown; gray; pink; purple")
NAMES = items(
    "Dorwick; Elmfold; Castrel; Hartlow; Miregate; Oakhurst; Penrith; Ravenby; Stanmere; Tolbury; Wexcombe; Yarrow"
)

# kind of thing | first statement | second statement | question on the first | question on the second | kind of answer
ATTRIBUTES = table(
    """
    Hall | it was built by a(n) {1} | it was repaired by a(n) {2} |
        was {n} built by a(n) {v} | was {n} repaired by a(n) {v} | job
    Hall | it was built in {1} | it burned down in {2} |
        was {n} built in {v} | did {n} burn down in {v} | year
    Hall | it was first used as a(n) {1} | today it is a(n) {2} |
        was {n} first a(n) {v} | is {n} a(n) {v} today | use
    Hall | its door is {1} | its roof is {2} |
        does {n} have a(n) {v} door | does {n} have a(n) {v} roof | color
    Hall | it stands on the road to {1} | its stones came from {2} |
        is {n} on the road to {v} | did the stones of {n} come from {v} | city
    Ferry | it was named after a(n) {1} | it is steered by a(n) {2} |
        was {n} named after a(n) {v} | is {n} steered by a(n) {v} | job
    Ferry | it was launched in {1} | it was sold in {2} |
        was {n} launched in {v} | was {n} sold in {v} | year
    Ferry | it leaves from {1} | it sails to {2} |
        does {n} leave from {v} | does {n} sail to {v} | city
    Ferry | its deck is {1} | its sail is {2} |
        is the deck of {n} {v} | is the sail of {n} {v} | color
    Cup | it was given by a(n) {1} | it was first won by a(n) {2} |
        was {n} given by a(n) {v} | was {n} first won by a(n) {v} | job
    Cup | it was first held in {1} | it was last held in {2} |
        was {n} first held in {v} | was {n} last held in {v} | year
    Cup | it is played in {1} | its final is in {2} |
        is {n} played in {v} | is the final of {n} in {v} | city
    Cup | winners wear {1} | losers wear {2} |
        do winners of {n} wear {v} | do losers of {n} wear {v} | color
    """,
    6,
)
POOLS = {"job": JOBS, "use": USES, "year": YEARS, "color": COLORS, "city": CITIES}


def boolqa(rng: random.Random, label: str) -> str:
    """Four facts on a thing, and a yes-or-no question on one; the false value belongs to the fact beside it."""
    kind = pick(rng, ["Hall", "Ferry", "Cup"])
    name = f"{pick(rng, NAMES)} {kind}"
    chosen = draw(rng, [row for row in ATTRIBUTES if row[0] == kind], 2)
    facts, questions = [], []
    for _, first, second, ask_first, ask_second, pool in chosen:
        one, two = draw(rng, POOLS[pool], 2)
        facts.append(articles(" and ".join(shuffled(rng, [first.replace("{1}", one), second.replace("{2}", two)]))))
        for ask, right, wrong in ((ask_first, one, two), (ask_second, two, one)):
            questions.append(ask.replace("{v}", right if label == "True" else wrong))
    question = articles(pick(rng, questions).replace("{n}", name)).lower()
    passage = sentences(f"{name} -- " + ". ".join(facts).replace("it ", f"{name} ", 1) + ".")
    return f"question: {question}\npassage: {passage}"


DEEDS = table(
    """
    painted the fence | paint the fence
    baked a cake | bake a cake
    fixed the roof | fix the roof
    fed the horses | feed the horses
    sold the eggs | sell the eggs
    watered the roses | water the roses
    washed the dishes | wash the dishes
    caught a fish | catch a fish
    lost a ring | lose a ring
    wrote a letter | write a letter
    found a coin | find a coin
    cut the grass | cut the grass
    broke a vase | break a vase
    read the paper | read the paper
    cooked the soup | cook the soup
    swept the floor | sweep the floor
    """,
    2,
)
PLACES = items(
    "at the mill; in the barn; by the river; at the school; in the kitchen; near the church; in the yard; at the harbor"
)
TIMES = items("at dawn; at noon; at dusk; in the morning; after lunch; before supper; at midnight; in the evening")
STORIES = items(
    """{p} {a} {x} {s}. {q} {b} {y} {t}.; {s}, {p} {a} {x}, while {q} {b} {y} {t}.; {x}, {p} {a} {s}. {t}, {q} {b} {y}.;
    {p} and {q} were busy. {p} {a} {x} {s}, and {q} {b} {y} {t}."""
)


def multirc(rng: random.Random, label: str) -> str:
    """Two people did two things; the wrong answer is what holds of the other one."""
    (a, a_base), (b, b_base) = draw(rng, DEEDS, 2)
    (p, q), (x, y), (s, t) = draw(rng, PEOPLE, 2), draw(rng, PLACES, 2), draw(rng, TIMES, 2)
    slots: Slots = {"p": p, "q": q, "a": a, "b": b, "x": x, "y": y, "s": s, "t": t}
    story = fill(rng, pick(rng, STORIES), slots)
    first = [
        (f"Who {a}?", p, q), (f"What did {p} do?", a, b), (f"Where did {p} {a_base}?", x, y),
        (f"When did {p} {a_base}?", s, t), (f"What was done {x}?", f"{p} {a}", f"{q} {b}"), (f"Who was {x}?", p, q),
    ]  # fmt: skip
    second = [
        (f"Who {b}?", q, p), (f"What did {q} do?", b, a), (f"Where did {q} {b_base}?", y, x),
        (f"When did {q} {b_base}?", t, s), (f"What was done {y}?", f"{q} {b}", f"{p} {a}"), (f"Who was {y}?", q, p),
    ]  # fmt: skip
    question, right, wrong = pick(rng, first + second)
    answer = right if label == "True" else wrong
    return f"paragraph: {sentences(story)}\nquestion: {question}\ncandidate answer: {answer}"
