"""Compare two, and sort up to six, numbers below 100 or words of the lexicon."""

from random import Random

from .building_blocks import LEXICON, Turn, draw, number, phrase, polite

UP = [
    "Sort {x}.", "Sort these: {x}", "Sort these {kind}: {x}", "Put in order: {x}",
    "Put these {kind} in order: {x}", "Sort the {kind} {x}.", "Order these {kind}: {x}",
    "Arrange in order: {x}",
]  # fmt: skip
DOWN = [
    "Sort in reverse order: {x}", "Sort these {kind} in reverse: {x}",
    "Put in reverse order: {x}", "Sort backwards: {x}", "Order these {kind} in reverse: {x}",
]  # fmt: skip


def listed(items: list) -> str:
    return ", ".join(map(str, items))


def in_order(items: list) -> str:
    return f"In order: {listed(items)}."


def in_reverse(items: list) -> str:
    return f"In reverse order: {listed(items)}."


def sample_items(rng: Random, held: bool, words: bool) -> list:
    """Two to six different items whose arrangement belongs to the split."""

    def sample():
        n = rng.choices(range(2, 7), weights=[1, 2, 3, 3, 3])[0]
        return tuple(rng.sample(LEXICON, n) if words else rng.sample(range(100), n))

    return list(draw(rng, held, sample))


def sort_turn(rng: Random, items: list, down: bool) -> Turn:
    kind = "words" if isinstance(items[0], str) else "numbers"
    user = phrase(rng, False, DOWN if down else UP, [], kind=kind, x=listed(items))
    return Turn(user, in_reverse(sorted(items)[::-1]) if down else in_order(sorted(items)))


def make_sort_numbers(rng: Random, held: bool) -> list[Turn]:
    return [sort_turn(rng, sample_items(rng, held, False), rng.random() < 0.3)]


def make_sort_words(rng: Random, held: bool) -> list[Turn]:
    return [sort_turn(rng, sample_items(rng, held, True), rng.random() < 0.3)]


def two_numbers(rng: Random) -> tuple[int, int]:
    """Two different ones, often of different lengths."""
    while True:
        a, b = number(rng), number(rng)
        if a != b:
            return a, b


def make_compare(rng: Random, held: bool) -> list[Turn]:
    if rng.random() < 0.3:
        a, b = draw(rng, held, lambda: tuple(rng.sample(LEXICON, 2)))
        first, second = sorted([a, b])
        ask = ["Which word comes first, {a} or {b}?", "Which comes first: {a} or {b}?",
               "Is {a} before {b} in the dictionary?"]  # fmt: skip
        return [Turn(phrase(rng, False, ask, [], a=a, b=b), f"The word {first} comes before {second}.")]
    a, b = draw(rng, held, lambda: two_numbers(rng))
    low, high = min(a, b), max(a, b)
    more = ["Which is larger, {a} or {b}?", "Which number is bigger: {a} or {b}?",
            "What is more, {a} or {b}?", "Compare {a} and {b}.", "Is {a} larger than {b}?"]  # fmt: skip
    less = ["Which is smaller, {a} or {b}?", "Which number is less: {a} or {b}?",
            "Is {a} smaller than {b}?"]  # fmt: skip
    if rng.random() < 0.6:
        return [Turn(phrase(rng, False, more, [], a=a, b=b), f"{high} is larger than {low}.")]
    return [Turn(phrase(rng, False, less, [], a=a, b=b), f"{low} is smaller than {high}.")]


def make_follow_up(rng: Random, held: bool) -> list[Turn]:
    """Sort, then turn the sorted list round or pick an end of it."""
    items = sample_items(rng, held, rng.random() < 0.5)
    order = sorted(items)
    first = sort_turn(rng, items, False)
    kind = rng.randrange(3)
    if kind == 0:
        user = polite(rng, rng.choice(["Now in reverse.", "And in reverse order?", "Now backwards."]))
        return [first, Turn(user, in_reverse(order[::-1]))]
    name, item = [("first", order[0]), ("last", order[-1])][kind - 1]
    user = polite(rng, rng.choice([f"Which one is {name}?", f"What is the {name} one?"]))
    return [first, Turn(user, f"The {name} one is {item}.")]
