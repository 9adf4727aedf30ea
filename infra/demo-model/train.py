"""Trains the demo model on the CPU, restartable at any time.

python train.py RUN_DIR [--threads 2] [--batch-tokens 4096] ...

RUN_DIR holds tokenizer.json (see tokenizer.py), checkpoint.pt and log.txt. The learning rate warms
up, stays, and falls linearly to zero once the file RUN_DIR/decay exists; that file's content is the
number of steps of the fall, after which training ends; it may be changed on the way. Creating RUN_DIR/save forces a checkpoint.
"""

import argparse
import json
import os
import time
from dataclasses import fields
from pathlib import Path

import torch
import torch.nn.functional as F

from corpus.mix import messages_of
from data import Encoded, Encoder, Stream, collate
from export import load_published
from heldout import DEVELOPMENT, development_counts
from model import Config, DemoModel
from muon import Muon

BALANCE_WEIGHT = 0.02  # times the sum over layers
WARM_UP = 40  # steps
CLIP = 1.0
DRILL = 0.6  # share of conversations that drill copying, in the first steps


def optimizers(model: DemoModel, lr: float, muon_lr: float):
    """Muon for the matrices of the blocks; AdamW for embedding, head, routers and norms."""
    matrices, small, words = [], [], [model.wte, model.lm_head]
    for name, p in model.named_parameters():
        if name.startswith("blocks.") and p.dim() > 1 and "router" not in name:
            matrices.append(p)
        elif name not in ("wte", "lm_head"):
            small.append(p)
    groups = [{"params": small, "lr": 2 * lr}, {"params": words, "lr": lr}]
    return [
        Muon(matrices, lr=muon_lr, weight_decay=0.03),
        torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-10, weight_decay=0.0),
    ]


def tie_gradients(model: DemoModel):
    """Give embedding and head the same gradient, so that they stay equal while this is called.

    Copying a word, which most skills need, then works for every token once it works for one. The
    final decay lets the two part.
    """
    model.wte.grad += model.lm_head.grad
    model.lm_head.grad.copy_(model.wte.grad)


def validation_set(encoder: Encoder, per_kind: int = 16) -> dict[str, list[Encoded]]:
    """Development prompts with their expected replies, by kind, and long counts. Never the held-out ones."""
    found: dict[str, list[Encoded]] = {}
    for text in DEVELOPMENT.read_text().splitlines():
        row = json.loads(text)
        some = found.setdefault(row["kind"], [])
        if len(some) < per_kind:
            reply = {"role": "assistant", "content": row["expected"]}
            some.append(encoder.encode([*row["messages"], reply], only_last=True))
    for name, counts in development_counts(per_kind).items():
        found[name] = [encoder.encode(messages_of(None, turns), only_last=True) for turns in counts]
    return found


@torch.no_grad()
def validate(model: DemoModel, sets: dict[str, list]) -> dict[str, float]:
    """Share of replies whose every token is the likeliest one: what greedy decoding would get."""
    result = {}
    for name, encoded in sets.items():
        batch = collate(encoded)
        logits, _, _ = model(batch.tokens, batch.layout, batch.keep)
        wrong = logits.argmax(-1) != batch.target
        missed = set()
        ends = torch.tensor([len(one.ids) - 1 for one in encoded]).cumsum(0)
        for position in batch.keep[wrong]:
            missed.add(int(torch.searchsorted(ends, position, right=True)))
        result[name] = 1 - len(missed) / len(encoded)
    return result


class Pace:
    """Picks the number of threads that is fastest just now.

    When other programs want the cores too, two threads that wait for each other are slower than one
    alone, so each count is tried for two steps in every forty.
    """

    def __init__(self, most: int):
        self.counts = list(range(1, most + 1))
        self.steps = 0

    def before_step(self):
        slot = self.steps % 40 // 2
        if slot == 0 and self.steps % 2 == 0:
            self.speed = dict.fromkeys(self.counts, 0.0)
        self.now = self.counts[slot] if slot < len(self.counts) else max(self.speed, key=self.speed.get)
        torch.set_num_threads(self.now)

    def after_step(self, tokens_per_second: float):
        if self.steps % 40 // 2 < len(self.counts):
            self.speed[self.now] += tokens_per_second
        self.steps += 1


