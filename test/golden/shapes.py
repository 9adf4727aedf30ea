"""The shapes of the golden checkpoints: data only. A new case is a new entry and a run of generate.py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    name: str
    covers: str
    dtype: str  # storage type of the weights: f32, bf16, f16
    d_model: int
    heads: int
    kv_heads: int
    ffn: int
    experts: int
    top_k: int
    layers: int
    vocab: int
    clip_qkv: float | None
    normalize: float | None  # moe_normalize_expert_weights
    rope_theta: float
    tokens: int  # length of the sequence whose logits are kept
    shards: int = 1
    stride: int = 1  # logits are kept at every stride-th position, beside block borders and the last
    prompt: int = 40  # prompt length of the greedy continuation; 40 + 64 crosses a KV block border


SHAPES = [
    Shape("f32-kv2-top2", "grouped-query attention, four KV blocks", "f32",
          d_model=64, heads=4, kv_heads=2, ffn=48, experts=4, top_k=2, layers=2, vocab=128,
          clip_qkv=None, normalize=1.0, rope_theta=500000.0, tokens=200, stride=3),
    Shape("f32-kv1-top1-odd", "one kv head, head_dim 10, odd ffn and vocabulary, biting clip, raw router weights", "f32",
          d_model=60, heads=6, kv_heads=1, ffn=37, experts=5, top_k=1, layers=2, vocab=97,
          clip_qkv=0.5, normalize=None, rope_theta=10000.0, tokens=70),
    Shape("f32-all-kv-top4-sharded", "a kv head per head, top 4 of 8, three layers in three shards", "f32",
          d_model=48, heads=4, kv_heads=4, ffn=33, experts=8, top_k=4, layers=3, vocab=113,
          clip_qkv=8.0, normalize=1.0, rope_theta=500000.0, tokens=200, stride=4, shards=3),
    Shape("f32-long", "one layer, six KV blocks, every expert chosen", "f32",
          d_model=32, heads=2, kv_heads=1, ffn=31, experts=2, top_k=2, layers=1, vocab=64,
          clip_qkv=None, normalize=None, rope_theta=10000.0, tokens=330, stride=5),
    Shape("bf16-kv2-top2", "the common bf16 shape, four KV blocks", "bf16",
          d_model=64, heads=4, kv_heads=2, ffn=64, experts=4, top_k=2, layers=2, vocab=128,
          clip_qkv=8.0, normalize=1.0, rope_theta=500000.0, tokens=200, stride=3),
    Shape("bf16-kv1-top4-odd", "head_dim 20, odd ffn and vocabulary, biting clip", "bf16",
          d_model=60, heads=3, kv_heads=1, ffn=45, experts=6, top_k=4, layers=2, vocab=101,
          clip_qkv=0.5, normalize=1.0, rope_theta=10000.0, tokens=90),
    Shape("bf16-all-kv-top1-sharded", "a kv head per head, raw router weights, two shards", "bf16",
          d_model=48, heads=3, kv_heads=3, ffn=50, experts=4, top_k=1, layers=2, vocab=120,
          clip_qkv=None, normalize=None, rope_theta=500000.0, tokens=200, stride=4, shards=2),
    Shape("f16-kv2-top2", "the common f16 shape, four KV blocks", "f16",
          d_model=64, heads=4, kv_heads=2, ffn=40, experts=4, top_k=2, layers=2, vocab=128,
          clip_qkv=8.0, normalize=1.0, rope_theta=500000.0, tokens=200, stride=3),
    Shape("f16-all-kv-top1-odd", "head_dim 18, odd ffn and vocabulary, biting clip, raw router weights", "f16",
          d_model=36, heads=2, kv_heads=2, ffn=29, experts=3, top_k=1, layers=3, vocab=99,
          clip_qkv=0.5, normalize=None, rope_theta=10000.0, tokens=80),
]
