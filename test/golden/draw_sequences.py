"""Token sequences for fixtures: without near ties in routing, with clear winners at every greedy step."""

import numpy as np

from families.shape import FamilyShape
from reference_model import ReferenceModel, Sequence, continue_greedily
from shapes import Shape

GREEDY_TOKENS = 64
KV_BLOCK = 64
# Smallest gap between the last chosen and the first rejected expert, as a share of the largest router logit. Lower
# precision moves router logits, so its fixtures keep a wider gap.
ROUTING_GAP = {"f32": 1e-3, "bf16": 2e-2, "f16": 5e-3}
GREEDY_ROUTING_GAP = {"f32": 5e-4, "bf16": 2e-3, "f16": 1e-3}
# Smallest lead of the greedy token in the f32 run, as a share of the largest logit.
GREEDY_GAP = 1e-3


def draw_tokens(reference: ReferenceModel, shape: Sequence, rng: np.random.Generator) -> list[int]:
    """A random sequence without near ties in routing: the first token that causes one is drawn again."""
    tokens = rng.integers(0, shape.vocab, shape.tokens).tolist()
    for _ in range(2000):
        reference.logits(tokens)
        near = np.flatnonzero(reference.routing_gaps(len(tokens)) < ROUTING_GAP[shape.dtype])
        if len(near) == 0:
            return tokens
        tokens[near[0]] = int(rng.integers(0, shape.vocab))
    raise RuntimeError(f"{shape.name}: no sequence without near ties in routing")


def draw_greedy(reference: ReferenceModel, shape: Sequence,
                rng: np.random.Generator) -> tuple[list[int], list[int], np.ndarray]:
    """(prompt, 64 greedy tokens, logits [64, vocab] they were chosen from) with a clear winner at every step."""
    for _ in range(150):
        prompt = rng.integers(0, shape.vocab, shape.prompt).tolist()
        tokens = continue_greedily(reference, prompt, GREEDY_TOKENS)
        whole = prompt + tokens[:-1]
        logits = reference.logits(whole)[shape.prompt - 1 :]
        clear = reference.routing_gaps(len(whole)).min() > GREEDY_ROUTING_GAP[shape.dtype]
        clear &= leads(logits).min() > GREEDY_GAP * np.abs(logits).max()
        if clear and len(set(tokens)) >= 12 and logits.argmax(1).tolist() == tokens:
            return prompt, tokens, logits
    raise RuntimeError(f"{shape.name}: no greedy continuation with clear winners")


def leads(logits: np.ndarray) -> np.ndarray:
    """Per row: the largest logit minus the second largest."""
    top = -np.partition(-logits, 1, axis=1)
    return top[:, 0] - top[:, 1]


def kept_positions(shape: Shape | FamilyShape) -> list[int]:
    borders = [p for b in range(KV_BLOCK, shape.tokens, KV_BLOCK) for p in (b - 1, b)]
    return sorted({*range(0, shape.tokens, shape.stride), *borders, shape.tokens - 1})


def numbers(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
