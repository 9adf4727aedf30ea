"""Days, months and simple units: small tables, each asked in several ways."""

from random import Random

from .building_blocks import Turn, phrase

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
    "January February March April May June July August September October November December".split()
)
LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
)

# (small unit, large unit, how many of the small make one large, up to how many large ones)
UNITS = [
    ("centimetres", "metres", 100, 20), ("metres", "kilometres", 1000, 20),
    ("grams", "kilograms", 1000, 20), ("millimetres", "centimetres", 10, 20),
    ("cents", "euros", 100, 20), ("minutes", "hours", 60, 10), ("seconds", "minutes", 60, 10),
    ("days", "weeks", 7, 12), ("hours", "days", 24, 5), ("months", "years", 12, 10),
    ("millilitres", "litres", 1000, 20), ("eggs", "dozens", 12, 10),
]  # fmt: skip


def neighbour(rng: Random, held: bool, cycle: list[str], kind: str) -> Turn:
    i = rng.randrange(len(cycle))
    if rng.random() < 0.5:
        user = phrase(
            rng, held,
            [f"What {kind} comes after {{x}}?", f"Which {kind} follows {{x}}?", "What comes after {x}?",
             f"Name the {kind} after {{x}}.", f"What is the next {kind} after {{x}}?",
             f"Which {kind} comes after {{x}}?", f"What {kind} follows {{x}}?"],
            [f"Name the {kind} that comes after {{x}}.", f"What is the {kind} after {{x}}?"],
            x=cycle[i],
        )  # fmt: skip
        return Turn(user, f"{cycle[(i + 1) % len(cycle)]} comes after {cycle[i]}.")
    user = phrase(
        rng, held,
        [f"What {kind} comes before {{x}}?", "What comes before {x}?", f"Name the {kind} before {{x}}.",
         f"Which {kind} is right before {{x}}?", f"Which {kind} comes before {{x}}?",
         f"What {kind} is right before {{x}}?"],
        [f"Name the {kind} that comes before {{x}}.", f"What is the {kind} before {{x}}?"],
        x=cycle[i],
    )  # fmt: skip
    return Turn(user, f"{cycle[i - 1]} comes before {cycle[i]}.")


def later_day(rng: Random, held: bool) -> Turn:
    i, n = rng.randrange(7), rng.randint(2, 6)
    user = phrase(
        rng, held,
        ["What day is {n} days after {x}?", "Which day is {n} days after {x}?",
         "Today is {x}. What day is it in {n} days?", "{n} days after {x} is what day?",
         "It is {x} today. Which day is it in {n} days?", "Name the day {n} days after {x}."],
        ["Today is {x}. Which day is it in {n} days?", "What day comes {n} days after {x}?"],
        n=n, x=DAYS[i],
    )  # fmt: skip
    return Turn(user, f"{n} days after {DAYS[i]} is {DAYS[(i + n) % 7]}.")


def month_length(rng: Random, held: bool) -> Turn:
    i = rng.randrange(12)
    user = phrase(
        rng, held,
        ["How many days are in {x}?", "How many days does {x} have?", "How long is {x}?",
         "What is the number of days in {x}?", "How many days are there in {x}?", "{x} has how many days?"],
        ["What number of days does {x} have?", "How many days long is {x}?"],
        x=MONTHS[i],
    )  # fmt: skip
    return Turn(user, f"{MONTHS[i]} has {LENGTHS[i]} days.")


def month_number(rng: Random, held: bool) -> Turn:
    i = rng.randrange(12)
    user = phrase(
        rng, held,
        ["What is the {o} month?", "Which month is the {o}?", "Name the {o} month of the year.",
         "Name the {o} month.", "Which is the {o} month of the year?", "What is the {o} month of the year?"],
        ["What is the name of the {o} month?", "Which month of the year is the {o}?"],
        o=ORDINALS[i],
    )  # fmt: skip
    return Turn(user, f"The {ORDINALS[i]} month is {MONTHS[i]}.")


def units(rng: Random, held: bool) -> Turn:
    small, large, factor, most = rng.choice(UNITS)
    n = rng.randint(2, most)
    user = phrase(
        rng, held,
        ["How many {s} are in {n} {l}?", "How many {s} are {n} {l}?", "Convert {n} {l} to {s}.",
         "{n} {l} in {s}", "What is {n} {l} in {s}?", "How many {s} are there in {n} {l}?",
         "How much is {n} {l} in {s}?"],
        ["How many {s} make {n} {l}?", "Give {n} {l} in {s}."],
        n=n, s=small, l=large,
    )  # fmt: skip
    return Turn(user, f"{n} {large} are {n * factor} {small}.")


def make(rng: Random, held: bool) -> list[Turn]:
    kind = rng.randrange(8)
    if kind < 2:
        return [neighbour(rng, held, DAYS, "day")]
    if kind < 3:
        return [neighbour(rng, held, MONTHS, "month")]
    if kind < 6:
        return [[later_day, month_length, month_number][kind - 3](rng, held)]
    return [units(rng, held)]


def make_follow_up(rng: Random, held: bool) -> list[Turn]:
    """A day or month, then the one after that."""
    cycle, kind = rng.choice([(DAYS, "day"), (MONTHS, "month")])
    first = neighbour(rng, held, cycle, kind)
    answer = cycle.index(first.reply.split()[0])
    if rng.random() < 0.5:
        user = phrase(rng, False, ["And after that?", "What comes after that?", "And the next one?"], [])
        return [first, Turn(user, f"{cycle[(answer + 1) % len(cycle)]} comes after {cycle[answer]}.")]
    user = phrase(rng, False, ["And before that?", "What comes before that?", "And the one before?"], [])
    return [first, Turn(user, f"{cycle[answer - 1]} comes before {cycle[answer]}.")]
