"""Writes eval/heldout.jsonl: the prompts that decide whether a skill is there.

One line a prompt: id, skill (its line in the table), kind (its generator), messages up to where the
assistant speaks, expected (the trained wording) and check. A check is one of

    exact   the reply equals `expected`
    ends    the reply ends with `value` (a sum must have the right result; its working is free)
    story   the reply names every string in `value` and ends with a full stop

Arguments (numbers, names, lists) come from the held-out split; tables, facts and the lexicon are
asked in held-out phrasings. Half of the prompts stand alone, a quarter have a system message, and a
quarter follow other exchanges; counts stand alone or have a system message.

eval/development.jsonl has the prompts of an earlier held-out set, whose results were looked at; its
phrasings have since become training data. Training reports on them, and none of them is asked here.
Usage: python heldout.py
"""

import json
from pathlib import Path
from random import Random

from corpus import counting, extract, tools
from corpus.building_blocks import SYSTEMS, Turn
from corpus.mix import SKILLS, exchange, messages_of

SEED = "heldout 2"
EVAL = Path(__file__).parent / "eval"
FILE, DEVELOPMENT = EVAL / "heldout.jsonl", EVAL / "development.jsonl"
GOALS = json.loads((EVAL / "goals.json").read_text())


def line(group: str, kind: str, n: int, messages: list[dict], check: str, value) -> dict:
    *prompt, last = [{"role": m["role"], "content": m["content"]} for m in messages]
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


def prompts_of(group: str) -> int:
    return 100 if group in GOALS else 50


def development_counts(per_range: int = 16) -> dict[str, list[list[Turn]]]:
    """Counts longer than those of the development file."""
    found = {}
    for steps in counting.RANGES[2:]:
        rng = Random(f"development:{steps}")
        found[f"count {steps[1]}"] = [counting.make(rng, True, steps=steps) for _ in range(per_range)]
    return found


def known() -> set[tuple[str, str]]:
    """Last request and expected reply of each development prompt."""
    rows = map(json.loads, DEVELOPMENT.read_text().splitlines())
    counts = [turn for many in development_counts().values() for [turn] in many]
    return {(r["messages"][-1]["content"], r["expected"]) for r in rows} | {(t.user, t.reply) for t in counts}


def count_turns(rng: Random, n: int) -> tuple[str, list[Turn]]:
    """Each range of lengths in turn, as a kind of its own."""
    steps = counting.RANGES[n % len(counting.RANGES)]
    return f"count {steps[1]}", counting.make(rng, True, steps=steps)


def skill_lines(group: str, kinds: list[str]) -> list[dict]:
    """Prompts of one group, its skills in turn, no prompt twice."""
    lines, seen = [], known()
    rng = Random(f"{SEED}:{group}")
    while len(lines) < prompts_of(group):
        kind = kinds[len(lines) % len(kinds)]
        if kind == "count":
            kind, turns = count_turns(rng, len(lines))
        else:
            turns = SKILLS[kind].make(rng, True)
        last, style = turns[-1], len(lines) // len(kinds) % 4
        if (last.user, last.reply) in seen:
            continue
        seen.add((last.user, last.reply))
        if style == 3 and group != "counting":
            turns = exchange(rng, 20) + turns
        system = rng.choice(SYSTEMS) if style == 2 else None
        messages = messages_of(system, turns)
        lines.append(line(group, kind, len(lines), messages, last.check, last.value))
    return lines


def tool_lines() -> list[dict]:
    """Calls, and replies to their results, in turn."""
    lines, seen = [], known()
    rng = Random(f"{SEED}:tools")
    while len(lines) < prompts_of("tool calls"):
        messages = tools.make(rng, True)
        end = 3 if len(lines) % 2 == 0 else 5
        if len(messages) < end or not messages[2]["content"].startswith("<tool_call>"):
            continue
        if (messages[end - 2]["content"], messages[end - 1]["content"]) not in seen:
            lines.append(line("tool calls", "tools", len(lines), messages[:end], "exact", None))
    return lines


def json_system_lines(count: int) -> list[dict]:
    lines, rng = [], Random(f"{SEED}:json system")
    group = "JSON extraction"
    for n in range(count):
        messages = messages_of(*extract.make_with_system(rng, True))
        lines.append(line(group, "extract_system", prompts_of(group) + n, messages, "exact", None))
    return lines


def main():
    groups: dict[str, list[str]] = {}
    for name, skill in SKILLS.items():
        groups.setdefault(skill.group, []).append(name)
    lines = [row for group, kinds in groups.items() for row in skill_lines(group, kinds)]
    lines += tool_lines() + json_system_lines(20)
    FILE.write_text("".join(json.dumps(row) + "\n" for row in lines))
    print(f"{len(lines)} prompts in {FILE}")


if __name__ == "__main__":
    main()
