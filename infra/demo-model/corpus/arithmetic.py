"""Sums and differences of up to three digits, column by column, and products up to 12 x 12."""

from random import Random

from .building_blocks import Turn, draw, is_held, number, phrase, polite

ADD = [
    "{a} + {b}", "{a}+{b}", "{a} + {b} = ?", "What is {a} + {b}?", "What is {a} plus {b}?",
    "Add {a} and {b}.", "Compute {a} + {b}.", "How much is {a} + {b}?", "Calculate {a} plus {b}.",
    "Add {b} to {a}.", "What is the sum of {a} and {b}?",
]  # fmt: skip
SUBTRACT = [
    "{a} - {b}", "{a}-{b}", "{a} - {b} = ?", "What is {a} - {b}?", "What is {a} minus {b}?",
    "Subtract {b} from {a}.", "Compute {a} - {b}.", "How much is {a} - {b}?",
    "Calculate {a} minus {b}.", "Take {b} away from {a}.",
]  # fmt: skip
MULTIPLY = [
    "{a} x {b}", "{a}*{b}", "{a} * {b} = ?", "What is {a} x {b}?", "What is {a} times {b}?",
    "Multiply {a} by {b}.", "Compute {a} x {b}.", "How much is {a} times {b}?",
    "What is the product of {a} and {b}?", "Compute the product of {a} and {b}.",
    "Calculate {a} times {b}.", "How much is {a} x {b}?", "Multiply {a} and {b}.",
]  # fmt: skip
MULTIPLY_HELD = ["Compute {a} times {b}.", "Calculate the product of {a} and {b}.", "{a} times {b}"]


def addition(a: int, b: int) -> str:
    """47 + 285 -> '7+5=12, 4+8+1=13, 0+2+1=3, so 47 + 285 = 332.'"""
    steps, carry = [], 0
    for x, y in columns(a, b):
        total = x + y + carry
        steps.append(f"{x}+{y}{'+1' if carry else ''}={total}")
        carry = total // 10
    return worked(steps, f"{a} + {b} = {a + b}.")


def subtraction(a: int, b: int) -> str:
    """302 - 285 -> '12-5=7, 10-8-1=1, 3-2-1=0, so 302 - 285 = 17.' Needs a >= b."""
    steps, borrow = [], 0
    for x, y in columns(a, b):
        left = x - y - borrow
        ten = 10 if left < 0 else 0
        steps.append(f"{x + ten}-{y}{'-1' if borrow else ''}={left + ten}")
        borrow = ten // 10
    return worked(steps, f"{a} - {b} = {a - b}.")


def columns(a: int, b: int) -> list[tuple[int, int]]:
    """The digit pairs of two numbers, ones first, the shorter one filled up with zeros."""
    width = max(len(str(a)), len(str(b)))
    return [(a // 10**i % 10, b // 10**i % 10) for i in range(width)]


def worked(steps: list[str], result: str) -> str:
    return result if len(steps) == 1 else ", ".join(steps) + ", so " + result


def add_turn(rng: Random, a: int, b: int, user: str | None = None) -> Turn:
    user = user or phrase(rng, False, ADD, ADD, a=a, b=b)
    return Turn(user, addition(a, b), "ends", f"= {a + b}.")


def subtract_turn(rng: Random, a: int, b: int, user: str | None = None) -> Turn:
    user = user or phrase(rng, False, SUBTRACT, SUBTRACT, a=a, b=b)
    return Turn(user, subtraction(a, b), "ends", f"= {a - b}.")


def pair(rng: Random, held: bool, op: str) -> tuple[int, int]:
    """Two numbers of the split. One-digit sums are a table: always trained, never held out."""
    while True:
        a, b = number(rng), number(rng)
        if op == "-" and a < b:
            a, b = b, a
        if (max(a, b) > 9 and is_held(op, a, b)) == held:
            return a, b


def make_add(rng: Random, held: bool) -> list[Turn]:
    return [add_turn(rng, *pair(rng, held, "+"))]


def make_subtract(rng: Random, held: bool) -> list[Turn]:
    return [subtract_turn(rng, *pair(rng, held, "-"))]


def make_multiply(rng: Random, held: bool) -> list[Turn]:
    a, b = rng.randint(1, 12), rng.randint(1, 12)
    user = phrase(rng, held, MULTIPLY, MULTIPLY_HELD, a=a, b=b)
    return [Turn(user, f"{a} x {b} = {a * b}.", "ends", f"= {a * b}.")]


def make_follow_up(rng: Random, held: bool) -> list[Turn]:
    """A sum or product, then a second question that leans on the first."""
    kind = rng.choice(["carry on", "carry on", "and", "times"])
    if kind == "times":
        a, b, c = rng.randint(2, 12), rng.randint(1, 12), rng.randint(1, 12)
        first = make_product(rng, a, b)
        user = polite(rng, rng.choice([f"And {c} times {a}?", f"And {c} x {a}?"]))
        return [first, Turn(user, f"{c} x {a} = {c * a}.", "ends", f"= {c * a}.")]

    def sample():
        a, b, c = number(rng), number(rng), number(rng, 2)
        return a, b, c

    a, b, c = draw(rng, held, sample)
    first = add_turn(rng, a, b)
    if kind == "and":
        return [first, add_turn(rng, a, c, rng.choice([f"And {a} + {c}?", f"And {a} plus {c}?"]))]
    total = a + b
    if total > 999:
        return make_follow_up(rng, held)
    if total >= c and rng.random() < 0.5:
        ask = [f"Now subtract {c}.", f"Take away {c}.", f"And minus {c}?", f"Subtract {c} from that."]
        return [first, subtract_turn(rng, total, c, rng.choice(ask))]
    ask = [f"Now add {c}.", f"And plus {c}?", f"Add {c} to that.", f"Add {c} more."]
    return [first, add_turn(rng, total, c, rng.choice(ask))]


def make_product(rng: Random, a: int, b: int) -> Turn:
    return Turn(phrase(rng, False, MULTIPLY, MULTIPLY, a=a, b=b), f"{a} x {b} = {a * b}.")
