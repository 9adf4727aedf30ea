"""The corpus: an endless, seeded stream of conversations over all skills."""

from dataclasses import dataclass
from random import Random

from . import arithmetic, calendar_units, counting, extract, facts, repeat, smalltalk, sorting, spelling, story
from . import tools, unknown
from .building_blocks import SYSTEMS, Turn

@dataclass
class Skill:
    """`share` is the skill's part of all exchanges, `group` its line in the evaluation table."""

    group: str
    make: object
    share: float


SKILLS = {
    "add": Skill("arithmetic", arithmetic.make_add, 10),
    "subtract": Skill("arithmetic", arithmetic.make_subtract, 10),
    "multiply": Skill("arithmetic", arithmetic.make_multiply, 7),
    "count": Skill("counting", counting.make, 36),
    "sort_numbers": Skill("sorting", sorting.make_sort_numbers, 20),
    "sort_words": Skill("sorting", sorting.make_sort_words, 32),
    "compare": Skill("sorting", sorting.make_compare, 9),
    "spell": Skill("reversing", spelling.make_spell, 6),
    "reverse": Skill("reversing", spelling.make_reverse, 9),
    "calendar": Skill("calendar and units", calendar_units.make, 8),
    "facts": Skill("facts", facts.make, 8),
    "extract": Skill("JSON extraction", extract.make, 9),
    "unknown": Skill("does not know", unknown.make, 9),
    "smalltalk": Skill("identity", smalltalk.make, 9),
    "story": Skill("story", story.make, 2),
    "repeat": Skill("repeating", repeat.make, 7),
    "follow_arithmetic": Skill("follow-ups", arithmetic.make_follow_up, 3),
    "follow_sorting": Skill("follow-ups", sorting.make_follow_up, 3),
    "follow_spelling": Skill("follow-ups", spelling.make_follow_up, 1.5),
    "follow_counting": Skill("follow-ups", counting.make_follow_up, 3.5),
    "follow_calendar": Skill("follow-ups", calendar_units.make_follow_up, 2),
    "follow_facts": Skill("follow-ups", facts.make_follow_up, 2),
    "follow_extract": Skill("follow-ups", extract.make_follow_up, 2),
    "follow_name": Skill("follow-ups", smalltalk.make_follow_up, 1.5),
}
TOOL_SHARE = 0.28  # of all conversations
JSON_SYSTEM_SHARE = 0.03


def messages_of(system: str | None, turns: list[Turn]) -> list[dict]:
    messages = [{"role": "system", "content": system}] if system else []
    for turn in turns:
        messages += [
            {"role": "user", "content": turn.user},
            {"role": "assistant", "content": turn.reply, **({"weights": turn.weights} if turn.weights else {})},
        ]
    return messages


def exchange(rng: Random, longest: int) -> list[Turn]:
    """One skill's turns, drawn by share from the training split."""
    name = rng.choices(list(SKILLS), weights=[s.share for s in SKILLS.values()])[0]
    if name == "count":
        return counting.make(rng, False, longest)
    return SKILLS[name].make(rng, False)


def conversation(seed: int, index: int, longest: int = 300, drill: float = 0.0) -> list[dict]:
    """Training conversation number `index`; the same for ever, whatever came before it.

    `longest` bounds the steps of a count, so that early training can stay with short sequences.
    `drill` is the share of conversations that only repeat something.
    """
    rng = Random(f"{seed}:{index}")
    if rng.random() < drill:
        return messages_of(None, [t for _ in range(rng.randint(1, 2)) for t in repeat.make(rng, False)])
    kind = rng.random()
    if kind < TOOL_SHARE:
        return tools.make(rng, False)
    if kind < TOOL_SHARE + JSON_SYSTEM_SHARE:
        return messages_of(*extract.make_with_system(rng, False))
    system = rng.choice(SYSTEMS) if rng.random() < 0.3 else None
    turns = []
    for _ in range(rng.choices([1, 2, 3], weights=[5, 3, 2])[0]):
        turns += exchange(rng, longest)
    return messages_of(system, turns)
