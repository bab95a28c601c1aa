"""Short descriptions of invented things, in the manner of an encyclopedia."""

import random

from .base import chance, fill, items, pick, sentences
from .dbpedia_words import CLASSES

# Classes of one group share their names, so that a name alone does not tell the class.
_PEOPLE = ("Artist", "Athlete", "Office Holder")
_SPECIES = ("Animal", "Plant")
_TITLED = ("Album", "Film", "Written Work")

STARTS = items(
    """Mor; Tal; Ber; Kos; Lin; Var; Dra; Hel; Fen; Ost; Par; Sul; Gor; Nim; Rav; Cal; Jor; Pel; Wex; Zan; Bri;
    Quil; Ard; Ys"""
)
MIDDLES = items("a; e; i; o; u; an; el; in; or; ur")
ENDS = items("ton; dell; mar; vik; sen; low; ra; berg; nov; lis; thorpe; ska; field; rin; dova; mere; gard; nus")
WOMEN = items("Anna; Maria; Ingrid; Fatima; Nadia; Rosa; Clara; Sofia; Greta")
MEN = items("Pavel; John; Carlos; Leo; Peter; Emil; Hugo; Ivan; Omar")
TITLE_WORDS = items(
    """Silent Rain; Broken Mirror; Winter Road; Last Garden; Golden Hour; Paper Moon; Distant Thunder; Red Door;
    Empty Harbor; Second Sun; Glass River; Lost Letters; Burning Sky; Quiet Streets; Blue Lantern; Falling Stars"""
)

SHARED = {
    "adj": items("well known; little known; former; notable; minor; small; famous; local"),
    "land": items(
        "Norway; Brazil; Japan; Poland; Kenya; Canada; Peru; India; Turkey; Scotland; Iran; Spain; Chile; Ohio"
    ),
    "year": items("1872; 1890; 1904; 1911; 1926; 1933; 1948; 1957; 1965; 1974; 1982; 1991; 1999; 2006"),
    "source": items(
        "according to records; as sources say; it is said; as of {year}; until {year}; since {year}; after {year}"
    ),
}
# Nearly every frame ends on a land, a year or a source, so that the last word does not tell the kind.
FRAMES = items(
    """{name} ({year}) is a(n) {kind} in {land}. {it} {fact}, {source};
    {name} is a(n) {adj} {kind} from {land} that {fact}, {source};
    {name} was a(n) {kind} of {land}, and {fact} in {year}; the {kind} {name} {fact} and {fact} in {land};
    in {land}, {name} is a(n) {kind}. {it} {fact} and {fact}, {source}; the {kind} {name} {fact} in {land} since {year};
    {name} {fact} in {land}. {it} is a(n) {adj} {kind}, {source}; {name} is a(n) {kind} that {fact} in {year};
    {name}, a(n) {kind}, {fact}. {it} also {fact} in {land}; a(n) {kind} of {land}, {name} {fact} in {year};
    {name} is the name of a(n) {kind} that {fact} in {land}; {name} {fact}. {it} is a(n) {kind} of {land}, {source}"""
)


def name(rng: random.Random, label: str) -> str:
    """An invented name of the group that the class belongs to."""
    word = pick(rng, STARTS) + pick(rng, MIDDLES) + pick(rng, ENDS)
    if label in _PEOPLE:
        return f"{pick(rng, WOMEN + MEN)} {word}"
    if label in _SPECIES:
        return f"{word.rstrip('aeiou')}{pick(rng, ['us', 'a', 'um'])} {pick(rng, ENDS)}ensis"
    if label in _TITLED:
        return f"{pick(rng, ['The', 'A', 'My'])} {pick(rng, TITLE_WORDS)}" if chance(rng, 0.7) else f"{word} Road"
    return word if chance(rng, 0.6) else f"{pick(rng, ['New', 'Port', 'Saint', 'Old', 'North'])} {word}"


def sentence(rng: random.Random, label: str) -> str:
    """A title and a description of one of the fourteen kinds."""
    title = name(rng, label)
    pronoun = "it" if label not in _PEOPLE else "she" if title.split()[0] in WOMEN else "he"
    slots = SHARED | CLASSES[label] | {"name": title, "it": pronoun}
    text = fill(rng, pick(rng, FRAMES), slots)
    return f"Title: {title}\nText:  {sentences(text)}.\n"
