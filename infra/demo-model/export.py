"""Writes a Hugging Face DBRX checkpoint in bf16 from a training checkpoint.

python export.py RUN_DIR OUT_DIR
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from model import Config
from tokenizer import END_OF_TEXT, IM_END, PAD, config as tokenizer_config

from tokenizers import Tokenizer


def tensors(state: dict, config: Config) -> dict[str, torch.Tensor]:
    """Our names and shapes to those of DBRX: experts are stacked as [E * f, d]."""
    out = {
        "transformer.wte.weight": state["wte"],
        "transformer.norm_f.weight": state["norm_f"],
        "lm_head.weight": state["lm_head"],
    }
    for i in range(config.n_layers):
        ours, theirs = f"blocks.{i}.", f"transformer.blocks.{i}."
        norm_attn, ffn = theirs + "norm_attn_norm.", theirs + "ffn."
        w1v1 = state[ours + "ffn.w1v1"]  # [E, 2, f, d]
        out[norm_attn + "norm_1.weight"] = state[ours + "norm_1"]
        out[norm_attn + "norm_2.weight"] = state[ours + "norm_2"]
        out[norm_attn + "attn.Wqkv.weight"] = state[ours + "attn.Wqkv"]
        out[norm_attn + "attn.out_proj.weight"] = state[ours + "attn.out_proj"]
        out[ffn + "router.layer.weight"] = state[ours + "ffn.router"]
        out[ffn + "experts.mlp.w1"] = w1v1[:, 0].flatten(0, 1)
        out[ffn + "experts.mlp.v1"] = w1v1[:, 1].flatten(0, 1)
        out[ffn + "experts.mlp.w2"] = state[ours + "ffn.w2"].flatten(0, 1)
    return {k: v.to(torch.bfloat16).contiguous() for k, v in out.items()}


def load_published(folder: Path, c: Config) -> dict[str, torch.Tensor]:
    """The inverse of `tensors`: our state, in f32, of an exported checkpoint of the shape `c`."""
    theirs = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    state = {
        "wte": theirs["transformer.wte.weight"],
        "norm_f": theirs["transformer.norm_f.weight"],
        "lm_head": theirs["lm_head.weight"],
    }
    experts = (c.n_experts, c.ffn_hidden_size, c.d_model)
    for i in range(c.n_layers):
        ours, block = f"blocks.{i}.", f"transformer.blocks.{i}."
        norm_attn, ffn = block + "norm_attn_norm.", block + "ffn."
        w1, v1, w2 = (theirs[f"{ffn}experts.mlp.{name}"].view(experts) for name in ("w1", "v1", "w2"))
        state[ours + "norm_1"] = theirs[norm_attn + "norm_1.weight"]
        state[ours + "norm_2"] = theirs[norm_attn + "norm_2.weight"]
        state[ours + "attn.Wqkv"] = theirs[norm_attn + "attn.Wqkv.weight"]
        state[ours + "attn.out_proj"] = theirs[norm_attn + "attn.out_proj.weight"]
        state[ours + "ffn.router"] = theirs[ffn + "router.layer.weight"]
        state[ours + "ffn.w1v1"] = torch.stack([w1, v1], dim=1)
        state[ours + "ffn.w2"] = w2
    return state


def model_config(c: Config, ids: dict[str, int]) -> dict:
    """rope_theta stands twice: DBRX's own place, and where transformers 5 reads it."""
    return {
        "architectures": ["DbrxForCausalLM"],
        "model_type": "dbrx",
        "d_model": c.d_model,
        "n_heads": c.n_heads,
        "n_layers": c.n_layers,
        "max_seq_len": c.max_seq_len,
        "vocab_size": c.vocab_size,
        "attn_config": {
            "attn_pdrop": 0.0,
            "clip_qkv": c.clip_qkv,
            "kv_n_heads": c.kv_n_heads,
            "rope_theta": c.rope_theta,
        },
        "ffn_config": {
            "ffn_act_fn": {"name": "silu"},
            "ffn_hidden_size": c.ffn_hidden_size,
            "moe_num_experts": c.n_experts,
            "moe_top_k": c.top_k,
            "moe_normalize_expert_weights": 1.0,  # transformers 5 refuses an int
            "moe_jitter_eps": 0.0,
            "moe_loss_weight": 0.01,
        },
        "rope_parameters": {"rope_type": "default", "rope_theta": c.rope_theta},
        "emb_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "initializer_range": 0.02,
        "output_router_logits": False,
        "use_cache": True,
        "tie_word_embeddings": False,
        "bos_token_id": ids[END_OF_TEXT],
        "eos_token_id": ids[IM_END],
        "pad_token_id": ids[PAD],
        "torch_dtype": "bfloat16",
        "dtype": "bfloat16",
    }


def export(run: Path, out: Path):
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    config = Config(**saved["config"])
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    ids = {t: tokenizer.token_to_id(t) for t in (END_OF_TEXT, PAD, IM_END)}
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors(saved["model"], config), out / "model.safetensors", {"format": "pt"})
    generation = {
        "bos_token_id": ids[END_OF_TEXT],
        "eos_token_id": [ids[IM_END], ids[END_OF_TEXT]],
        "pad_token_id": ids[PAD],
        "do_sample": False,
    }
    for name, content in [
        ("config.json", model_config(config, ids)),
        ("generation_config.json", generation),
        ("tokenizer_config.json", tokenizer_config()),
    ]:
        (out / name).write_text(json.dumps(content, indent=2) + "\n")
    shutil.copy(run / "tokenizer.json", out / "tokenizer.json")


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
