"""The families that have golden fixtures beside DBRX."""

from . import llama, mistral, mixtral, olmoe, qwen2, qwen2_moe, qwen3, qwen3_moe
from .shape import FamilyShape

SHAPES: list[FamilyShape] = [
    *llama.SHAPES,
    *mistral.SHAPES,
    *mixtral.SHAPES,
    *olmoe.SHAPES,
    *qwen2.SHAPES,
    *qwen2_moe.SHAPES,
    *qwen3.SHAPES,
    *qwen3_moe.SHAPES,
]
