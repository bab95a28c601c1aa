"""The ten question topics: what people want to do, what they ask about, and the advice they get."""

from .base import items

_WORDS = {
    "Society & Culture": (
        "pray every day; celebrate Ramadan; convert to Buddhism; read the Bible; fast during Lent",
        "the afterlife; the church service; old superstitions; Thanksgiving customs; the mosque",
        "ask a priest; visit the temple; respect the elders; light a candle; follow the customs",
    ),
    "Science & Mathematics": (
        """solve a quadratic equation; calculate the area of a circle; balance a chemical reaction; find the
        derivative; measure gravity""",
        "black holes; the speed of light; prime numbers; sulfuric acid; dinosaur bones",
        "multiply both sides; use the formula; divide by the mass; draw the angle; count the protons",
    ),
    "Health": (
        "lose weight; cure a sore throat; lower my blood pressure; treat acne; stop snoring",
        "vitamin pills; asthma attacks; high cholesterol; the diabetes diet; a skin rash",
        "see a doctor; drink more water; take an aspirin; rest in bed; eat less sugar",
    ),
    "Education & Reference": (
        "write my essay; pass the entrance exam; cite a book; apply for a scholarship; find a synonym",
        "the dictionary; high school grades; the thesis chapter; a tuition waiver; the encyclopedia",
        "ask your teacher; make an outline; look in the library; revise your notes; hire a tutor",
    ),
    "Computers & Internet": (
        "reset my password; remove a virus; install Windows; speed up my laptop; block pop-up ads",
        "the hard drive; spyware; a wireless modem; the email account; the USB port",
        "restart the PC; download the patch; clear the cookies; run a scan; click the settings icon",
    ),
    "Sports": (
        """throw a curveball; join a soccer team; train for a marathon; dunk a basketball; improve my golf swing""",
        "the World Cup; the quarterback; the referee; the playoffs; the batting average",
        "practice your dribble; watch the game; pass the ball; keep your eye on the puck; ask the coach",
    ),
    "Business & Finance": (
        """invest in stocks; refinance my mortgage; open a savings account; start a small firm; file my tax return""",
        "interest rates; the pension plan; mutual funds; the payroll; a bank fee",
        "call your bank; hire an accountant; compare the mortgage offers; pay the balance; buy bonds",
    ),
    "Entertainment & Music": (
        "play the guitar; meet a celebrity; download this song; watch the movie; sing on stage",
        "the soundtrack; Harry Potter; the drummer; a reality show; the pop star",
        "listen to the chorus; rent the DVD; watch the trailer; buy the record; read the comic",
    ),
    "Family & Relationships": (
        """tell my boyfriend the truth; get over my ex; ask a girl out; trust my husband; plan our wedding""",
        "my mother in law; the first kiss; a shy guy; the divorce; our engagement",
        "be honest with her; give him space; follow your heart; move on from him; tell your parents",
    ),
    "Politics & Government": (
        "vote in the election; become a senator; get a visa; impeach the president; repeal the law",
        "the Supreme Court; illegal immigration; the Republicans; gun control; the tax cuts",
        """call your congressman; vote for the liberals; read the constitution; sign the petition; blame the
        president""",
    ),
}

TOPICS = {
    topic: {"do": items(do), "thing": items(thing), "tip": items(tip)} for topic, (do, thing, tip) in _WORDS.items()
}
