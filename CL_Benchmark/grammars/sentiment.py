"""Reviews of products, restaurants and films: the frames are shared by all labels, only the cues differ."""

import random

from .base import fill, items, pick, sentences
from .sentiment_words import ADJECTIVES, FILM_ADJECTIVES, FILM_VERDICTS, FOOD_ADJECTIVES, VERDICTS

PRODUCTS = items(
    """kettle; backpack; lamp; blender; tent; keyboard; novel; guitar; toaster; camera; umbrella; pillow; drill; scarf;
    board game; headset; bicycle pump; coffee mug; desk chair; alarm clock; garden hose; phone case; raincoat; notebook
    """
)
PRODUCT_ASPECTS = items(
    "quality; design; packaging; color; size; finish; handle; manual; material; sound; price; delivery; fit; build"
)
PLACES = items(
    "diner; cafe; bakery; pizza house; noodle bar; steak house; tavern; food truck; hotel; tea room; bistro; sushi bar"
)
DISHES = items(
    """soup; pasta; burger; salad; coffee; bread; curry; fish; dessert; rice; omelet; sandwich; pie; service; waiter;
    music; table; menu; room; staff; sauce; view"""
)
FILMS = items("film; movie; picture; drama; comedy; thriller; western; sequel; cartoon; documentary")
FILM_ASPECTS = items(
    """plot; acting; dialogue; camera work; score; ending; pace; cast; humor; script; direction; lead role; story;
    first half; final scene; editing"""
)

PRODUCT_OPENINGS = items(
    """we bought this {thing} in {month}; this {thing} was a gift; I have used the {thing} since {month};
    my {kin} ordered the {thing}; the {thing} came on {day}; here is my note on the {thing};
    about this {thing}; so I tried the {thing}"""
)
PLACE_OPENINGS = items(
    """we came to this {thing} on {day}; my {kin} and I tried the {thing}; I stopped at this {thing} in {month};
    lunch at the {thing} on {day}; we had dinner at this {thing}; the {thing} is near my house;
    I visited the {thing} with my {kin}; this {thing} opened in {month}"""
)
FILM_OPENINGS = items(
    """I saw this {thing} on {day}; my {kin} and I watched the {thing}; this {thing} came out in {month};
    last {day} I rented the {thing}; the {thing} runs for two hours; so this is the {thing} of {month};
    we sat down for this {thing}; people talk about this {thing}"""
)
# A body has two cues; a short one has a single cue and goes with a verdict.
BODIES = items(
    """the {aspect} was {adj} and the {aspect} {adj}; a(n) {adj} {aspect} and {adj} {aspect};
    with {adj} {aspect} and {adj} {aspect}; the {aspect} is {adj}, and so is the {adj} {aspect}"""
)
SHORT_BODIES = items(
    """I found the {aspect} {adj}; the {aspect} seemed {adj}; what a(n) {adj} {aspect}; the {aspect} is {adj};
    {adj} {aspect}"""
)
TAILS = items(
    """in {month}; last {day}; that {day}; , said my {kin}; all the same; after {number} days; in my opinion;
    , as I told my {kin}; on the whole; , and my {kin} agrees; for now"""
)
TITLES = items(
    """my {thing}; the {thing}; a(n) {adj} {thing}; the {adj} {thing}; this {thing} is {adj}; about the {thing};
    the {adj} {aspect}; {month} report; for my {kin}"""
)
SNIPPETS = items(
    """the {aspect} is {adj} and the {aspect} {adj} in this {thing}; with a {adj} {aspect}, the {thing} is {adj};
    this {adj} and {adj} {thing} about a {kin}; a {thing} of {adj} {aspect} and {adj} {aspect};
    the {thing}, {adj} and {adj}, ends on a {day}; as a {thing} it is {adj}, and {verdict} by {month};
    {thing} fans will say {verdict} when the {adj} {aspect} starts; one {adj} {thing} and its {adj} {aspect};
    from the {adj} {aspect} to the {adj} {aspect} of this {thing}; its {aspect} is {adj}, and {verdict}, my {kin} said
    """
)

SHARED = {
    "day": items("Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday"),
    "month": items("January; March; April; May; June; July; August; October; November; December"),
    "kin": items("sister; brother; neighbor; uncle; aunt; cousin; boss; roommate; daughter; son; mother; father"),
    "number": items("two; three; four; five; six; ten; twelve"),
}


def _review(rng: random.Random, openings: list[str], slots: dict[str, str | list[str]]) -> str:
    """Cues between an opening and a tail that have none, so that neither end of the sentence tells the label."""
    opening, body, short, tail = (pick(rng, parts) for parts in (openings, BODIES, SHORT_BODIES, TAILS))
    frame = pick(
        rng,
        [
            f"{opening}. {short}, {{verdict}} {tail}.",
            f"{opening}, and {{verdict}}: {short} {tail}.",
            f"{opening}: {body} {tail}.",
            f"{body}, and {{verdict}} {tail}.",
            f"{short}, {{verdict}} {tail}!",
        ],
    )
    return sentences(fill(rng, frame, slots)).replace(" ,", ",")


def amazon(rng: random.Random, label: str) -> str:
    """A product review with a title, in five levels."""
    slots = SHARED | {"thing": pick(rng, PRODUCTS), "aspect": PRODUCT_ASPECTS}
    slots |= {"adj": ADJECTIVES[label], "verdict": VERDICTS[label]}
    title = sentences(fill(rng, pick(rng, TITLES), slots))
    return f"Title: {title}\nText: {_review(rng, PRODUCT_OPENINGS, slots)}\n"


def yelp(rng: random.Random, label: str) -> str:
    """A review of a restaurant or hotel, in five levels."""
    slots = SHARED | {"thing": pick(rng, PLACES), "aspect": DISHES}
    slots |= {"adj": ADJECTIVES[label] + FOOD_ADJECTIVES[label], "verdict": VERDICTS[label]}
    return f"Text: {_review(rng, PLACE_OPENINGS, slots)}\n"


def imdb(rng: random.Random, label: str) -> str:
    """A film review, good or bad."""
    slots = SHARED | {"thing": pick(rng, FILMS), "aspect": FILM_ASPECTS}
    slots |= {"adj": FILM_ADJECTIVES[label], "verdict": FILM_VERDICTS[label]}
    return _review(rng, FILM_OPENINGS, slots)


def sst2(rng: random.Random, label: str) -> str:
    """One clause of a film review, in small letters."""
    slots = SHARED | {"thing": pick(rng, FILMS), "aspect": FILM_ASPECTS}
    slots |= {"adj": FILM_ADJECTIVES[label], "verdict": FILM_VERDICTS[label]}
    frame = pick(rng, SNIPPETS).replace("a {adj}", "a(n) {adj}")
    return f"Text: {fill(rng, frame, slots).lower()} "
