"""News in four topics: who did what comes from the topic, the frames, places and sources are shared."""

import random

from .base import fill, items, pick, sentences

TOPICS = {
    "World": {
        "actor": items("rebels; diplomats; refugees; peace envoys; soldiers; protesters; militants; cabinet ministers"),
        "act": items(
            """signed a cease-fire; fled the fighting; stormed the parliament; freed the prisoners; called for
        elections; shelled a village; crossed the border; blocked the peace plan"""
        ),
        "thing": items(
            """the truce talks; the refugee camp; the nuclear treaty; the disputed province; the hostage crisis; the
        civil war; the flood relief; the bomb attack"""
        ),
    },
    "Sports": {
        "actor": items(
            """the striker; the goalkeeper; the quarterback; the coach; the sprinter; the tennis champion; the rookie
        pitcher; the cyclists"""
        ),
        "act": items(
            """scored twice; won the final; lost in overtime; broke the track record; missed a penalty; took the gold
        medal; beat the league leaders; tore a knee ligament"""
        ),
        "thing": items(
            """the cup tie; the playoff game; the Olympic trial; the transfer window; the season opener; the title race;
        the sold-out stadium; the tournament draw"""
        ),
    },
    "Business": {
        "actor": items(
            """shareholders; the retailer; the car maker; investors; the central bank; the airline; oil traders; the
        lender"""
        ),
        "act": items(
            """cut its profit forecast; raised interest rates; agreed to a merger; sold shares; filed for bankruptcy;
        reported record earnings; laid off workers; paid a dividend"""
        ),
        "thing": items(
            """the quarterly results; the share price; the trade deficit; the housing market; the buyout offer; the
        inflation figures; the stock exchange; the pension fund"""
        ),
    },
    "Science or Technology": {
        "actor": items(
            """astronomers; chip designers; the search engine; researchers; the space probe; programmers; hackers;
        biologists"""
        ),
        "act": items(
            """patched a security hole; mapped the genome; released a software update; spotted a distant galaxy; tested
        a faster processor; launched into orbit; blocked spam email; decoded a gene"""
        ),
        "thing": items(
            """the wireless network; the moon mission; the operating system; the stem cell study; the web server; the
        particle experiment; the download service; the climate model"""
        ),
    },
}

SHARED = {
    "nation": items(
        "Dutch; Kenyan; Polish; Chilean; Thai; Irish; Indian; Greek; Korean; Danish; Turkish; Mexican; French; Swiss"
    ),
    "city": items(
        "LONDON; TOKYO; NAIROBI; LIMA; OSLO; MADRID; CAIRO; DELHI; BOSTON; SEOUL; ATHENS; TORONTO; ROME; SYDNEY"
    ),
    "day": items("Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday"),
    "source": items("reports; a spokesman; local papers; sources; witnesses; a statement; observers; radio news"),
    "verb": items(
        """drew attention; came up again; made the news; caused debate; moved closer; won interest; took a new turn;
        went on"""
    ),
    "brief": items("Brief; Update; Report; In short; Latest; Late news; At a glance; Today"),
}
TITLES = items(
    """{brief}: {thing}; {nation} {actor} and {thing}; {thing} {verb}; {actor} {act}; after {day}, {actor} {act};
    why {actor} {act}; how {thing} {verb}; {nation} view on {thing}"""
)
TEXTS = items(
    """{city} - {actor} {act} as {thing} {verb}, {source} said {day}; {city} - {actor} {act}, {source} said {day};
    {source} said on {day} that {actor} {act} in {city}; {day} in {city}: {actor} {act}, and {thing} {verb};
    as {thing} {verb}, {actor} {act} on {day}; {city} - it was {day} when {actor} {act}, said {source};
    in {city}, {actor} {act} and {thing} {verb}, {source} said; {city} - {thing} {verb} and {actor} {act} on {day};
    {nation} {source} say {thing} {verb} after {actor} {act} on {day}"""
)


def sentence(rng: random.Random, label: str) -> str:
    """A headline and a line of text about one of the four topics."""
    slots = SHARED | TOPICS[label]
    title = fill(rng, pick(rng, TITLES), slots)
    text = fill(rng, pick(rng, TEXTS), slots)
    # An actor such as "the coach" loses its article behind a nation: "Dutch coach".
    for nation in SHARED["nation"]:
        title = title.replace(f"{nation} the ", f"{nation} ").replace(f"{nation} view on ", f"{nation} view on the ")
    title = title.replace("the the ", "the ")
    return f"Title: {sentences(title)}\nText: {sentences(text)}.\n"
