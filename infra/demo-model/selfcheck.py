"""Checks the corpus against itself: wrong answers, split leaks and unstable text are bugs.

Answers are checked by reading them back, not by running their generator again.
Usage: python selfcheck.py
"""

import json
import re
from random import Random

from corpus import arithmetic, calendar_units, counting, extract, facts, sorting, spelling, story, tools
from corpus.building_blocks import Turn, is_held
from corpus.mix import SKILLS, conversation

ROUNDS = 2000
SIGN = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "x": lambda a, b: a * b}


def equations_hold(reply: str):
    """Every 'a op b [op c] = d' of a reply is true."""
    found = re.findall(r"(\d+) ?([-+x]) ?(\d+)(?:([-+])1)? ?= ?(\d+)", reply)
    assert found, reply
    for a, op, b, again, result in found:
        value = SIGN[op](int(a), int(b)) + {"": 0, "+": 1, "-": -1}[again]
        assert value == int(result), reply


def check_arithmetic(rng: Random, held: bool):
    for make, op in ((arithmetic.make_add, "+"), (arithmetic.make_subtract, "-")):
        turn = make(rng, held)[0]
        equations_hold(turn.reply)
        a, b = re.findall(rf"(\d+) [{op}] (\d+) =", turn.reply)[0]
        asked = sorted(re.findall(r"\d+", turn.user))
        assert asked == sorted([a, b]), turn
        assert held == (max(int(a), int(b)) > 9 and is_held(op, int(a), int(b))), turn
    equations_hold(arithmetic.make_multiply(rng, held)[0].reply)
    for turn in arithmetic.make_follow_up(rng, held):
        equations_hold(turn.reply)


def check_sorting(rng: Random, held: bool):
    for make in (sorting.make_sort_numbers, sorting.make_sort_words):
        turn = make(rng, held)[0]
        items = turn.reply.rstrip(".").split(": ")[1].split(", ")
        items = [int(i) if i.isdigit() else i for i in items]
        down = turn.reply.startswith("In reverse")
        assert all((a > b) if down else (a < b) for a, b in zip(items, items[1:])), turn
        assert all(str(i) in turn.user for i in items), turn
    turn = sorting.make_compare(rng, held)[0]
    if "word" not in turn.reply:
        a, b = map(int, re.findall(r"\d+", turn.reply))
        assert (a > b) == ("larger" in turn.reply), turn


def check_spelling(rng: Random, held: bool):
    there, back = spelling.make_reverse(rng, held)[0].reply[5:-1].split(" to ")
    assert there == back[::-1]


def check_counting(rng: Random, held: bool):
    turn = counting.make(rng, held)[0]
    numbers = list(map(int, turn.reply.split()))
    assert all(b == a + 1 for a, b in zip(numbers, numbers[1:])), turn
    asked = [int(n) for n in re.findall(r"\d+", turn.user)]
    assert asked[-1] == numbers[-1] and (len(asked) == 1 or asked[0] == numbers[0]), turn
    assert is_held((numbers[0], numbers[-1])) == held
    if turn.weights:
        check_thinned(turn)


def check_thinned(turn: Turn):
    """What is left of a count starts and ends as the whole does; a number is learned only after the one before it."""
    assert turn.weights[-1] == max(w for w in turn.weights if w is not None)
    assert len(turn.weights) == len(turn.reply) + 1
    for i, weight in enumerate(turn.weights[1:], 1):
        cut = turn.weights[i - 1] is None
        assert weight is None or not cut or (weight == 0 and turn.reply[i - 1] == " "), (i, turn)


def check_extract(rng: Random, held: bool):
    turn = extract.make(rng, held)[0]
    for value in json.loads(turn.reply).values():
        assert str(value) in turn.user, turn


def check_tools(rng: Random, held: bool):
    messages = tools.make(rng, held)
    names = re.findall(r"(\w+)\(", messages[0]["content"])
    for message in messages:
        if message["content"].startswith("<tool_call>"):
            call = json.loads(message["content"][len("<tool_call>") : -len("</tool_call>")])
            assert call["name"] in names


def check_story(rng: Random, held: bool):
    turn = story.make(rng, held)[0]
    assert all(v in turn.reply and v in turn.user for v in turn.value), turn


def check_split(rng: Random):
    """No held-out phrasing is also a trained one, and held-out prompts never occur in training."""
    for _, _, trained, held_out in facts.RELATIONS:
        assert not set(trained) & set(held_out)
    for name, skill in SKILLS.items():
        if name.startswith("follow") or name == "smalltalk":
            continue
        trained = {skill.make(rng, False)[-1].user for _ in range(ROUNDS)}
        held_out = {skill.make(rng, True)[-1].user for _ in range(ROUNDS)}
        both = trained & held_out
        assert not both, f"{name}: {sorted(both)[:5]}"


def main():
    rng = Random(0)
    checks = [check_arithmetic, check_sorting, check_spelling, check_counting, check_extract]
    for check in [*checks, check_tools, check_story]:
        for i in range(ROUNDS):
            check(rng, held=i % 2 == 0)
    check_split(rng)
    assert conversation(1, 5) == conversation(1, 5)
    assert len(calendar_units.MONTHS) == len(calendar_units.LENGTHS) == len(calendar_units.ORDINALS) == 12
    print("the corpus is sound")


if __name__ == "__main__":
    main()
