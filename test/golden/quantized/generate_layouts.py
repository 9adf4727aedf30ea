"""Writes layouts.json: one matrix in each form of Hugging Face's quantised checkpoints, and its values in f32.

    python generate_layouts.py        (requirements.txt of this folder)

The values come from mlx-lm, MLX, torch or numpy by the definitions of the formats. Bytes are base64.
"""

import base64
import json
from pathlib import Path

import mlx.core as mx
import numpy as np
import torch
from mlx_lm.utils import _transform_awq_weights

from schemes import spread

OUTPUTS, INPUTS = 8, 32
DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int32: "I32", torch.uint8: "U8",
          torch.float8_e4m3fn: "F8_E4M3"}


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def stored(tensor: torch.Tensor, dtype: str | None = None) -> dict:
    raw = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return {"dtype": dtype or DTYPES[tensor.dtype], "shape": list(tensor.shape), "data": encode(raw)}


def case(name: str, quantization: dict, tensors: dict[str, dict], values: np.ndarray) -> dict:
    return {"name": name, "quantization": quantization, "tensors": tensors, "values": encode(values.astype(np.float32).tobytes())}


def awq(rng: np.random.Generator) -> dict:
    group = 16
    words = lambda *dims: torch.from_numpy(rng.integers(-(2**31), 2**31, dims).astype(np.int32))
    codes, zeros = words(INPUTS, OUTPUTS // 8), words(INPUTS // group, OUTPUTS // 8)
    scales = torch.from_numpy(rng.uniform(0.01, 0.1, (INPUTS // group, OUTPUTS))).half()
    weights = {"p.qweight": mx.array(codes.numpy()).view(mx.uint32), "p.qzeros": mx.array(zeros.numpy()).view(mx.uint32),
               "p.scales": mx.array(scales.float().numpy())}
    made, _ = _transform_awq_weights(weights, {"bits": 4, "group_size": group})
    # MLX takes no groups of 16.
    values = unpacked(np.array(made["p.weight"])) * repeated(made["p.scales"], group) + repeated(made["p.biases"], group)
    return case("AWQ", {"quant_method": "awq", "bits": 4, "group_size": group, "version": "gemm", "zero_point": True},
                {"p.qweight": stored(codes), "p.qzeros": stored(zeros), "p.scales": stored(scales)}, values)


def unpacked(words: np.ndarray, bits: int = 4) -> np.ndarray:
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    return ((words.view(np.uint32)[..., None] >> shifts) & (2**bits - 1)).reshape(*words.shape[:-1], -1).astype(np.float32)


def repeated(groups: mx.array | np.ndarray, group: int) -> np.ndarray:
    return np.repeat(np.array(groups, dtype=np.float32), group, axis=-1)


def gptq(rng: np.random.Generator, bits: int, version: str) -> dict:
    group, plus = 32, 1 if version == "gptq" else 0
    codes = rng.integers(0, 2**bits, (INPUTS, OUTPUTS))
    zeros = rng.integers(0, 2**bits, (INPUTS // group, OUTPUTS))
    scales = torch.from_numpy(rng.uniform(0.01, 0.1, (INPUTS // group, OUTPUTS))).half()
    values = (codes.T - repeated(zeros.T + plus, group)) * repeated(scales.float().T.numpy(), group)
    order = torch.arange(INPUTS, dtype=torch.int32) // group
    return case(f"GPTQ of {bits} bits, {version}",
                {"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": False, "checkpoint_format": version},
                {"p.qweight": stored(packed(codes.T, bits).T), "p.qzeros": stored(packed(zeros, bits)), "p.scales": stored(scales),
                 "p.g_idx": stored(order)}, values)


def packed(codes: np.ndarray, bits: int) -> torch.Tensor:
    """Successive codes of a row in an int32, the first in the lowest bits."""
    per = 32 // bits
    fields = codes.reshape(*codes.shape[:-1], -1, per).astype(np.uint64) << (np.arange(per, dtype=np.uint64) * bits)
    return torch.from_numpy(fields.sum(-1).astype(np.uint32).view(np.int32).copy())


def integers(rng: np.random.Generator, bits: int, group: int) -> dict:
    values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (OUTPUTS, INPUTS))
    scales = torch.from_numpy(rng.uniform(0.01, 0.1, (OUTPUTS, INPUTS // group))).bfloat16()
    weights = {"num_bits": bits, "type": "int", "symmetric": True, "strategy": "group", "group_size": group}
    config = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"group_0": {"weights": weights}},
              "ignore": ["lm_head"]}
    return case(f"compressed-tensors, INT{bits} in groups of {group}", config,
                {"p.weight_packed": stored(packed(values + 2 ** (bits - 1), bits)), "p.weight_scale": stored(scales),
                 "p.weight_shape": stored(torch.tensor([OUTPUTS, INPUTS], dtype=torch.int32))},
                values * repeated(scales.float().numpy(), group))


def nvfp4(rng: np.random.Generator, modelopt: bool) -> dict:
    codes = torch.from_numpy(rng.integers(0, 256, (OUTPUTS, INPUTS // 2)).astype(np.uint8))
    scales = torch.from_numpy(rng.uniform(0.5, 400, (OUTPUTS, INPUTS // 16))).float().to(torch.float8_e4m3fn)
    factor = np.float32(0.00371)
    words = mx.array(codes.numpy()).view(mx.uint32)
    bytes_ = mx.array(scales.view(torch.uint8).numpy())
    values = np.array(mx.dequantize(words, bytes_, group_size=16, bits=4, mode="nvfp4", dtype=mx.float32)) * factor
    if modelopt:
        return case("ModelOpt's NVFP4", {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]},
                    {"p.weight": stored(codes), "p.weight_scale": stored(scales), "p.input_scale": stored(torch.tensor(3.0)),
                     "p.weight_scale_2": stored(torch.tensor(factor))}, values)
    return case("compressed-tensors' NVFP4", {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"},
                {"p.weight_packed": stored(codes), "p.weight_scale": stored(scales),
                 "p.input_global_scale": stored(torch.tensor([3.0])),
                 "p.weight_global_scale": stored(torch.tensor([1 / factor]))}, values)


def mxfp4(rng: np.random.Generator) -> dict:
    codes = torch.from_numpy(rng.integers(0, 256, (OUTPUTS, INPUTS // 2)).astype(np.uint8))
    scales = torch.from_numpy(rng.integers(110, 135, (OUTPUTS, INPUTS // 32)).astype(np.uint8))
    values = mx.dequantize(mx.array(codes.numpy()).view(mx.uint32), mx.array(scales.numpy()), group_size=32, bits=4, mode="mxfp4",
                           dtype=mx.float32)
    return case("compressed-tensors' MXFP4", {"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized"},
                {"p.weight_packed": stored(codes), "p.weight_scale": stored(scales)}, np.array(values))


def fp8(rng: np.random.Generator, name: str, quantization: dict, block: tuple[int, int], scale: str, dtype: torch.dtype) -> dict:
    codes = torch.from_numpy(rng.standard_normal((OUTPUTS, INPUTS)) * 60).float().to(torch.float8_e4m3fn)
    cells = (-(-OUTPUTS // block[0]), -(-INPUTS // block[1]))
    exponents = torch.from_numpy(rng.integers(118, 130, cells).astype(np.uint8))
    scales = exponents if dtype == torch.uint8 else torch.from_numpy(rng.uniform(0.001, 0.01, cells)).to(dtype)
    numbers = torch.exp2(exponents.float() - 127) if dtype == torch.uint8 else scales.float()
    values = codes.float() * spread(numbers, codes.shape, block)
    whole = scales.reshape(()) if scales.numel() == 1 else scales
    return case(name, quantization, {"p.weight": stored(codes), scale: stored(whole, "F8_E8M0" if dtype == torch.uint8 else None)},
                values.numpy())


def fp8_cases(rng: np.random.Generator) -> list[dict]:
    block = {"quant_method": "fp8", "activation_scheme": "dynamic"}
    compressed = {"quant_method": "compressed-tensors", "format": "float-quantized"}
    return [
        fp8(rng, "FP8 in blocks, the last ones partial", block | {"weight_block_size": [6, 16]}, (6, 16), "p.weight_scale_inv",
            torch.float32),
        fp8(rng, "FP8 in blocks that only the grid tells, scales of e8m0", block | {"scale_fmt": "ue8m0"}, (4, 32),
            "p.weight_scale_inv", torch.uint8),
        fp8(rng, "FP8 with a scale for each row", compressed, (1, INPUTS), "p.weight_scale", torch.bfloat16),
        fp8(rng, "FP8 with one scale", {"quant_method": "modelopt", "quant_algo": "FP8"}, (OUTPUTS, INPUTS), "p.weight_scale",
            torch.float32),
    ]


def main() -> None:
    mx.set_default_device(mx.cpu)
    rng = np.random.default_rng(16)
    cases = [awq(rng), gptq(rng, 4, "gptq"), gptq(rng, 8, "gptq_v2"), integers(rng, 4, 32), integers(rng, 8, 16), nvfp4(rng, True),
             nvfp4(rng, False), mxfp4(rng), *fp8_cases(rng)]
    data = {"name": "p.weight", "shape": [OUTPUTS, INPUTS], "cases": cases}
    Path(__file__).with_name("layouts.json").write_text(json.dumps(data) + "\n")


if __name__ == "__main__":
    main()
