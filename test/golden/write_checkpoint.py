"""Writes a random checkpoint of a Shape as Hugging Face stores it: config.json and one or several safetensors files.

Weights come from numpy's PCG64, so they do not depend on the version of torch. Their scales are chosen so that attention
is peaked, routers are decided and logits are well spread: errors in any part then show in the logits.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from shapes import Shape

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def config_of(shape: Shape) -> dict:
    """config.json in DBRX's own spelling. transformers 5 reads the rotary base from rope_parameters only."""
    return {
        "architectures": ["DbrxForCausalLM"],
        "model_type": "dbrx",
        "attn_config": {
            "clip_qkv": shape.clip_qkv,
            "kv_n_heads": shape.kv_heads,
            "model_type": "",
            "rope_theta": shape.rope_theta,
        },
        "d_model": shape.d_model,
        "ffn_config": {
            "ffn_act_fn": {"name": "silu"},
            "ffn_hidden_size": shape.ffn,
            "model_type": "",
            "moe_jitter_eps": None,
            "moe_num_experts": shape.experts,
            "moe_normalize_expert_weights": shape.normalize,
            "moe_top_k": shape.top_k,
        },
        "max_seq_len": 512,
        "n_heads": shape.heads,
        "n_layers": shape.layers,
        "rope_parameters": {"rope_theta": shape.rope_theta, "rope_type": "default"},
        "tie_word_embeddings": False,
        "torch_dtype": {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}[shape.dtype],
        "vocab_size": shape.vocab,
    }


def weights_of(shape: Shape, seed: int) -> dict[str, torch.Tensor]:
    """Every tensor of the checkpoint in its storage dtype; matrices are [out, in], expert matrices [experts * ffn, d]."""
    rng = np.random.default_rng(seed)
    d, kv = shape.d_model, shape.kv_heads * (shape.d_model // shape.heads)

    def normal(gain: float, *dims: int, fan_in: int) -> torch.Tensor:
        values = rng.standard_normal(dims) * (gain / np.sqrt(fan_in))
        return torch.from_numpy(values.astype(np.float32)).to(DTYPES[shape.dtype])

    def norm() -> torch.Tensor:
        values = 1 + 0.2 * rng.standard_normal(d)
        return torch.from_numpy(values.astype(np.float32)).to(DTYPES[shape.dtype])

    tensors = {"transformer.wte.weight": normal(1.0, shape.vocab, d, fan_in=1)}
    for layer in range(shape.layers):
        at = f"transformer.blocks.{layer}."
        tensors[at + "norm_attn_norm.norm_1.weight"] = norm()
        tensors[at + "norm_attn_norm.attn.Wqkv.weight"] = normal(1.4, d + 2 * kv, d, fan_in=d)
        tensors[at + "norm_attn_norm.attn.out_proj.weight"] = normal(1.0, d, d, fan_in=d)
        tensors[at + "norm_attn_norm.norm_2.weight"] = norm()
        tensors[at + "ffn.router.layer.weight"] = normal(2.0, shape.experts, d, fan_in=d)
        for name, fan_in, gain in (("w1", d, 1.4), ("v1", d, 1.4), ("w2", shape.ffn, 1.4)):
            rows = shape.experts * shape.ffn
            tensors[at + f"ffn.experts.mlp.{name}"] = normal(gain, rows, d, fan_in=fan_in)
    tensors["transformer.norm_f.weight"] = norm()
    tensors["lm_head.weight"] = normal(3.0, shape.vocab, d, fan_in=d)
    return tensors


def write_checkpoint(folder: Path, shape: Shape, seed: int) -> None:
    """Writes config.json and the weights into the existing, empty `folder`."""
    (folder / "config.json").write_text(json.dumps(config_of(shape), indent=2) + "\n")
    tensors = weights_of(shape, seed)
    if shape.shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, weight_map = list(tensors), {}
    for shard, part in enumerate(np.array_split(names, shape.shards)):
        file = f"model-{shard + 1:05d}-of-{shape.shards:05d}.safetensors"
        save_file({str(name): tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        weight_map |= {str(name): file for name in part}
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
