"""Writes fixtures/<name>/ for every Shape: a tiny random DBRX checkpoint and what transformers computes from it.

    python generate.py [NAME...]        all shapes, or those named

Every value is checked before it is written: against reference_forward.py, for routing without near ties, and for logits
that are well spread. A draw that fails is drawn again, so the fixtures test arithmetic and not luck.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import DbrxForCausalLM

from reference_forward import reference_forward
from shapes import SHAPES, Shape
from write_checkpoint import DTYPES, write_checkpoint

FIXTURES = Path(__file__).parent / "fixtures"
GREEDY_TOKENS = 64
KV_BLOCK = 64
# Smallest gap between the last chosen and the first rejected expert, as a share of the largest router logit. Lower
# precision moves router logits, so its fixtures keep a wider gap.
ROUTING_GAP = {"f32": 1e-3, "bf16": 2e-2, "f16": 5e-3}
GREEDY_ROUTING_GAP = {"f32": 5e-4, "bf16": 2e-3, "f16": 1e-3}
# Smallest lead of the greedy token in the f32 run, as a share of the largest logit.
GREEDY_GAP = 1e-3


class Model:
    """A checkpoint loaded by transformers in one dtype, with the router logits of its last run."""

    def __init__(self, folder: Path, shape: Shape, dtype: torch.dtype):
        self.shape = shape
        self.model, info = DbrxForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation="eager", output_loading_info=True
        )
        assert not any(info.values()), f"{shape.name}: transformers did not load every tensor: {info}"
        self.model.eval()
        self.check_rotary()
        self.router_logits: list[np.ndarray] = []
        self.clipped = 0.0
        for block in self.model.transformer.blocks:
            if shape.clip_qkv is None:  # transformers calls clamp without bounds, which torch refuses
                block.norm_attn_norm.attn.clip_qkv = float("inf")
            block.ffn.router.register_forward_hook(self.keep_router)
            block.norm_attn_norm.attn.Wqkv.register_forward_hook(self.keep_clipped)

    def check_rotary(self) -> None:
        size = self.shape.d_model // self.shape.heads
        expected = self.shape.rope_theta ** (-torch.arange(0, size, 2).double() / size)
        found = self.model.transformer.rotary_emb.inv_freq.double()
        assert torch.allclose(found, expected, rtol=1e-6), f"{self.shape.name}: transformers ignores rope_theta"

    def keep_router(self, _module, _inputs, output: torch.Tensor) -> None:
        self.router_logits.append(output.float().numpy())

    def keep_clipped(self, _module, _inputs, output: torch.Tensor) -> None:
        if self.shape.clip_qkv is not None:
            self.clipped = float((output.abs() > self.shape.clip_qkv).float().mean())

    def logits(self, tokens: list[int]) -> np.ndarray:
        """f32 logits [T, vocab] of one run over all tokens, without a cache."""
        self.router_logits = []
        with torch.no_grad():
            return self.model(torch.tensor([tokens]), use_cache=False).logits[0].float().numpy()

    def routing_gaps(self) -> np.ndarray:
        """Per position of the last run: the smallest relative gap at the edge of the choice, over all layers."""
        k = self.shape.top_k
        if k == self.shape.experts:
            return np.full(len(self.router_logits[0]), np.inf)
        ranked = [-np.sort(-logits, axis=1) for logits in self.router_logits]
        return np.min([(r[:, k - 1] - r[:, k]) / np.abs(r).max() for r in ranked], axis=0)

    def choices(self) -> list[np.ndarray]:
        """The experts chosen in the last run, per layer [T, top_k]."""
        return [np.sort(np.argsort(-r, axis=1, kind="stable")[:, : self.shape.top_k]) for r in self.router_logits]


def draw_tokens(model: Model, rng: np.random.Generator) -> list[int]:
    """A random sequence without near ties in routing: the first token that causes one is drawn again."""
    shape = model.shape
    tokens = rng.integers(0, shape.vocab, shape.tokens).tolist()
    for _ in range(2000):
        model.logits(tokens)
        near = np.flatnonzero(model.routing_gaps() < ROUTING_GAP[shape.dtype])
        if len(near) == 0:
            return tokens
        tokens[near[0]] = int(rng.integers(0, shape.vocab))
    raise RuntimeError(f"{shape.name}: no sequence without near ties in routing")


def continue_greedily(model: Model, prompt: list[int]) -> list[int]:
    tokens, cache, step = [], None, prompt
    with torch.no_grad():
        while len(tokens) < GREEDY_TOKENS:
            out = model.model(torch.tensor([step]), past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            step = [int(out.logits[0, -1].argmax())]
            tokens += step
    return tokens


def draw_greedy(model: Model, rng: np.random.Generator) -> tuple[list[int], list[int], np.ndarray]:
    """(prompt, 64 greedy tokens, logits [64, vocab] they were chosen from) with a clear winner at every step."""
    shape = model.shape
    for _ in range(3000):
        prompt = rng.integers(0, shape.vocab, shape.prompt).tolist()
        tokens = continue_greedily(model, prompt)
        logits = model.logits(prompt + tokens[:-1])[shape.prompt - 1 :]
        clear = model.routing_gaps().min() > GREEDY_ROUTING_GAP[shape.dtype]
        clear &= leads(logits).min() > GREEDY_GAP * np.abs(logits).max()
        if clear and len(set(tokens)) >= 12 and logits.argmax(1).tolist() == tokens:
            return prompt, tokens, logits
    raise RuntimeError(f"{shape.name}: no greedy continuation with clear winners")


def leads(logits: np.ndarray) -> np.ndarray:
    """Per row: the largest logit minus the second largest."""
    top = -np.partition(-logits, 1, axis=1)
    return top[:, 0] - top[:, 1]


def kept_positions(shape: Shape) -> list[int]:
    borders = [p for b in range(KV_BLOCK, shape.tokens, KV_BLOCK) for p in (b - 1, b)]
    return sorted({*range(0, shape.tokens, shape.stride), *borders, shape.tokens - 1})


def numbers(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def generate(shape: Shape, seed: int) -> dict:
    """Writes the fixture's files and returns its golden.json."""
    folder = FIXTURES / shape.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_checkpoint(folder, shape, seed)
    rng = np.random.default_rng(seed + 1)
    model = Model(folder, shape, torch.float32)
    tokens = draw_tokens(model, rng)
    logits = model.logits(tokens)
    gap, choices = model.routing_gaps().min(), model.choices()
    check_f32(folder, shape, tokens, logits, model.clipped)
    prompt, greedy, greedy_logits = draw_greedy(model, rng)
    positions = kept_positions(shape)
    np.save(folder / "logits.npy", logits[positions])
    golden = {
        "name": shape.name,
        "covers": shape.covers,
        "dtype": shape.dtype,
        "generator": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "seed": seed},
        "tokens": tokens,
        "positions": positions,
        "scale": float(np.abs(logits).max()),
        "routingGap": float(f"{gap:.6g}") if np.isfinite(gap) else None,
        "routingAgrees": None,
        "greedy": {"prompt": prompt, "tokens": greedy, "margins": numbers(leads(greedy_logits)), "dtypeErrors": None},
        "dtypeError": None,
    }
    if shape.dtype != "f32":
        low = Model(folder, shape, DTYPES[shape.dtype])
        low_logits = low.logits(tokens)
        golden["routingAgrees"] = all(np.array_equal(a, b) for a, b in zip(choices, low.choices()))
        np.save(folder / f"logits-{shape.dtype}.npy", low_logits[positions])
        error = np.abs(low_logits - logits)[positions]
        golden["dtypeError"] = {"max": float(error.max()), "rms": float(np.sqrt((error**2).mean()))}
        low_greedy = low.logits(prompt + greedy[:-1])[shape.prompt - 1 :]
        golden["greedy"]["dtypeErrors"] = numbers(np.abs(low_greedy - greedy_logits).max(1))
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    return golden


