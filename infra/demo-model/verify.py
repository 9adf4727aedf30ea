"""Compares our model's logits with those of transformers on the exported checkpoint, in f32.

python verify.py RUN_DIR MODEL_DIR. Also prints how often each expert of each layer is chosen.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data import Encoder, collate
from heldout import FILE
from model import Config, DemoModel

PROMPTS = 200


def main():
    run, exported = Path(sys.argv[1]), sys.argv[2]
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    ours = DemoModel(Config(**saved["config"]), torch.float32)
    ours.load_state_dict({k: v.to(torch.bfloat16).float() for k, v in saved["model"].items()})
    theirs = AutoModelForCausalLM.from_pretrained(exported, dtype=torch.float32).eval()
    template = AutoTokenizer.from_pretrained(exported)
    encoder = Encoder(f"{exported}/tokenizer.json")
    rows = [json.loads(text) for text in FILE.read_text().splitlines()]
    worst, routed = 0.0, 0
    for row in rows[:: max(1, len(rows) // PROMPTS)]:
        messages = [*row["messages"], {"role": "assistant", "content": row["expected"]}]
        encoded = encoder.encode(messages)
        rendered = template.apply_chat_template(messages, return_dict=True)["input_ids"]
        assert encoded.ids == rendered, f"{row['id']}: the template and the trainer disagree"
        batch = collate([encoded])
        with torch.no_grad():
            a, _, counts = ours(batch.tokens, batch.layout, torch.arange(len(batch.tokens)))
            b = theirs(batch.tokens[None]).logits[0]
        worst, routed = max(worst, (a - b).abs().max().item()), routed + counts
    print(f"largest difference of a logit: {worst:.2e}")
    for i, share in enumerate((routed / routed.sum(1, keepdim=True)).tolist()):
        print(f"layer {i}: " + " ".join(f"{100 * s:.1f}" for s in share))


if __name__ == "__main__":
    main()
