"""Writes eval/heldout.jsonl: the prompts that decide whether a skill is there.

One line a prompt: id, skill (its line in the table), kind (its generator), messages up to where the
assistant speaks, expected (the trained wording) and check. A check is one of

    exact   the reply equals `expected`
    ends    the reply ends with `value` (a sum must have the right result; its working is free)
    story   the reply names every string in `value` and ends with a full stop

Arguments (numbers, names, lists) come from the held-out split; tables, facts and the lexicon are
asked in held-out phrasings. Half of the prompts stand alone, a quarter have a system message, and a
quarter follow other exchanges. Usage: python heldout.py
"""

import json
from pathlib import Path
from random import Random

from corpus import extract, tools
from corpus.building_blocks import SYSTEMS
from corpus.mix import SKILLS, exchange, messages_of

PER_GROUP = 50
FILE = Path(__file__).parent / "eval" / "heldout.jsonl"


def line(group: str, kind: str, n: int, messages: list[dict], check: str, value) -> dict:
    *prompt, last = messages
    assert last["role"] == "assistant"
    return {
        "id": f"{group.replace(' ', '-').lower()}-{n:02}",
        "skill": group,
        "kind": kind,
        "messages": prompt,
        "expected": last["content"],
        "check": check,
        "value": value,
    }


def skill_lines(group: str, kinds: list[str]) -> list[dict]:
    """PER_GROUP prompts of one group, its skills in turn, no prompt twice."""
    lines, seen = [], set()
    rng = Random(f"heldout:{group}")
    while len(lines) < PER_GROUP:
        kind = kinds[len(lines) % len(kinds)]
        turns = SKILLS[kind].make(rng, True)
        if turns[-1].user in seen:
            continue
        seen.add(turns[-1].user)
        last, style = turns[-1], len(lines) // len(kinds) % 4
        if style == 3 and group != "counting":
            turns = exchange(rng, 20) + turns
        system = rng.choice(SYSTEMS) if style == 2 else None
        messages = messages_of(system, turns)
        lines.append(line(group, kind, len(lines), messages, last.check, last.value))
    return lines


def tool_lines() -> list[dict]:
    """Calls, and replies to their results, in turn."""
    lines, rng = [], Random("heldout:tools")
    while len(lines) < PER_GROUP:
        messages = tools.make(rng, True)
        end = 3 if len(lines) % 2 == 0 else 5
        if len(messages) >= end and messages[2]["content"].startswith("<tool_call>"):
            lines.append(line("tool calls", "tools", len(lines), messages[:end], "exact", None))
    return lines


def json_system_lines(count: int) -> list[dict]:
    lines, rng = [], Random("heldout:json system")
    for n in range(count):
        messages = messages_of(*extract.make_with_system(rng, True))
        group = "JSON extraction"
        lines.append(line(group, "extract_system", PER_GROUP + n, messages, "exact", None))
    return lines


def main():
    groups: dict[str, list[str]] = {}
    for name, skill in SKILLS.items():
        groups.setdefault(skill.group, []).append(name)
    lines = [row for group, kinds in groups.items() for row in skill_lines(group, kinds)]
    lines += tool_lines() + json_system_lines(10)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("".join(json.dumps(row) + "\n" for row in lines))
    print(f"{len(lines)} prompts in {FILE}")


if __name__ == "__main__":
    main()
