"""Writes gguf-blocks.json: random blocks of each type of GGUF, and the values that llama.cpp's Python package gives them.

    pip install gguf; python generate_gguf_blocks.py

Bytes are base64; the f16 scales of the blocks are drawn, all other bytes are random.
"""

import base64
import json
from pathlib import Path

import gguf
import numpy as np

# Type, and where its f16 numbers are.
TYPES = [("Q4_0", [0]), ("Q4_1", [0, 2]), ("Q5_0", [0]), ("Q5_1", [0, 2]), ("Q8_0", [0]), ("Q2_K", [80, 82]), ("Q3_K", [108]),
         ("Q4_K", [0, 2]), ("Q5_K", [0, 2]), ("Q6_K", [208]), ("MXFP4", [])]


def blocks(rng: np.random.Generator, name: str, halves: list[int]) -> dict:
    kind = gguf.GGMLQuantizationType[name]
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (2, size)).astype(np.uint8)
    for place in halves:
        data[:, place : place + 2] = rng.uniform(-0.1, 0.1, 2).astype(np.float16).view(np.uint8).reshape(2, 2)
    if name == "MXFP4":
        data[:, 0] = rng.integers(110, 140, 2)
    values = gguf.quants.dequantize(data, kind).astype(np.float32)
    return {"name": name, "type": int(kind), "blocks": base64.b64encode(data.tobytes()).decode(),
            "values": base64.b64encode(values.tobytes()).decode()}


def main() -> None:
    rng = np.random.default_rng(17)
    cases = [blocks(rng, name, halves) for name, halves in TYPES]
    Path(__file__).with_name("gguf-blocks.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
