"""Writes vectors.json: random matrices quantised and dequantised by MLX, in all its formats.

    python generate_vectors.py        (requirements.txt of this folder)

Each vector has what mx.quantize makes of one source [rows, inputs], cast to the type of the scales before, and mx.dequantize of that
with scales and biases widened to f32, since MLX rounds the results to the type of the scales. Bytes are base64.
"""

import base64
import json
from pathlib import Path

import mlx.core as mx
import numpy as np

ROWS, INPUTS = 3, 128
DTYPES = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}
# Of the largest magnitude of the tensor, as MLX has it: the effective factor is amax / (448 * 6).
GLOBAL_FACTOR = 448.0 * 6.0


def text(array: mx.array) -> str:
    return base64.b64encode(bytes(memoryview(array))).decode()


def raw(array: mx.array) -> mx.array:
    return array.view(mx.uint16) if array.dtype in (mx.bfloat16, mx.float16) else array


def source(rng: np.random.Generator) -> mx.array:
    """Rows of different widths; one group of zeros, one of equal values, one of one sign."""
    values = rng.standard_normal((ROWS, INPUTS)).astype(np.float32) * np.float32([[0.02], [1.0], [30.0]])
    values[0, :64] = 0
    values[1, :64] = 0.375
    values[2, :64] = np.abs(values[2, :64]) + 1
    return mx.array(values)


def affine(whole: mx.array, bits: int, group: int, dtype: str) -> dict:
    weights = whole.astype(DTYPES[dtype])
    codes, scales, biases = mx.quantize(weights, group, bits)
    values = mx.dequantize(codes, scales.astype(mx.float32), biases.astype(mx.float32), group, bits)
    return {"kind": "affine", "bits": bits, "group": group, "scaleType": dtype,
            "codes": text(codes), "scales": text(raw(scales)),
            "biases": text(raw(biases)), "values": text(values.astype(mx.float32))}


def floating(weights: mx.array, mode: str, bits: int, group: int, amax: float | None) -> dict:
    extra = {} if amax is None else {"global_scale": mx.array(amax, dtype=mx.float32)}
    codes, scales = mx.quantize(weights, group, bits, mode=mode, **extra)
    values = mx.dequantize(codes, scales, group_size=group, bits=bits, mode=mode, dtype=mx.float32, **extra)
    return {"kind": mode, "bits": bits, "group": group, "globalScale": amax, "codes": text(codes), "scales": text(scales),
            "values": text(values)}


def main() -> None:
    mx.set_default_device(mx.cpu)
    whole = source(np.random.default_rng(15))
    shapes = [(4, group, "f32") for group in (32, 64, 128)]
    shapes += [(2, 32, "f32"), (3, 64, "f32"), (5, 128, "f32"), (6, 32, "f32"), (8, 64, "f32")]
    shapes += [(4, 64, "bf16"), (8, 32, "bf16"), (4, 64, "f16"), (6, 128, "f16")]
    vectors = [affine(whole, *shape) for shape in shapes]
    vectors += [floating(whole, mode, bits, group, amax)
                for mode, bits, group, amax in [("mxfp4", 4, 32, None), ("nvfp4", 4, 16, None), ("nvfp4", 4, 16, 97.0),
                                                ("mxfp8", 8, 32, None)]]
    data = {"mlx": mx.__version__, "rows": ROWS, "inputs": INPUTS, "source": text(whole), "vectors": vectors}
    Path(__file__).with_name("vectors.json").write_text(json.dumps(data) + "\n")


if __name__ == "__main__":
    main()
