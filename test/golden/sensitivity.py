"""Does everything in a fixture show in its logits?

Every tensor (all layers and experts of one role together) and every option of the configuration is taken out in turn.
An engine that leaves it out must miss the tolerance by far, or the fixture does not test it.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedConfig

from families.shape import FamilyShape
from reference_model import ReferenceModel

# Share of the largest logit: a hundred times what the engine may differ by in f32.
LEAST_CHANGE = 1e-2

# What a configuration key has when its feature is absent.
ABSENT: dict[str, Any] = {
    "clip_qkv": None,
    "embedding_multiplier": 1.0,
    "logits_scaling": 1.0,
    "moe_norm_min": 1e-12,
    "residual_multiplier": 1.0,
    "routed_scaling_factor": 1.0,
    "router_jitter_noise": 0.0,
    "swiglu_alpha": 1.0,
    "swiglu_limit": 1e9,
    "use_qk_norm": False,
}


# YaRN's values where a configuration has none.
USUAL = {"beta_fast": 32, "beta_slow": 1}


def roles(model: torch.nn.Module) -> dict[str, list[torch.Tensor]]:
    """Tensors by name without the numbers of layers and experts."""
    found: dict[str, list[torch.Tensor]] = {}
    for name, tensor in model.state_dict().items():
        found.setdefault(re.sub(r"\.\d+\.", ".*.", name), []).append(tensor)
    return found


def leave_out(role: str, tensor: torch.Tensor) -> None:
    if role.endswith("sinks"):
        tensor.fill_(-1e4)
    else:
        tensor.fill_(1.0 if re.search(r"norm\d?\.weight$", role) else 0.0)


def without_options(config: PreTrainedConfig, length: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, changed keys) of every option that the configuration sets."""
    for key, absent in ABSENT.items():
        if hasattr(type(config), key) and getattr(config, key) != absent:
            yield key, {key: absent}
    if hasattr(type(config), "norm_topk_prob"):
        yield "norm_topk_prob", {"norm_topk_prob": not config.norm_topk_prob}
    if config.rms_norm_eps > 1e-4:
        yield "rms_norm_eps", {"rms_norm_eps": 1e-6}
    if getattr(config, "n_group", 1) > 1:
        yield "n_group", {"n_group": 1, "topk_group": 1}
    if hasattr(config, "attention_multiplier"):
        size = config.hidden_size // config.num_attention_heads
        yield "attention_multiplier", {"attention_multiplier": size**-0.5}
    if 0 < (getattr(config, "sliding_window", None) or 0) < length:
        yield "sliding_window", {"sliding_window": 10**6}
        yield "sliding_window + 1", {"sliding_window": config.sliding_window + 1}
    yield from without_rope(config.rope_parameters, length)


def without_rope(rope: dict[str, Any], length: int) -> Iterator[tuple[str, dict[str, Any]]]:
    plain = {key: rope[key] for key in ("rope_theta", "partial_rotary_factor") if key in rope} | {"rope_type": "default"}
    if rope["rope_type"] != "default":
        yield f"rope {rope['rope_type']}", {"rope_parameters": plain}
    if rope["rope_type"] == "yarn":
        for key in ("attention_factor", "mscale", "beta_fast", "beta_slow"):
            if rope.get(key, USUAL.get(key)) != USUAL.get(key):
                yield key, {"rope_parameters": {k: v for k, v in rope.items() if k != key}}
    if "truncate" in rope:
        yield "truncate", {"rope_parameters": {**rope, "truncate": not rope["truncate"]}}
    for key in ("short_factor", "long_factor", "short_mscale", "long_mscale"):
        beyond = length > rope.get("original_max_position_embeddings", length)
        if key in rope and (beyond or key.startswith("short")):
            one = 1.0 if isinstance(rope[key], float) else [1.0] * len(rope[key])
            yield key, {"rope_parameters": {**rope, key: one}}
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        yield "partial_rotary_factor", {"rope_parameters": {**rope, "partial_rotary_factor": 1.0}}
    yield "rope_theta", {"rope_parameters": {**rope, "rope_theta": 20 * rope["rope_theta"]}}


def change(changed: np.ndarray, logits: np.ndarray) -> float:
    return float(np.abs(changed - logits).max() / np.abs(logits).max())


def changes(folder: Path, shape: FamilyShape, reference: ReferenceModel, tokens: list[int],
            logits: np.ndarray) -> Iterator[tuple[str, float]]:
    for role, tensors in roles(reference.model).items():
        kept = [tensor.clone() for tensor in tensors]
        for tensor in tensors:
            leave_out(role, tensor)
        yield role, change(reference.logits(tokens), logits)
        for tensor, values in zip(tensors, kept):
            tensor.copy_(values)
    for option, keys in without_options(reference.model.config, len(tokens)):
        config = copy.deepcopy(reference.model.config)
        for key, value in keys.items():
            setattr(config, key, value)
        other = ReferenceModel(folder, torch.float32, stepwise=shape.stepwise, config=config)
        yield option, change(other.logits(tokens), logits)


def check_sensitivity(folder: Path, shape: FamilyShape, reference: ReferenceModel, tokens: list[int],
                      logits: np.ndarray) -> None:
    found = dict(changes(folder, shape, reference, tokens, logits))
    print(f"{shape.name}: left out, the logits change by", {role: float(f"{by:.1g}") for role, by in found.items()})
    dead = [role for role, by in found.items() if not by > LEAST_CHANGE]
    assert not dead, f"{shape.name}: the logits hardly depend on {', '.join(dead)}"
