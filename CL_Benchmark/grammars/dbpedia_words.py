"""The fourteen kinds of things: how a description names the kind (never by its label) and what it tells about it."""

from .base import items

_WORDS = {
    "Company": (
        """maker of farm tools; retailer of shoes; insurer; regional airline; brewery group; software vendor;
        shipping firm; chain of bakeries; supplier of steel pipes; telecom operator; private bank;
        manufacturer of toys""",
        """runs shops in forty cities; employs nine thousand people; was listed on the stock exchange;
        sells its products to hospitals; reported rising revenue; was bought by a rival firm;
        has its headquarters abroad; ships its goods to customers overseas; merged with a competitor;
        opened a factory""",
    ),
    "Educational Institution": (
        """high school; private university; boarding school; teachers college; technical college; primary school;
        medical school; grammar school; girls academy; law faculty; school for the deaf; business school""",
        """has nine hundred pupils; offers degrees in nursing; teaches grades six to twelve; awards a bachelor degree;
        has a large campus; admits students of all ages; is led by a headmaster; trains young engineers;
        joined the school district; gives lessons in four languages""",
    ),
    "Artist": (
        """painter; sculptor; jazz singer; poet and illustrator; rock guitarist; portrait photographer; folk musician;
        soprano; comic book penciller; violinist; rapper; ceramist""",
        """was known for bold canvases; played in a punk band; exhibited at galleries; sang in several operas;
        recorded songs with a trio; studied drawing; taught sculpture; composed string quartets;
        toured with an orchestra; won a prize for watercolors""",
    ),
    "Athlete": (
        """football midfielder; tennis player; sprinter; ice hockey goaltender; swimmer; baseball pitcher; rower;
        cricket batsman; basketball guard; racing cyclist; judoka; gymnast""",
        """played for the national team; won a bronze medal; competed at the Olympics; scored nine goals;
        holds a relay record; was signed by a league club; retired after an injury; finished third in the tournament;
        was named player of the season; reached the semifinal""",
    ),
    "Office Holder": (
        """politician; senator; judge; mayor; minister of finance; governor; diplomat; member of parliament;
        attorney general; party leader; ambassador; congressman""",
        """was elected to the senate; served two terms; sat on the supreme court; led the opposition; resigned from the
        cabinet; was sworn in after the vote; represented the district; signed the budget law; chaired the committee;
        lost the election""",
    ),
    "Mean of Transportation": (
        """cargo ship; steam locomotive; sports car; fighter aircraft; submarine; compact pickup truck; destroyer;
        touring motorcycle; glider; ocean liner; electric tram; helicopter""",
        """has a diesel engine; was launched from the shipyard; reaches a speed of ninety knots;
        carries eight passengers; was fitted with new wheels; flew its first flight;
        was scrapped after a collision; has a long wingspan; was armed with torpedoes;
        shares its chassis with a sedan""",
    ),
    "Building": (
        """stone church; office tower; railway station hall; historic mansion; opera house; brick courthouse;
        lighthouse; art museum; medieval castle; farmhouse; shopping mall; skyscraper""",
        """was designed by an architect; has twelve floors; is listed as a landmark; was rebuilt after a fire;
        has a marble facade; was built in Gothic style; has a slate roof; has two bell towers;
        was restored by its owner; has a vaulted ceiling""",
    ),
    "Natural Place": (
        """river; mountain; freshwater lake; glacier; volcano; coral island; waterfall; desert basin; mountain pass;
        bay; limestone cave; creek""",
        """rises from a spring; flows into the sea; has an elevation of nine hundred metres; lies on a fault;
        is fed by melting snow; drains a wide valley; is a tributary of a stream; is covered by ice; was formed by lava;
        has a steep ridge""",
    ),
    "Village": (
        """hamlet; small settlement; rural community; farming town; fishing settlement; parish; township; commune;
        municipality seat; rural district town""",
        """has a population of ninety; had forty families at the census; lies in a rural district;
        belongs to the county; has a weekly market; is home to few households; has a small parish;
        is administered by a council; was settled by farmers; has no paved road""",
    ),
    "Animal": (
        """species of beetle; moth; freshwater fish; tree frog; sea snail; genus of spiders; bat; lizard; songbird;
        wasp; crab; species of shark""",
        """feeds on insects; has brown wings; lays its eggs under stones; is hunted by owls; has a wingspan of two
        centimetres; lives in burrows; has venom; is active at night; is endangered by fishing; has a striped shell""",
    ),
    "Plant": (
        """species of orchid; shrub; fern; flowering herb; palm; climbing vine; conifer; genus of grasses; cactus; moss;
        oak; wild lily""",
        """has white petals; grows in sandy soil; bears small fruit; blooms after rain; has hairy leaves;
        has a woody stem; is grown in gardens; is pollinated by bees; spreads by its seeds; has edible roots""",
    ),
    "Album": (
        """studio record; second LP; live recording; debut release; compilation of hits; solo record; double LP;
        greatest hits collection; acoustic EP; hip hop mixtape""",
        """has eleven tracks; was produced by the band; sold well on vinyl; reached the charts;
        features two hit singles; was issued on compact disc; was recorded in a studio; has songs with a choir;
        was certified gold; was supported by a tour""",
    ),
    "Film": (
        """silent drama; comedy on the screen; crime thriller; horror movie; animated feature; western movie;
        romantic comedy; documentary; science fiction movie; musical starring two dancers""",
        """was directed by a newcomer; stars a young actress; was shown in cinemas; was a box office hit;
        has a famous screenplay; premiered at a festival; was shot in black and white; was remade in Hollywood;
        follows a detective on screen; was nominated for its cinematography""",
    ),
    "Written Work": (
        """novel; weekly newspaper; academic journal; fantasy trilogy; collection of essays; monthly magazine;
        detective novel; volume of short stories; comic strip; memoir""",
        """was published in paperback; was written in the first person; is edited by scholars; has been translated;
        was printed by a small press; tells of a lost heir; appears twice a month; was reviewed by critics;
        has nine chapters; has many readers""",
    ),
}

CLASSES = {label: {"kind": items(kinds), "fact": items(facts)} for label, (kinds, facts) in _WORDS.items()}
