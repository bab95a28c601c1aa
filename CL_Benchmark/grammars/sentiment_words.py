"""Graded sentiment: each level has its own adjectives and verdicts, and shares no cue with another level."""

from .base import items

ADJECTIVES = {
    "very negative": items(
        """dreadful; horrible; appalling; atrocious; disgusting; worthless; unbearable; terrible; awful; abysmal;
        shameful; revolting; hideous; pathetic; disastrous; catastrophic; insulting; useless"""
    ),
    "negative": items(
        """disappointing; weak; poor; dull; lacking; below par; unimpressive; underwhelming; shaky; clumsy; sloppy;
        tiresome; careless; inferior; annoying; unsatisfying; subpar; flawed"""
    ),
    "neutral": items(
        """average; okay; so-so; passable; ordinary; acceptable; middling; unremarkable; standard; adequate; tolerable;
        plain; typical; fair; neither good nor bad; nothing special; usual; mixed"""
    ),
    "positive": items(
        """good; pleasant; nice; solid; enjoyable; pleasing; likeable; reliable; tidy; satisfying; worthwhile; charming;
        commendable; agreeable; neat; welcome; lovely; well made"""
    ),
    "very positive": items(
        """superb; flawless; amazing; fantastic; outstanding; perfect; magnificent; brilliant; incredible; stunning;
        phenomenal; spectacular; unbeatable; extraordinary; marvelous; breathtaking; exceptional; sublime"""
    ),
}

VERDICTS = {
    "very negative": items(
        """I want my money back; never again; it was a complete disaster; I regret every cent; it made me furious;
        stay far away; it belongs in the bin; it felt like a scam; I am outraged; it was the worst I have ever seen;
        I hated every minute; it ruined my week; I filed an angry complaint; it left me disgusted"""
    ),
    "negative": items(
        """I expected more; it let me down; I would rather skip it; it fell short; I was hardly impressed;
        it broke its promise; it was a bit of a letdown; I grew tired of it; I would choose something else instead;
        it needs a lot of improvement; I was rather annoyed; it has too many faults; I lost interest; I was bored by it
        """
    ),
    "neutral": items(
        """it has its pros and cons; I could take it or leave it; it does the job and no more; I have mixed feelings;
        some parts work and some do not; I feel indifferent; it is middle of the road; I have neither blame nor praise;
        I am on the fence; it was as one would guess; it balances out; I have no strong opinion; it is half and half;
        I shrug my shoulders"""
    ),
    "positive": items(
        """I am glad I chose it; I like it; it was worth the price; I would pick it again; it made me smile;
        it serves me well; I am happy with it overall; I can recommend it; it did better than I hoped;
        it was a small pleasure; I was content; it has real merits; I feel satisfied; it gets a thumbs up"""
    ),
    "very positive": items(
        """I love every bit of it; it is a masterpiece; it is simply the best; I am over the moon; it blew me away;
        it was beyond all my hopes; it earns ten out of ten; I am in awe; it was a dream come true;
        it could hardly be better; I adore it; I was thrilled; I am still cheering; it is pure joy"""
    ),
}

FOOD_ADJECTIVES = {
    "very negative": items("filthy; rancid; inedible; vile; rotten; nauseating"),
    "negative": items("bland; stale; soggy; too slow; tasteless; overcooked"),
    "neutral": items("lukewarm; simple; routine; everyday; basic; commonplace"),
    "positive": items("tasty; fresh; warm; cozy; friendly; well seasoned"),
    "very positive": items("divine; heavenly; mouthwatering; world-class; exquisite; to die for"),
}

FILM_ADJECTIVES = {
    "Good": items(
        """gripping; moving; witty; touching; clever; inspired; graceful; thrilling; heartfelt; hilarious; elegant;
        captivating; delightful; masterful; tender; refreshing; vivid; powerful; absorbing; memorable; enchanting;
        wonderful; radiant; superb; brilliant; beautiful"""
    ),
    "Bad": items(
        """tedious; lifeless; shallow; wooden; predictable; pointless; clumsy; dreary; laughable; stale; hollow; messy;
        boring; annoying; bland; painful; forgettable; awful; dull; lazy; incoherent; terrible; soulless; dismal;
        tiresome; ugly"""
    ),
}

FILM_VERDICTS = {
    "Good": items(
        """it kept me glued to the screen; I laughed and cried; I would gladly see it twice; it won my heart;
        it deserves every award; I left with a smile; it is a treat from start to finish; I was deeply moved;
        it sparkles with life; it rewards every viewer; I could have watched for hours; it is a small gem"""
    ),
    "Bad": items(
        """it nearly put me to sleep; I checked my watch again and again; I wanted a refund; it wasted my evening;
        it goes nowhere; I left before the end; it is a chore to sit through; I felt cheated; it sinks like a stone;
        it insults the viewer; I could hardly stay awake; it is a failure on every level"""
    ),
}
