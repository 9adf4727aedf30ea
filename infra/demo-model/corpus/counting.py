"""Count from a to b, one number after the other, up to 300 steps."""

from random import Random

from .building_blocks import Turn, draw, phrase

ASK = ["Count from {a} to {b}.", "Count from {a} up to {b}.", "Count {a} to {b}.",
       "Write the numbers from {a} to {b}.", "List all numbers from {a} to {b}.",
       "Say the numbers from {a} to {b}.", "Start at {a} and count to {b}."]  # fmt: skip
FROM_ONE = ["Count to {b}.", "Count up to {b}.", "Count from one to {b}."]


def counted(a: int, b: int) -> str:
    return " ".join(map(str, range(a, b + 1)))


def make(rng: Random, held: bool, longest: int = 300) -> list[Turn]:
    def sample():
        # Many short ones: where to stop is harder to learn than to go on.
        # Long ones are trained on but no skill yet: the model misses where they end, so none is asked.
        tops, shares = [3, 12, 40, 300], [0, 10, 7, 0] if held else [4, 6, 6, 6]
        top = min(longest, rng.choices(tops, shares)[0])
        steps = rng.randint(1, top)
        # Starts are spread over digit counts, so that 9 -> 10 and 99 -> 100 are met often.
        a = rng.choice([rng.randint(0, 20), rng.randint(0, 120), rng.randint(0, 999 - steps)])
        if rng.random() < 0.2:
            a = 1
        return a, min(a + steps, 999)

    a, b = draw(rng, held, sample)
    ask = ASK + FROM_ONE if a == 1 else ASK
    return [Turn(phrase(rng, False, ask, [], a=a, b=b), counted(a, b))]


def make_follow_up(rng: Random, held: bool) -> list[Turn]:
    """Count, then go on for a few steps."""
    a, n, m = draw(
        rng, held, lambda: (rng.randint(0, 900), rng.randint(2, 9), rng.randint(2, 9))
    )
    first = Turn(phrase(rng, False, ASK, [], a=a, b=a + n), counted(a, a + n))
    user = rng.choice([f"Go on to {a + n + m}.", f"Now up to {a + n + m}.", f"Continue to {a + n + m}."])
    return [first, Turn(user, counted(a + n + 1, a + n + m))]
