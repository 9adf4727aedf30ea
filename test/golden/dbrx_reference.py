"""DBRX in transformers, with what its description needs beside the other families."""

from pathlib import Path

import torch

from reference_model import ReferenceModel
from shapes import Shape


class DbrxReference(ReferenceModel):
    def __init__(self, folder: Path, shape: Shape, dtype: torch.dtype):
        self.shape = shape
        self.clipped = 0.0
        super().__init__(folder, dtype)
        self.check_rotary()
        for block in self.model.transformer.blocks:
            if shape.clip_qkv is None:  # transformers calls clamp without bounds, which torch refuses
                block.norm_attn_norm.attn.clip_qkv = float("inf")
            block.norm_attn_norm.attn.Wqkv.register_forward_hook(self.keep_clipped)

    def routers(self) -> list[torch.nn.Module]:
        return [block.ffn.router for block in self.model.transformer.blocks]

    def top_k(self, module: torch.nn.Module) -> int:
        return self.shape.top_k

    def check_rotary(self) -> None:
        size = self.shape.d_model // self.shape.heads
        expected = self.shape.rope_theta ** (-torch.arange(0, size, 2).double() / size)
        found = self.model.transformer.rotary_emb.inv_freq.double()
        assert torch.allclose(found, expected, rtol=1e-6), f"{self.shape.name}: transformers ignores rope_theta"

    def keep_clipped(self, _module: torch.nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        if self.shape.clip_qkv is not None:
            self.clipped = float((output.abs() > self.shape.clip_qkv).float().mean())
