"""Quantises checkpoints of transformers, and widens the result again: each scheme by somebody else's code."""

import json
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import torch
from mlx_lm.utils import load_model, quantize_model, save_config, save_model
from safetensors.torch import load_file, save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from quantized_shapes import QuantizedShape

Tensors = dict[str, torch.Tensor]
# mlx-lm's name of a stack of experts, transformers' names of one expert's matrices.
STACKS = {
    "qwen3_moe": ("mlp.switch_mlp", "mlp.experts", {}),
    "mixtral": ("block_sparse_moe.switch_mlp", "block_sparse_moe.experts", dict(gate_proj="w1", down_proj="w2", up_proj="w3")),
}


def quantize(shape: QuantizedShape, plain: Path, folder: Path) -> None:
    """Writes the quantised checkpoint of `plain` to `folder`."""
    if shape.scheme == "mlx":
        to_mlx(plain, folder, **shape.options)
    elif shape.scheme == "fp8":
        to_fp8(plain, folder, **shape.options)
    elif shape.scheme == "mxfp4":
        to_mxfp4(plain, folder)
    else:
        published = plain.parent / "published"
        published.mkdir()
        to_mxfp4(plain, published)
        to_mlx(published, folder, bits=8, group=32, modules={})


def dequantize(shape: QuantizedShape, folder: Path, plain: Path, widened: Path) -> None:
    """Writes the weights of `folder` in f32, with transformers' names."""
    if shape.scheme == "fp8":
        tensors = from_fp8(load_file(folder / "model.safetensors"), **shape.options)
    elif shape.scheme == "mxfp4":
        tensors = from_mxfp4(load_file(folder / "model.safetensors"))
    else:
        tensors = transformers_names(shape, from_mlx(folder))
    config = json.loads((plain / "config.json").read_text())
    (widened / "config.json").write_text(json.dumps(config | {"dtype": "float32"}))
    wide = {name: tensor.float().contiguous() for name, tensor in tensors.items()}
    save_file(wide, widened / "model.safetensors", metadata={"format": "pt"})


def to_mlx(plain: Path, folder: Path, bits: int, group: int, modules: dict[str, dict]) -> None:
    """What mlx_lm.convert does, but for the tokenizer, which these models have not."""
    model, config = load_model(plain, lazy=True)

    def choose(path: str, _module: nn.Module) -> bool | dict:
        return next((chosen for part, chosen in modules.items() if part in path), True)

    model, config = quantize_model(model, config, group, bits, quant_predicate=choose)
    save_model(folder, model)
    save_config(config, folder / "config.json")
    (folder / "model.safetensors.index.json").unlink()


def from_mlx(folder: Path) -> Tensors:
    mx.set_default_device(mx.cpu)
    stored = mx.load(str(folder / "model.safetensors"))
    quantization = json.loads((folder / "config.json").read_text())["quantization"]
    tensors = {}
    for name, tensor in stored.items():
        path, _, kind = name.rpartition(".")
        if kind in ("scales", "biases"):
            continue
        if f"{path}.scales" in stored and kind == "weight":
            tensor = widen(stored, path, quantization.get(path, quantization), quantization)
        tensors[name] = torch.from_numpy(np.array(tensor.astype(mx.float32)))
    return tensors


def widen(stored: dict[str, mx.array], path: str, own: dict, usual: dict) -> mx.array:
    parameters = usual | own
    mode = own.get("mode", "affine")
    scales, biases = stored[f"{path}.scales"], stored.get(f"{path}.biases")
    if mode == "affine":
        scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
    return mx.dequantize(stored[f"{path}.weight"], scales, biases, parameters["group_size"], parameters["bits"], mode,
                         dtype=mx.float32)


def transformers_names(shape: QuantizedShape, tensors: Tensors) -> Tensors:
    if shape.model.family == "gpt_oss":
        return interleaved(tensors)
    stack, experts, renamed = STACKS[shape.model.family]
    named = {}
    for name, tensor in tensors.items():
        if f".{stack}." not in name:
            named[name] = tensor
            continue
        prefix, matrix = name.split(f".{stack}.")
        matrix = matrix.removesuffix(".weight")
        for expert, own in enumerate(tensor):
            named[f"{prefix}.{experts}.{expert}.{renamed.get(matrix, matrix)}.weight"] = own
    return named


