"""DBRX's forward pass in plain numpy, written from its definition: the golden values do not rest on one implementation.

In: a checkpoint folder and token ids. Out: logits [T, vocab] in the given precision. It reads the safetensors files by
itself, so that a misreading by the library would show too. It must not import torch or transformers.
"""

import json
from pathlib import Path

import numpy as np


def read_tensors(folder: Path, dtype: type) -> dict[str, np.ndarray]:
    """All tensors of all *.safetensors files: u64 header length, JSON header, data (bf16 is the upper half of an f32)."""
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        raw = file.read_bytes()
        start = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:start])
        header.pop("__metadata__", None)
        for name, entry in header.items():
            data = raw[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]]
            if entry["dtype"] == "BF16":
                values = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
            else:
                values = np.frombuffer(data, {"F32": "<f4", "F16": "<f2"}[entry["dtype"]])
            tensors[name] = values.astype(dtype).reshape(entry["shape"])
    return tensors


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer_norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight


def rotate(x: np.ndarray, theta: float) -> np.ndarray:
    """x [heads, T, head_dim]: pair (i, i + head_dim / 2) of position t is turned by t * theta^(-2i / head_dim)."""
    half = x.shape[-1] // 2
    frequencies = theta ** (-np.arange(half) / half)
    angle = np.arange(x.shape[1])[:, None] * frequencies
    cos, sin = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def attention(x: np.ndarray, weights: dict, at: str, config: dict) -> np.ndarray:
    rows, d = x.shape
    heads, kv_heads = config["n_heads"], config["attn_config"]["kv_n_heads"]
    size, clip = d // heads, config["attn_config"]["clip_qkv"]
    qkv = x @ weights[at + "Wqkv.weight"].T
    if clip is not None:
        qkv = np.clip(qkv, -clip, clip)
    q, k, v = np.split(qkv, [d, d + kv_heads * size], axis=1)
    split = lambda m, n: m.reshape(rows, n, size).transpose(1, 0, 2)  # noqa: E731
    theta = config["attn_config"]["rope_theta"]
    q, k, v = rotate(split(q, heads), theta), rotate(split(k, kv_heads), theta), split(v, kv_heads)
    k, v = np.repeat(k, heads // kv_heads, 0), np.repeat(v, heads // kv_heads, 0)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(x.dtype.type(size))
    scores[:, np.triu(np.ones((rows, rows), bool), 1)] = -np.inf
    out = (softmax(scores) @ v).transpose(1, 0, 2).reshape(rows, d)
    return out @ weights[at + "out_proj.weight"].T


def experts(x: np.ndarray, weights: dict, at: str, config: dict) -> np.ndarray:
    ffn = config["ffn_config"]
    probabilities = softmax(x @ weights[at + "router.layer.weight"].T)
    chosen = np.argsort(-probabilities, axis=1, kind="stable")[:, : ffn["moe_top_k"]]
    share = np.take_along_axis(probabilities, chosen, 1)
    if ffn["moe_normalize_expert_weights"] is not None:
        share = share / np.linalg.norm(share, ffn["moe_normalize_expert_weights"], axis=1, keepdims=True)
    w1, v1, w2 = (weights[at + f"experts.mlp.{n}"].reshape(ffn["moe_num_experts"], -1, x.shape[1]) for n in ("w1", "v1", "w2"))
    out = np.zeros_like(x)
    for row in range(len(x)):
        for expert, weight in zip(chosen[row], share[row]):
            gate = w1[expert] @ x[row]
            out[row] += weight * ((gate / (1 + np.exp(-gate)) * (v1[expert] @ x[row])) @ w2[expert])
    return out


def reference_forward(folder: Path, tokens: list[int], dtype: type = np.float64) -> np.ndarray:
    """Logits [T, vocab] of a DBRX checkpoint computed in `dtype`."""
    config, weights = json.loads((folder / "config.json").read_text()), read_tensors(folder, dtype)
    x = weights["transformer.wte.weight"][tokens]
    for layer in range(config["n_layers"]):
        at = f"transformer.blocks.{layer}."
        norm = at + "norm_attn_norm."
        x = x + attention(layer_norm(x, weights[norm + "norm_1.weight"]), weights, norm + "attn.", config)
        x = x + experts(layer_norm(x, weights[norm + "norm_2.weight"]), weights, at + "ffn.", config)
    return layer_norm(x, weights["transformer.norm_f.weight"]) @ weights["lm_head.weight"].T
