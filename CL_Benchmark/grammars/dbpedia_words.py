"""The fourteen kinds of things: how a description names the kind (never by its label) and what it tells about it."""

from .base import items

_WORDS = {
    "Company": (
        "maker of farm tools; retailer of shoes; insurer; regional airline; brewery group",
        """runs shops in forty cities; employs nine thousand people; was listed on the stock exchange; sells its
        products to hospitals; reported rising revenue""",
    ),
    "Educational Institution": (
        "high school; private university; boarding school; teachers college; technical college",
        """has nine hundred pupils; offers degrees in nursing; teaches grades six to twelve; awards a bachelor
        degree; has a large campus""",
    ),
    "Artist": (
        "painter; sculptor; jazz singer; poet and illustrator; rock guitarist",
        """was known for bold canvases; played in a punk band; exhibited at galleries; sang in several operas;
        recorded songs with a trio""",
    ),
    "Athlete": (
        "football midfielder; tennis player; sprinter; ice hockey goaltender; swimmer",
        """played for the national team; won a bronze medal; competed at the Olympics; scored nine goals; holds a
        relay record""",
    ),
    "Office Holder": (
        "politician; senator; judge; mayor; minister of finance",
        """was elected to the senate; served two terms; sat on the supreme court; led the opposition; resigned from
        the cabinet""",
    ),
    "Mean of Transportation": (
        "cargo ship; steam locomotive; sports car; fighter aircraft; submarine",
        """has a diesel engine; was launched from the shipyard; reaches a speed of ninety knots; carries eight
        passengers; was fitted with new wheels""",
    ),
    "Building": (
        "stone church; office tower; railway station hall; historic mansion; opera house",
        """was designed by an architect; has twelve floors; is listed as a landmark; was rebuilt after a fire; has a
        marble facade""",
    ),
    "Natural Place": (
        "river; mountain; freshwater lake; glacier; volcano",
        """rises from a spring; flows into the sea; has an elevation of nine hundred metres; lies on a fault; is fed
        by melting snow""",
    ),
    "Village": (
        "hamlet; small settlement; rural community; farming town; fishing settlement",
        """has a population of ninety; had forty families at the census; lies in a rural district; belongs to the
        county; has a weekly market""",
    ),
    "Animal": (
        "species of beetle; moth; freshwater fish; tree frog; sea snail",
        """feeds on insects; has brown wings; lays its eggs under stones; is hunted by owls; has a wingspan of two
        centimetres""",
    ),
    "Plant": (
        "species of orchid; shrub; fern; flowering herb; palm",
        "has white petals; grows in sandy soil; bears small fruit; blooms after rain; has hairy leaves",
    ),
    "Album": (
        "studio record; second LP; live recording; debut release; compilation of hits",
        """has eleven tracks; was produced by the band; sold well on vinyl; reached the charts; features two hit
        singles""",
    ),
    "Film": (
        "silent drama; comedy on the screen; crime thriller; horror movie; animated feature",
        """was directed by a newcomer; stars a young actress; was shown in cinemas; was a box office hit; has a
        famous screenplay""",
    ),
    "Written Work": (
        "novel; weekly newspaper; academic journal; fantasy trilogy; collection of essays",
        """was published in paperback; was written in the first person; is edited by scholars; has been translated;
        was printed by a small press""",
    ),
}

CLASSES = {label: {"kind": items(kinds), "fact": items(facts)} for label, (kinds, facts) in _WORDS.items()}