def check_f32(folder: Path, shape: Shape, tokens: list[int], logits: np.ndarray, clipped: float) -> None:
    """Stops the generator when two implementations disagree or the fixture would test too little."""
    for dtype in (np.float64, np.float32):
        worst = np.abs(reference_forward(folder, tokens, dtype) - logits).max() / np.abs(logits).max()
        assert worst < 2e-5, f"{shape.name}: numpy {dtype.__name__} and transformers differ by {worst:.2e} of the scale"
        print(f"{shape.name}: numpy {dtype.__name__} differs by {worst:.1e} of the scale")
    assert logits.std() > 1, f"{shape.name}: logits are not spread: {logits.std()}"
    if shape.clip_qkv is not None and shape.clip_qkv < 1:
        assert clipped > 0.1, f"{shape.name}: clip_qkv touches only {clipped:.0%} of the values"


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    wanted = sys.argv[1:]
    for number, shape in enumerate(SHAPES):
        if wanted and shape.name not in wanted:
            continue
        golden = generate(shape, seed=1000 + 10 * number)
        print(shape.name, {k: golden.get(k) for k in ("scale", "routingGap", "routingAgrees", "dtypeError")},
              "least margin", min(golden["greedy"]["margins"]), flush=True)


if __name__ == "__main__":
    main()
