"""Count from a to b, one number after the other, up to 300 steps.

Every number but the last follows from the one before it; what is hard is where to stop, which a count
of a thousand tokens decides once. So a trained count says what its tokens weigh in the loss, and most
long ones are thinned: numbers that decide nothing are left out, though their positions are not.
"""

from random import Random

from .building_blocks import Turn, draw, phrase

ASK = ["Count from {a} to {b}.", "Count from {a} up to {b}.", "Count {a} to {b}.",
       "Write the numbers from {a} to {b}.", "List all numbers from {a} to {b}.",
       "Say the numbers from {a} to {b}.", "Start at {a} and count to {b}."]  # fmt: skip
FROM_ONE = ["Count to {b}.", "Count up to {b}.", "Count from one to {b}."]

# Steps of a count, least and most. An evaluation asks each range equally often.
RANGES = [(1, 10), (11, 40), (41, 100), (101, 200), (201, 300)]
TRAINED_SHARES = [4, 4, 4, 6, 11]
THIN_FROM = 40  # steps
THINNED = 0.8  # of the counts longer than that


def counted(a: int, b: int) -> str:
    return " ".join(map(str, range(a, b + 1)))


def differing_digits(n: int, b: int) -> int:
    return sum(x != y for x, y in zip(f"{n:03}", f"{b:03}"))


def stop_weight(n: int, b: int) -> float:
    """Weight of the token after n in a count to b: the more n looks like b, the more."""
    return [8.0, 8.0, 3.0 if n % 10 == b % 10 else 1.0, 1.0][differing_digits(n, b)]


def kept_numbers(rng: Random, a: int, b: int) -> set[int]:
    """The numbers of a thinned count: its start, its end, those that look like its end, and some more."""
    kept = {a, a + 1, *range(b - rng.randint(3, 12), b + 1)}
    for n in range(a, b):
        if differing_digits(n, b) == 1 and rng.random() < 0.7:
            kept |= {*range(n - rng.randint(1, 3), n + 2)}
    for _ in range(2):
        first = rng.randint(a, b)
        kept |= {*range(first, first + rng.randint(3, 10))}
    return {n for n in kept if a <= n <= b}


def weights_of(a: int, b: int, kept: set[int]) -> list[float | None]:
    """One weight for each character of the count, which is a token, and for its end. None: left out."""
    weights: list[float | None] = []
    for n in range(a, b + 1):
        digits = len(str(n))
        if n not in kept:
            weights += [None] * (digits + 1)
        else:
            follows = n == a or n - 1 in kept
            weights += [1.0 if follows else 0.0] * digits + [stop_weight(n, b)]
    return weights


def make(rng: Random, held: bool, longest: int = 300, steps: tuple[int, int] | None = None) -> list[Turn]:
    """`steps` asks for one range of RANGES."""

    def sample():
        least, most = steps or rng.choices(RANGES, TRAINED_SHARES)[0]
        n = rng.randint(min(least, longest), min(most, longest))
        # Starts are spread over digit counts, so that 9 -> 10 and 99 -> 100 are met often.
        a = rng.choice([rng.randint(0, 20), rng.randint(0, 120), rng.randint(0, 999 - n)])
        if rng.random() < 0.2:
            a = 1
        return a, a + n

    a, b = draw(rng, held, sample)
    ask = ASK + FROM_ONE if a == 1 else ASK
    turn = Turn(phrase(rng, False, ask, [], a=a, b=b), counted(a, b))
    if not held:
        thin = b - a > THIN_FROM and rng.random() < THINNED
        turn.weights = weights_of(a, b, kept_numbers(rng, a, b) if thin else {*range(a, b + 1)})
    return [turn]


def make_follow_up(rng: Random, held: bool) -> list[Turn]:
    """Count, then go on for a few steps."""
    a, n, m = draw(
        rng, held, lambda: (rng.randint(0, 900), rng.randint(2, 9), rng.randint(2, 9))
    )
    first = Turn(phrase(rng, False, ASK, [], a=a, b=a + n), counted(a, a + n))
    user = rng.choice([f"Go on to {a + n + m}.", f"Now up to {a + n + m}.", f"Continue to {a + n + m}."])
    return [first, Turn(user, counted(a + n + 1, a + n + m))]
