"""Random weights for a model of transformers, by the names of its tensors.

Every tensor has its own numpy generator, seeded by its name, so that neither the order of the tensors nor another layer
changes it. Scales are chosen so that attention is peaked, routers are decided and logits are well spread; no optional
tensor has the value that would make it absent (zero biases, norms of ones).
"""

import re
import zlib
from collections.abc import Callable

import numpy as np
import torch

from families.shape import FamilyShape

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def matrix(gain: float, fan_in_axis: int = -1) -> Draw:
    return lambda rng, dims: rng.standard_normal(dims) * (gain / np.sqrt(dims[fan_in_axis]))


def around(mean: float, spread: float) -> Draw:
    return lambda rng, dims: mean + spread * rng.standard_normal(dims)


# The first pattern found in a name decides.
DRAWS: list[tuple[str, Draw]] = [
    (r"norm\d?\.weight$", around(1, 0.2)),
    (r"norm\d?\.bias$", around(0, 0.2)),
    (r"embed_tokens\.weight$", around(0, 1)),
    (r"lm_head\.weight$", matrix(3)),
    (r"lm_head\.bias$", around(0, 0.5)),
    (r"sinks$", around(0.5, 1)),
    (r"e_score_correction_bias$", around(0, 0.3)),
    (r"shared_expert_gate\.weight$", matrix(2)),
    (r"(gate|router|wg)\.weight$", matrix(2)),
    (r"router\.bias$", around(0, 0.5)),
    (r"\.bias$|_bias$", around(0, 0.4)),
    (r"o_proj\.weight$", matrix(1)),
    (r"experts\.\w+$", matrix(1.4)),
    (r"\w_proj\.weight$", matrix(1.4)),
]


def draw(name: str, dims: tuple[int, ...], shape: FamilyShape, seed: int) -> np.ndarray:
    rule = next((draws for pattern, draws in DRAWS if re.search(pattern, name)), None)
    if rule is None:
        raise ValueError(f"{shape.name}: no rule in DRAWS for the tensor {name}")
    gain = float(np.prod([factor for part, factor in shape.gains.items() if part in name]))
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return (gain * rule(rng, dims)).astype(np.float32)


def fill(model: torch.nn.Module, shape: FamilyShape, seed: int) -> None:
    """Gives every parameter and every stored buffer of an f32 model its value."""
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        tensor.copy_(torch.from_numpy(draw(name, tuple(tensor.shape), shape, seed)))
