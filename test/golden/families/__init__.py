"""The families that have golden fixtures beside DBRX."""

from . import qwen3_moe
from .shape import FamilyShape

SHAPES: list[FamilyShape] = [*qwen3_moe.SHAPES]
