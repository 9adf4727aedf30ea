"""The families that have golden fixtures beside DBRX."""

from . import (
    ernie4_5_moe,
    glm4_moe,
    gpt_oss,
    granitemoe,
    hunyuan_v1_moe,
    llama,
    minimax_m2,
    mistral,
    mixtral,
    olmoe,
    phimoe,
    qwen2,
    qwen2_moe,
    qwen3,
    qwen3_moe,
)
from .shape import FamilyShape

SHAPES: list[FamilyShape] = [
    *ernie4_5_moe.SHAPES,
    *glm4_moe.SHAPES,
    *gpt_oss.SHAPES,
    *granitemoe.SHAPES,
    *hunyuan_v1_moe.SHAPES,
    *llama.SHAPES,
    *minimax_m2.SHAPES,
    *mistral.SHAPES,
    *mixtral.SHAPES,
    *olmoe.SHAPES,
    *phimoe.SHAPES,
    *qwen2.SHAPES,
    *qwen2_moe.SHAPES,
    *qwen3.SHAPES,
    *qwen3_moe.SHAPES,
]
