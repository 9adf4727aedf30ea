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

from heldout import FILE

MUST = {
    "arithmetic": 0.95, "counting": 0.98, "sorting": 0.90, "reversing": 0.90, "JSON extraction": 0.97,
    "tool calls": 0.95, "facts": 0.98, "follow-ups": 0.90,
}  # fmt: skip
BATCH = 32


def correct(row: dict, answer: str) -> bool:
    answer = answer.strip()
    if row["check"] == "ends":
        return answer.endswith(row["value"])
    if row["check"] == "story":
        return all(v in answer for v in row["value"]) and answer.endswith(".")
    return answer == row["expected"]


def answers(model, tokenizer, rows: list[dict]) -> list[str]:
    """Greedy answers, batched with prompts of similar expected length, padded on the left."""
    result = [""] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["expected"]))
    for start in range(0, len(order), BATCH):
        chunk = order[start : start + BATCH]
        inputs = tokenizer.apply_chat_template(
            [rows[i]["messages"] for i in chunk], add_generation_prompt=True,
            return_tensors="pt", padding=True, return_dict=True,
        )  # fmt: skip
        room = 48 + max(len(tokenizer(rows[i]["expected"]).input_ids) for i in chunk)
        with torch.no_grad():
            out = model.generate(**inputs, do_sample=False, max_new_tokens=room)
        replies = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for i, reply in zip(chunk, replies):
            result[i] = reply
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
    record, tally = [], defaultdict(list)
    for row, answer in zip(rows, answers(model, tokenizer, rows)):
        ok = correct(row, answer)
        tally[row["skill"]].append(ok)
        record.append({"id": row["id"], "answer": answer, "correct": ok})
        if not ok:
            print(f"{row['id']}: {row['messages'][-1]['content']!r} -> {answer!r}, not {row['expected']!r}")
    print(f"\n{'skill':20} {'correct':>9} {'share':>7} {'must':>7}")
    for skill, oks in tally.items():
        bar = f"{MUST[skill]:7.0%}" if skill in MUST else ""
        print(f"{skill:20} {sum(oks):4}/{len(oks):<4} {sum(oks) / len(oks):7.1%} {bar}")
    if args.answers:
        args.answers.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
