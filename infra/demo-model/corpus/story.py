"""Tiny stories with the names and things of the request."""

from random import Random

from .building_blocks import LEXICON, Turn, and_list, draw, person, phrase

THINGS = [w for w in LEXICON if w not in {"boy", "girl", "king", "queen", "yard", "year", "rain", "snow"}]

ASK = ["Tell me a story about {x}.", "Tell a story with {x}.", "Write a tiny story about {x}.",
       "Write a story with {x}.", "Tell me a short story with {x}.", "A story about {x}, please.",
       "Make up a story about {x}."]  # fmt: skip

ONE = [
    "One day {a} found a {t} by the road. Nobody knew whose {t} it was. So {a} took the {t} home and was happy.",
    "{a} had always wanted a {t}. One morning a {t} stood at the door. {a} laughed and kept the {t} for ever.",
    "Once {a} lost a {t} in the dark. {a} looked for it all night. In the morning the {t} was under the bed.",
]
TWO = [
    "{a} and {b} were friends. One day {a} found a {t} and gave it to {b}. They shared the {t} and were happy.",
    "{a} had a {t}, but {b} had none. {b} was sad. So {a} let {b} have the {t}, and they played until night.",
    "Once {a} and {b} looked for a {t}. {b} found the {t} first. Then {a} and {b} went home together.",
]


def make(rng: Random, held: bool) -> list[Turn]:
    def sample():
        a, b = person(rng, held), person(rng, held)
        return a, b, rng.choice(THINGS), rng.random() < 0.5

    a, b, thing, both = draw(rng, held, sample)
    if a == b:
        return make(rng, held)
    who = [a, b] if both else [a]
    user = phrase(rng, False, ASK, [], x=and_list([*who, f"a {thing}"]))
    reply = rng.choice(TWO if both else ONE).format(a=a, b=b, t=thing)
    return [Turn(user, reply, "story", [*who, thing])]
