"""What a golden fixture of a family is made from: data only."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FamilyShape:
    family: str  # model_type
    label: str  # folder below the family's
    covers: str
    dtype: str  # storage type of the weights: f32, bf16, f16
    config: dict[str, Any]  # arguments of transformers' configuration class
    tokens: int  # length of the sequence whose logits are kept
    stride: int = 4  # logits are kept at every stride-th position, beside block borders and the last
    prompt: int = 40  # prompt length of the greedy continuation; 40 + 64 crosses a KV block border
    # None: config.json as transformers 5 writes it. Else: as older files have it, with these keys on top; the value
    # "absent" removes a key.
    older: dict[str, Any] | None = None
    shard_bytes: int | None = None  # split into shards of at most this size
    fused: bool = False  # experts as transformers 5 holds them: one tensor of all gates and ups, one of all downs
    # Token by token with a cache: for tables that depend on the length of the sequence, where every row has its own.
    stepwise: bool = False
    # Tensors that published files have and no model reads; stored beside the others.
    unread: dict[str, tuple[int, ...]] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)  # factors on the weights whose name contains the key

    @property
    def name(self) -> str:
        return f"{self.family}/{self.label}"

    @property
    def vocab(self) -> int:
        return self.config["vocab_size"]


# A tied embedding is also the head: smaller, so that a token does not always predict itself.
TIED = {"embed_tokens": 0.25}