def save(path: Path, state: dict):
    """Write beside, then rename: a kill in between leaves the old checkpoint whole."""
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--threads", type=int, default=2, help="at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch-tokens", type=int, default=3072)
    parser.add_argument("--lr", type=float, default=0.001, help="of AdamW for the embedding, half that of norms")
    parser.add_argument("--muon-lr", type=float, default=0.006)
    parser.add_argument("--long-from", type=int, default=1500, help="step from which counts are long")
    parser.add_argument("--drill-to", type=int, default=500, help="step up to which copying is drilled")
    parser.add_argument("--validate-every", type=int, default=250, help="steps")
    parser.add_argument("--init", type=Path, help="exported checkpoint to start a new run from, e.g. ../../models/demo")
    parser.add_argument("--save-every", type=float, default=600, help="seconds")
    for f in fields(Config):
        if f.type is int:
            parser.add_argument(f"--{f.name.replace('_', '-')}", type=int, default=f.default)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    path = args.run / "checkpoint.pt"
    saved = torch.load(path, weights_only=True) if path.exists() else None
    config = Config(
        **saved["config"]
        if saved
        else {f.name: getattr(args, f.name) for f in fields(Config) if f.type is int}
    )
    model = DemoModel(config)
    opts = optimizers(model, args.lr, args.muon_lr)
    peaks = [[g["lr"] for g in o.param_groups] for o in opts]
    encoder = Encoder(str(args.run / "tokenizer.json"))
    stream = Stream(encoder, args.seed, args.batch_tokens, config.max_seq_len)
    step, tokens, active, decay = 0, 0, 0.0, None  # decay: (first step, number of steps)
    if args.init and not saved:
        model.load_state_dict(load_published(args.init, config))
    if saved:
        model.load_state_dict(saved["model"])
        for o, s in zip(opts, saved["optimizers"]):
            o.load_state_dict(s)
        step, tokens, active, decay = (saved[k] for k in ("step", "tokens", "active", "decay"))
        stream.index = saved["index"]

    def checkpoint():
        save(
            path,
            dict(
                config=config.to_dict(), model=model.state_dict(), step=step, tokens=tokens,
                optimizers=[o.state_dict() for o in opts], index=stream.index, active=active, decay=decay,
            ),
        )  # fmt: skip

    log = (args.run / "log.txt").open("a", buffering=1)

    def say(text: str):
        log.write(text + "\n")
        print(text, flush=True)

    sets = validation_set(encoder)
    say(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters, from step {step}, {args}")
    losses, hits, routed, since, mark = [], [], 0, time.perf_counter(), tokens
    last_save = time.perf_counter()
    pace = Pace(args.threads)
    trigger = args.run / "decay"
    while True:
        pace.before_step()
        begin = time.perf_counter()
        if trigger.exists() and (decay is None or step % 50 == 0):
            decay = (decay[0] if decay else step, int(trigger.read_text()))
        scale = min(1.0, (step + 1) / WARM_UP)
        if decay:
            scale *= max(0.0, 1 - (step - decay[0]) / decay[1])
        if decay and step >= decay[0] + decay[1]:
            break
        for o, peak in zip(opts, peaks):
            for group, lr in zip(o.param_groups, peak):
                group["lr"] = lr * scale

        batch = stream.next(300 if step >= args.long_from else 40, DRILL if step < args.drill_to else 0.0)
        logits, balance, counts = model(batch.tokens, batch.layout, batch.keep)
        loss = F.cross_entropy(logits, batch.target, reduction="none")
        loss = (loss * batch.weight).mean()  # not by the weights' sum: other tokens' share stays
        (loss + BALANCE_WEIGHT * balance).backward()
        if decay is None:
            tie_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        for o in opts:
            o.step()
            o.zero_grad()
        step += 1
        tokens += len(batch.tokens)
        active += min(time.perf_counter() - begin, 10.0)  # a pause is not training time
        pace.after_step(len(batch.tokens) / (time.perf_counter() - begin))
        losses.append(loss.item())
        hits.append((logits.argmax(-1) == batch.target).float().mean().item())
        routed = routed + counts

        if step % 50 == 0:
            now = time.perf_counter()
            share = routed / routed.sum(1, keepdim=True)
            say(
                f"step {step} tokens {tokens / 1e6:.2f}M loss {sum(losses) / len(losses):.4f} "
                f"hit {sum(hits) / len(hits):.4f} expert {share.min():.3f}..{share.max():.3f} "
                f"lr x{scale:.2f} {(tokens - mark) / (now - since):.0f} tok/s {pace.now} threads active {active / 60:.1f} min"
            )
            losses, hits, routed, since, mark = [], [], 0, now, tokens
        if step % args.validate_every == 0:
            result = validate(model, sets)
            say(f"step {step} development " + json.dumps({k: round(v, 3) for k, v in result.items()}))
        if time.perf_counter() - last_save > args.save_every or (args.run / "save").exists():
            checkpoint()
            (args.run / "save").unlink(missing_ok=True)
            last_save = time.perf_counter()
    checkpoint()
    result = validate(model, sets)
    say(f"step {step} final development " + json.dumps({k: round(v, 3) for k, v in result.items()}))


if __name__ == "__main__":
    main()
