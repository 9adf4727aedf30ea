"""The quantised fixtures: a random model of a family, and how it is quantised. Widths are multiples of the groups."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from families.shape import TIED, FamilyShape  # noqa: E402


@dataclass(frozen=True)
class QuantizedShape:
    name: str  # folder below fixtures/
    model: FamilyShape
    scheme: str  # mlx, mxfp4, mxfp4-mlx, fp8
    options: dict[str, Any] = field(default_factory=dict)  # of the scheme


def qwen3_moe(covers: str, dtype: str, **changes: Any) -> FamilyShape:
    config = dict(vocab_size=64, hidden_size=64, intermediate_size=64, moe_intermediate_size=32, num_hidden_layers=2,
                  num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_experts=6, num_experts_per_tok=2,
                  norm_topk_prob=True, max_position_embeddings=512, rms_norm_eps=1e-6,
                  rope_parameters=dict(rope_type="default", rope_theta=1e4)) | changes
    gains = TIED if config.get("tie_word_embeddings") else {}
    return FamilyShape("qwen3_moe", "", covers, dtype, config, tokens=130, stride=10, gains=gains,
                       older=dict(max_window_layers=2, rope_scaling=None))


def gpt_oss(covers: str, dtype: str) -> FamilyShape:
    return FamilyShape(
        "gpt_oss", "", covers, dtype,
        dict(vocab_size=64, hidden_size=64, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=16, num_local_experts=4, num_experts_per_tok=2, sliding_window=40,
             swiglu_limit=2.0, max_position_embeddings=512, rms_norm_eps=1e-5,
             rope_parameters=dict(rope_type="yarn", rope_theta=1.5e5, factor=32.0, beta_fast=32.0, beta_slow=1.0,
                                  truncate=False, original_max_position_embeddings=4096)),
        tokens=130, stride=10, older=dict(layer_types=["sliding_attention", "full_attention"]))


MIXTRAL = FamilyShape(
    "mixtral", "", "every matrix of 3 bits in groups of 32, v and down of 6 bits in groups of 64, scales of f32", "f32",
    dict(vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
         num_key_value_heads=1, head_dim=16, num_local_experts=3, num_experts_per_tok=2, max_position_embeddings=512,
         rms_norm_eps=1e-5, rope_parameters=dict(rope_type="default", rope_theta=1e4)),
    tokens=130, stride=10, older={})

SHAPES = [
    QuantizedShape(
        "mlx-qwen3-moe-bf16",
        qwen3_moe("4 bits in groups of 32, the router of 8 bits and group 64, tied embedding", "bf16", tie_word_embeddings=True),
        "mlx", dict(bits=4, group=32, modules={".mlp.gate": dict(bits=8, group_size=64)})),
    QuantizedShape("mlx-mixtral-f32", MIXTRAL, "mlx",
                   dict(bits=3, group=32, modules={"v_proj": dict(bits=6, group_size=64), "down_proj": dict(bits=6, group_size=64)})),
    QuantizedShape("gpt-oss-mxfp4-bf16", gpt_oss("experts as published, all else bf16", "bf16"), "mxfp4"),
    QuantizedShape("mlx-gpt-oss-f32", gpt_oss("experts of mxfp4, all else 8 bits in groups of 32", "f32"), "mxfp4-mlx"),
    QuantizedShape(
        "qwen3-moe-fp8-f32",
        qwen3_moe("blocks of 64 x 64 whose last ones are partial", "f32", hidden_size=96, moe_intermediate_size=48, num_experts=3,
                  num_hidden_layers=1),
        "fp8", dict(block=(64, 64))),
]
