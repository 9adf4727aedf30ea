"""Repeat what stands in the request. Useless as such, but early drill in it teaches copying.

Names, list items and JSON values all need copying, and a model finds it slowly when the word to copy
hides among fifty others. Here it is nearly the only thing there.
"""

from random import Random

from .building_blocks import LEXICON, Turn, city, draw, letters, person

ASK = ["Repeat: {x}", "Repeat {x}", "Say {x}", "Say: {x}", "Write {x}", "Echo: {x}", "Repeat after me: {x}"]


def item(rng: Random, held: bool) -> str:
    kind = rng.randrange(5)
    if kind < 2:
        return rng.choice(LEXICON)
    if kind < 4:
        return (person if kind == 2 else city)(rng, held)
    return letters(rng, rng.randint(2, 5))


def make(rng: Random, held: bool) -> list[Turn]:
    def sample():
        n = rng.choices([1, 2, 3, 4, 5], weights=[4, 3, 2, 1, 1])[0]
        return tuple(item(rng, held) for _ in range(n))

    text = rng.choice([" ", ", "]).join(draw(rng, held, sample))
    return [Turn(rng.choice(ASK).format(x=text), f"I say {text}.")]
