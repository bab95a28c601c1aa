"""Graded sentiment: each level has its own adjectives and verdicts, and shares no cue with another level."""

from .base import items

ADJECTIVES = {
    "very negative": items("dreadful; horrible; appalling; atrocious; disgusting; worthless; unbearable; terrible"),
    "negative": items("disappointing; weak; poor; dull; lacking; below par; unimpressive; underwhelming"),
    "neutral": items("average; okay; so-so; passable; ordinary; acceptable; middling; unremarkable"),
    "positive": items("good; pleasant; nice; solid; enjoyable; pleasing; likeable; reliable"),
    "very positive": items("superb; flawless; amazing; fantastic; outstanding; perfect; magnificent; brilliant"),
}

VERDICTS = {
    "very negative": items(
        """I want my money back; it ruined my week; it was a complete disaster; I regret every cent; it made me furious;
        stay far away"""
    ),
    "negative": items(
        """I expected more; it let me down; I would rather skip it; it fell short; I was hardly impressed;
        I was rather annoyed"""
    ),
    "neutral": items(
        """it has its pros and cons; I could take it or leave it; it does the job and no more; I have mixed
        feelings; some parts work and some do not; I feel indifferent"""
    ),
    "positive": items(
        """I was content; I like it; it was worth the price; I am smiling; it made me smile; I feel satisfied"""
    ),
    "very positive": items(
        """I love every bit of it; it is a masterpiece; it is simply the best; I am over the moon; I was thrilled;
        I am in awe"""
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
