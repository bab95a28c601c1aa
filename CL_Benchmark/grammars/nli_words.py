"""What the small worlds of the inference tasks are made of."""

from .base import items, table

PEOPLE = items(
    "Maria; Tom; Aisha; Pavel; Ingrid; Carlos; Mei; Omar; Nina; Jack; Lucia; Hans; Priya; Leo; Sara; Victor; Ruth; Ken"
)

# past | base | opposite past | opposite base | synonym of the past
VERBS = table(
    """
    bought | buy | sold | sell | purchased
    found | find | lost | lose | discovered
    raised | raise | lowered | lower | lifted
    kept | keep | dropped | drop | retained
    loved | love | hated | hate | adored
    accepted | accept | refused | refuse | took
    covered | cover | uncovered | uncover | wrapped
    hid | hide | showed | show | concealed
    packed | pack | unpacked | unpack | boxed
    collected | collect | scattered | scatter | gathered
    repaired | repair | broke | break | fixed
    remembered | remember | forgot | forget | recalled
    """,
    5,
)

# thing | the kind that it belongs to
THINGS = table(
    """
    lamps | lights
    roses | flowers
    chairs | pieces of furniture
    hammers | tools
    trucks | vehicles
    violins | instruments
    jackets | clothes
    dolls | toys
    plates | dishes
    tulips | flowers
    tables | pieces of furniture
    drums | instruments
    saws | tools
    shirts | clothes
    bikes | vehicles
    kites | toys
    """,
    2,
)

# quality | its opposite
QUALITIES = table(
    """
    old | new
    cheap | expensive
    heavy | light
    clean | dirty
    big | small
    wet | dry
    pretty | ugly
    rare | common
    """,
    2,
)

FIELDS = {
    "number": items("two; three; four; five; six; seven; eight; nine"),
    "color": items("red; blue; green; yellow; black; white; brown; purple"),
    "friend": items("with a sister; with a neighbor; with an uncle; with a friend; with a cousin; with a teacher"),
    "place": items(
        "at the market; in the garden; at the station; in the village; at the harbor; in the museum; at school"
    ),
    "day": items("on Monday; on Tuesday; on Wednesday; on Thursday; on Friday; on Saturday; on Sunday"),
}

# What somebody says of a fact: it is so, it is not so, or nobody knows.
FRAMES = {
    "so": items(
        """{who} knows that {fact}; {who} noticed that {fact}; {who} was glad that {fact}; {who} was sorry that {fact};
        {who} learned that {fact}; {who} saw that {fact}; {who} regrets that {fact}; {who} is not surprised that {fact};
        {who} did not forget that {fact}; it is true that {fact}, said {who}; {who} proved that {fact};
        {who} did not like it that {fact}"""
    ),
    "not so": items(
        """{who} wrongly said that {fact}; {who} pretended that {fact}; {who} lied that {fact};
        {who} only dreamed that {fact}; it is false that {fact}, said {who};
        {who} just made up the story that {fact}; {who} wishes that {fact}, but no;
        {who} falsely claimed that {fact}; it is a myth that {fact}, said {who}; {who} only imagined that {fact};
        it is not true that {fact}, said {who}; it is not the case that {fact}, said {who}"""
    ),
    "unknown": items(
        """{who} hopes that {fact}; {who} thinks that {fact}; {who} guesses that {fact}; {who} suspects that {fact};
        {who} asked for proof that {fact}; it may be that {fact}, said {who}; {who} is not sure that {fact};
        {who} cannot prove that {fact}; {who} was told that {fact}; {who} heard a rumor that {fact};
        {who} would not swear that {fact}; it could be true that {fact}, said {who}"""
    ),
}

