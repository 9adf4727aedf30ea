"""Greedy answers of an exported checkpoint to the held-out prompts, by transformers.

python evaluate.py MODEL_DIR [--answers answers.json] [--skill NAME]

Prints a table per skill. The weights are the bf16 ones of the checkpoint, computed with in f32.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from heldout import FILE, GOALS

BATCH = 32


def correct(row: dict, answer: str) -> bool:
    answer = answer.strip()
    if row["check"] == "ends":
        return answer.endswith(row["value"])
    if row["check"] == "story":
        return all(v in answer for v in row["value"]) and answer.endswith(".")
    return answer == row["expected"]


def room(row: dict) -> int:
    """Tokens that an answer may have: generous for a right one, since no token is shorter than a character."""
    return len(row["expected"]) + 48


def answers(model, tokenizer, rows: list[dict]) -> list[str]:
    """Greedy answers, batched with prompts of similar expected length, padded on the left."""
    result = [""] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: room(rows[i]))
    for start in range(0, len(order), BATCH):
        chunk = order[start : start + BATCH]
        inputs = tokenizer.apply_chat_template(
            [rows[i]["messages"] for i in chunk], add_generation_prompt=True,
            return_tensors="pt", padding=True, return_dict=True,
        )  # fmt: skip
        with torch.no_grad():
            out = model.generate(**inputs, do_sample=False, max_new_tokens=room(rows[chunk[-1]]))
        first = inputs["input_ids"].shape[1]
        for i, ids in zip(chunk, out):
            result[i] = tokenizer.decode(ids[first : first + room(rows[i])], skip_special_tokens=True)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--answers", type=Path)
    parser.add_argument("--skill")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    rows = [json.loads(text) for text in FILE.read_text().splitlines()]
    rows = [r for r in rows if args.skill in (None, r["skill"], r["kind"])]
    record, tally, kinds = [], defaultdict(list), defaultdict(list)
    for row, answer in zip(rows, answers(model, tokenizer, rows)):
        ok = correct(row, answer)
        tally[row["skill"]].append(ok)
        kinds[row["kind"]].append(ok)
        record.append({"id": row["id"], "answer": answer, "correct": ok})
        if not ok:
            print(f"{row['id']}: {row['messages'][-1]['content']!r} -> {answer!r}, not {row['expected']!r}")
    print(f"\n{'skill':20} {'correct':>9} {'share':>7} {'goal':>7}")
    for skill, oks in tally.items():
        bar = f"{GOALS[skill]:7.0%}" if skill in GOALS else ""
        print(f"{skill:20} {sum(oks):4}/{len(oks):<4} {sum(oks) / len(oks):7.1%} {bar}")
    print("\n" + ", ".join(f"{kind} {sum(oks)}/{len(oks)}" for kind, oks in kinds.items()))
    if args.answers:
        args.answers.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
