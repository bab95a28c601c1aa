"""Causes and effects: the right alternative belongs to the event, the wrong one to another event."""

import random

from .base import other, pick, sentences, table
from .nli_words import PEOPLE

# cause | effect
EVENTS = table(
    """
    {p} dropped the cup | the cup broke on the floor
    {p} forgot the umbrella | {p} got wet in the rain
    {p} ran a long race | {p} was out of breath
    {p} ate nothing all day | {p} was very hungry
    {p} left the milk in the sun | the milk turned sour
    {p} studied every night | {p} passed the exam
    {p} overslept | {p} missed the early train
    {p} stepped on a nail | the foot of {p} began to bleed
    {p} turned off the lamp | the room became dark
    {p} kicked the ball too hard | the ball flew over the wall
    {p} told a joke | everybody laughed
    {p} lost the keys | {p} could not open the door
    {p} watered the seeds | the seeds began to grow
    {p} spilled ink on the shirt | the shirt had a stain
    {p} drove too fast | the police stopped {p}
    {p} left the window open | cold air came into the house
    {p} burned the toast | the toast was black
    {p} caught a cold | {p} sneezed and coughed
    {p} won the lottery | {p} became rich
    {p} forgot to feed the cat | the cat begged for food
    {p} cut the rope | the boat drifted away
    {p} shook the tree | apples fell to the ground
    {p} put water in the freezer | the water became ice
    {p} lit a match | the candle started to burn
    {p} rang the bell | the neighbor came to the gate
    {p} heard a ghost story | {p} was scared at night
    {p} salted the icy steps | the ice on the steps melted
    {p} glued the vase | the vase was whole again
    {p} trained the dog | the dog learned to sit
    {p} mixed blue and yellow | the paint turned green
    {p} forgot the birthday | the aunt felt forgotten
    {p} sharpened the knife | the knife cut well
    {p} played loud music | people next door complained
    {p} did not pay the bill | the electricity was cut off
    {p} worked in the garden | the hands of {p} were full of soil
    {p} wore thin gloves | the fingers of {p} froze
    {p} threw a stone in the pond | waves ran over the pond
    {p} sat on the glasses | the glasses were bent
    {p} sang a lullaby | the baby fell asleep
    {p} fixed the engine | the car started again
    {p} pulled the plug | the tub became empty
    {p} blew into the balloon | the balloon got bigger
    {p} looked into the sun | the eyes of {p} hurt
    {p} washed the wool too hot | the sweater shrank
    {p} wrote to a pen pal | a letter came from abroad
    {p} brushed the horse | the coat of the horse was shiny
    {p} lost the map | {p} took the wrong path
    {p} ate too much candy | {p} got a toothache
    {p} helped a stranger | the stranger thanked {p}
    {p} oiled the hinge | the hinge stopped squeaking
    """,
    2,
)


def sentence(rng: random.Random, label: str) -> str:
    """An event, and two alternatives of which one is its cause (or effect)."""
    event = pick(rng, EVENTS)
    person = pick(rng, PEOPLE)
    asked = pick(rng, ["cause", "effect"])
    column = 0 if asked == "cause" else 1
    premise, right, wrong = (
        sentences(text.replace("{p}", person))
        for text in (event[1 - column], event[column], other(rng, EVENTS, event)[column])
    )
    first, second = (right, wrong) if label == "A" else (wrong, right)
    return f'Which sentence is the {asked} of "{premise}."? Choose one between A and B.\nA: {first}.\nB: {second}.'
