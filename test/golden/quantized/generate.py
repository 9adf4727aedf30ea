"""Writes fixtures/<name>/ for every shape of quantized_shapes.py: a small quantised checkpoint, and what transformers computes from its
dequantised weights.

    python generate.py [NAME...]        (requirements.txt of this folder)

MLX checkpoints are made by mlx-lm's own loader, quantiser and writer; those of Hugging Face as their formats are published. The
weights are dequantised by MLX, transformers or torch, none of which is the engine's code.
"""

import json
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

from quantized_shapes import SHAPES, QuantizedShape  # first: it sets the path

import numpy as np
import torch
import transformers

from reference_model import ReferenceModel
from schemes import dequantize, quantize
from write_checkpoint import DTYPES
from write_family import write_family
from draw_sequences import draw_greedy, draw_tokens, kept_positions, leads, numbers

FIXTURES = Path(__file__).parent / "fixtures"


def generate(shape: QuantizedShape, seed: int) -> dict:
    folder = FIXTURES / shape.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        plain, widened = Path(temporary) / "plain", Path(temporary) / "widened"
        plain.mkdir()
        widened.mkdir()
        write_family(plain, shape.model, seed)
        quantize(shape, plain, folder)
        dequantize(shape, folder, plain, widened)
        return compute(shape, folder, widened, seed)


def compute(shape: QuantizedShape, folder: Path, widened: Path, seed: int) -> dict:
    """golden.json and the logits, as ../generate.py writes them."""
    model = shape.model
    rng = np.random.default_rng(seed + 1)
    reference = ReferenceModel(widened, torch.float32)
    tokens = draw_tokens(reference, model, rng)
    logits = reference.logits(tokens)
    assert logits.std() > 1, f"{shape.name}: logits are not spread: {logits.std()}"
    prompt, greedy, greedy_logits = draw_greedy(reference, model, rng)
    positions = kept_positions(model)
    np.save(folder / "logits.npy", logits[positions])
    golden = {
        "name": shape.name, "covers": model.covers, "dtype": model.dtype,
        "generator": {"transformers": transformers.__version__, "seed": seed},
        "tokens": tokens, "positions": positions, "scale": float(np.abs(logits).max()),
        "greedy": {"prompt": prompt, "tokens": greedy, "margins": numbers(leads(greedy_logits)), "dtypeErrors": None},
        "dtypeError": None,
    }
    if model.dtype != "f32":
        low = ReferenceModel(widened, DTYPES[model.dtype])
        low_logits = low.logits(tokens)
        np.save(folder / f"logits-{model.dtype}.npy", low_logits[positions])
        error = np.abs(low_logits - logits)[positions]
        golden["dtypeError"] = {"max": float(error.max()), "rms": float(np.sqrt((error**2).mean()))}
        low_greedy = low.logits(prompt + greedy[:-1])[model.prompt - 1 :]
        golden["greedy"]["dtypeErrors"] = numbers(np.abs(low_greedy - greedy_logits).max(1))
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    return golden


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for shape in SHAPES:
        if not sys.argv[1:] or shape.name in sys.argv[1:]:
            golden = generate(shape, zlib.crc32(shape.name.encode()))
            print(shape.name, golden["scale"], golden["dtypeError"], min(golden["greedy"]["margins"]), flush=True)


if __name__ == "__main__":
    main()