# fact | its negation | the negation without a negative word | the fact in other words
FACTS = table(
    """
    {p} sold the boat | {p} did not sell the boat | {p} kept the boat | {p} got rid of the boat for money
    {p} passed the test | {p} did not pass the test | {p} failed the test | {p} got through the test
    {p} left the house | {p} did not leave the house | {p} stayed in the house | {p} went out of the house
    {p} won the game | {p} did not win the game | {p} lost the game | {p} was the winner of the game
    the dog was asleep | the dog was not asleep | the dog was awake | the dog was sleeping
    the shop was open | the shop was not open | the shop was closed | the doors of the shop were open
    {p} told the truth | {p} did not tell the truth | {p} told a lie | {p} was honest
    {p} came early | {p} did not come early | {p} came late | {p} arrived early
    the soup was hot | the soup was not hot | the soup was cold | the soup burned the tongue
    {p} liked the play | {p} did not like the play | {p} disliked the play | {p} enjoyed the play
    {p} remembered the name | {p} did not remember the name | {p} forgot the name | {p} still had the name in mind
    the window was broken | the window was not broken | the window was whole | the window was in pieces
    {p} was rich | {p} was not rich | {p} was poor | {p} had a lot of money
    the road was safe | the road was not safe | the road was dangerous | the road had no danger
    """,
    4,
)

CITIES = items("Lima; Oslo; Cairo; Dublin; Seoul; Prague; Quito; Athens; Delhi; Boston; Vienna; Nairobi; Lisbon; Tunis")
FIRMS = items("Norvik; Altera; Beltane; Corvex; Dunmore; Estrella; Fairlane; Galdor; Hexham; Ivoris; Jadestone; Kelmar")
"""Invented names of firms."""

# premise | what follows | what does not follow, although it has the same words
RELATIONS = table(
    """
    {a}, led by {p}, bought {b} of {c} {t} | {p} leads {a} | {p} leads {b}
    {a}, led by {p}, bought {b} of {c} {t} | {b} was bought by {a} | {a} was bought by {b}
    {a}, led by {p}, bought {b} of {c} {t} | {b} is from {c} | {b} is from {d}
    {b} sued {a} in a court of {c} {t}, said {p} | {a} was taken to court by {b} | {b} was taken to court by {a}
    {b} sued {a} in a court of {c} {t}, said {p} | the case was heard in {c} | the case was heard in {d}
    {p} left {a} for {b} {t} and moved from {c} to {d} | {p} now works for {b} | {p} now works for {a}
    {p} left {a} for {b} {t} and moved from {c} to {d} | {p} once lived in {c} | {p} now lives in {c}
    {p} left {a} for {b} {t} and moved from {c} to {d} | {p} now lives in {d} | {p} once lived in {d}
    {p} of {c} beat {q} of {d} in the final {t} | {p} won the final | {q} won the final
    {p} of {c} beat {q} of {d} in the final {t} | {q} lost to {p} | {p} lost to {q}
    {p} of {c} beat {q} of {d} in the final {t} | {q} comes from {d} | {p} comes from {d}
    {p} taught {q} in {c} before both went to {d} {t} | {q} was a pupil of {p} | {p} was a pupil of {q}
    {p} taught {q} in {c} before both went to {d} {t} | {p} was in {c} first | {p} was in {d} first
    a storm hit {c} {t} after it had spared {d}, said {p} | {c} was struck by a storm | {d} was struck by a storm
    a storm hit {c} {t} after it had spared {d}, said {p} | {d} was left unharmed | {c} was left unharmed
    {a} makes cars in {c} and {b} makes ships in {d}, {p} wrote {t} | {a} is a car maker | {b} is a car maker
    {a} makes cars in {c} and {b} makes ships in {d}, {p} wrote {t} | ships are built in {d} | ships are built in {c}
    {p} is older than {q}, who was born in {c} {t} | {q} is younger than {p} | {p} is younger than {q}
    """,
    3,
)
TIMES = items(
    "last year; in May; in June; last week; this spring; in autumn; on Friday; two days ago; in winter; in 2004"
)