def interleaved(tensors: Tensors) -> Tensors:
    """gpt-oss: gates and ups in turn along the last dimension, matrices [inputs, outputs]."""
    named = {name: tensor for name, tensor in tensors.items() if ".mlp.experts." not in name}
    for name in [name for name in tensors if name.endswith("experts.gate_proj.weight")]:
        experts = name.removesuffix(".gate_proj.weight")
        for kind, own in (("weight", "gate_up_proj"), ("bias", "gate_up_proj_bias")):
            pair = [tensors[f"{experts}.{half}_proj.{kind}"] for half in ("gate", "up")]
            both = torch.stack(pair, dim=2).flatten(1, 2)
            named[f"{experts}.{own}"] = both.transpose(1, 2) if kind == "weight" else both
        named[f"{experts}.down_proj"] = tensors[f"{experts}.down_proj.weight"].transpose(1, 2)
        named[f"{experts}.down_proj_bias"] = tensors[f"{experts}.down_proj.bias"]
    return named


def to_mxfp4(plain: Path, folder: Path) -> None:
    """gpt-oss as published: blocks [experts, outputs, groups, 16], scales [experts, outputs, groups]."""
    tensors = {}
    for name, tensor in load_file(plain / "model.safetensors").items():
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            tensors[name] = tensor
            continue
        rows = mx.array(tensor.float().transpose(1, 2).contiguous().numpy())
        codes, scales = mx.quantize(rows, 32, 4, mode="mxfp4")
        blocks = np.array(codes).view(np.uint8).reshape(*scales.shape, 16)
        tensors[f"{name}_blocks"] = torch.from_numpy(blocks.copy())
        tensors[f"{name}_scales"] = torch.from_numpy(np.array(scales))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    kept = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
    write_config(plain, folder, {"quant_method": "mxfp4", "modules_to_not_convert": kept})


def from_mxfp4(tensors: Tensors) -> Tensors:
    wide = {name: tensor for name, tensor in tensors.items() if not name.endswith(("_blocks", "_scales"))}
    for name in [name.removesuffix("_blocks") for name in tensors if name.endswith("_blocks")]:
        # transformers counts the exponents from 0.
        wide[name] = convert_moe_packed_tensors(tensors[f"{name}_blocks"], tensors[f"{name}_scales"], dtype=torch.float32)
    return wide


def to_fp8(plain: Path, folder: Path, block: tuple[int, int]) -> None:
    """Every matrix but embedding, head and routers: e4m3 with a scale for each block, as DeepSeek publishes."""
    tensors = {}
    for name, tensor in load_file(plain / "model.safetensors").items():
        if not name.endswith("_proj.weight"):
            tensors[name] = tensor
            continue
        scales = grid(tensor.float().abs(), block).amax(dim=(1, 3)) / 448
        tensors[name] = (tensor.float() / spread(scales, tensor.shape, block)).to(torch.float8_e4m3fn)
        tensors[f"{name}_scale_inv"] = scales
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_config(plain, folder, {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": list(block),
                                 "modules_to_not_convert": ["lm_head", "model.layers.0.mlp.gate"]})


def from_fp8(tensors: Tensors, block: tuple[int, int]) -> Tensors:
    wide = {name: tensor for name, tensor in tensors.items() if not name.endswith("_scale_inv")}
    for name in [name for name in wide if f"{name}_scale_inv" in tensors]:
        wide[name] = wide[name].float() * spread(tensors[f"{name}_scale_inv"], wide[name].shape, block)
    return wide


def grid(values: torch.Tensor, block: tuple[int, int]) -> torch.Tensor:
    """[block rows, rows, block columns, columns], padded with zeros."""
    rows, columns = values.shape
    padded = torch.nn.functional.pad(values, (0, -columns % block[1], 0, -rows % block[0]))
    return padded.reshape(-(-rows // block[0]), block[0], -(-columns // block[1]), block[1])


def spread(scales: torch.Tensor, dims: torch.Size, block: tuple[int, int]) -> torch.Tensor:
    """One scale for each element."""
    return scales.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)[: dims[0], : dims[1]]


def write_config(plain: Path, folder: Path, quantization: dict) -> None:
    config = json.loads((plain / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": quantization}, indent=2) + "\n")
