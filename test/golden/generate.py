"""Writes fixtures/<name>/ for every shape: a tiny random checkpoint and what transformers computes from it.

    python generate.py [NAME...]        all shapes, those named, or all of the families named

Every value is checked before it is written: for routing without near ties, for logits that are well spread, DBRX against
reference_forward.py, and the other families for tensors and options that do not show in the logits. A draw that fails is
drawn again, so the fixtures test arithmetic and not luck.
"""

import json
import shutil
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers

from dbrx_reference import DbrxReference
from draw_sequences import draw_greedy, draw_tokens, kept_positions, leads, numbers
from families import SHAPES as FAMILY_SHAPES
from families.shape import FamilyShape
from reference_forward import reference_forward
from reference_model import ReferenceModel
from sensitivity import check_sensitivity
from shapes import SHAPES, Shape
from write_checkpoint import DTYPES, write_checkpoint
from write_family import write_family

FIXTURES = Path(__file__).parent / "fixtures"


def reference_of(folder: Path, shape: Shape | FamilyShape, dtype: torch.dtype) -> ReferenceModel:
    if isinstance(shape, Shape):
        return DbrxReference(folder, shape, dtype)
    return ReferenceModel(folder, dtype, stepwise=shape.stepwise, unread=shape.unread)


def generate(shape: Shape | FamilyShape, seed: int) -> dict:
    """Writes the fixture's files and returns its golden.json."""
    folder = FIXTURES / shape.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (write_checkpoint if isinstance(shape, Shape) else write_family)(folder, shape, seed)
    rng = np.random.default_rng(seed + 1)
    reference = reference_of(folder, shape, torch.float32)
    tokens = draw_tokens(reference, shape, rng)
    logits = reference.logits(tokens)
    gap, experts = reference.routing_gaps(len(tokens)).min(), reference.experts()
    assert logits.std() > 1, f"{shape.name}: logits are not spread: {logits.std()}"
    prompt, greedy, greedy_logits = draw_greedy(reference, shape, rng)
    if isinstance(shape, Shape):
        check_dbrx(folder, shape, tokens, logits, reference.clipped)
    else:
        check_family(folder, shape, reference, tokens, logits)
    positions = kept_positions(shape)
    np.save(folder / "logits.npy", logits[positions])
    golden = {
        "name": shape.name,
        "covers": shape.covers,
        "dtype": shape.dtype,
        "generator": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "seed": seed},
        "tokens": tokens,
        "positions": positions,
        "scale": float(np.abs(logits).max()),
        "routingGap": float(f"{gap:.6g}") if np.isfinite(gap) else None,
        "routingAgrees": None,
        "greedy": {"prompt": prompt, "tokens": greedy, "margins": numbers(leads(greedy_logits)), "dtypeErrors": None},
        "dtypeError": None,
    }
    if shape.dtype != "f32":
        low = reference_of(folder, shape, DTYPES[shape.dtype])
        low_logits = low.logits(tokens)
        golden["routingAgrees"] = all(np.array_equal(a, b) for a, b in zip(experts, low.experts()))
        np.save(folder / f"logits-{shape.dtype}.npy", low_logits[positions])
        error = np.abs(low_logits - logits)[positions]
        golden["dtypeError"] = {"max": float(error.max()), "rms": float(np.sqrt((error**2).mean()))}
        low_greedy = low.logits(prompt + greedy[:-1])[shape.prompt - 1 :]
        golden["greedy"]["dtypeErrors"] = numbers(np.abs(low_greedy - greedy_logits).max(1))
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    return golden


def check_dbrx(folder: Path, shape: Shape, tokens: list[int], logits: np.ndarray, clipped: float) -> None:
    """Stops the generator when two implementations disagree or the fixture would test too little."""
    for dtype in (np.float64, np.float32):
        worst = np.abs(reference_forward(folder, tokens, dtype) - logits).max() / np.abs(logits).max()
        assert worst < 2e-5, f"{shape.name}: numpy {dtype.__name__} and transformers differ by {worst:.2e} of the scale"
        print(f"{shape.name}: numpy {dtype.__name__} differs by {worst:.1e} of the scale")
    if shape.clip_qkv is not None and shape.clip_qkv < 1:
        assert clipped > 0.1, f"{shape.name}: clip_qkv touches only {clipped:.0%} of the values"


def check_family(folder: Path, shape: FamilyShape, reference: ReferenceModel, tokens: list[int],
                 logits: np.ndarray) -> None:
    """Stops the generator when a fixture would test too little, or its rows depend on how they were computed."""
    other = ReferenceModel(folder, torch.float32, stepwise=not shape.stepwise, unread=shape.unread)
    within = len(tokens) if not shape.stepwise else original_context(reference) - 1
    worst = np.abs(other.logits(tokens[:within]) - logits[:within]).max() / np.abs(logits).max()
    assert worst < 2e-5, f"{shape.name}: token by token and in one run differ by {worst:.2e} of the scale"
    print(f"{shape.name}: {within} tokens one by one and in one run differ by {worst:.1e} of the scale")
    check_sensitivity(folder, shape, reference, tokens, logits)


def original_context(reference: ReferenceModel) -> int:
    config = reference.model.config
    return config.rope_parameters.get("original_max_position_embeddings", config.max_position_embeddings)


def seeded() -> list[tuple[Shape | FamilyShape, int]]:
    """All shapes; a family's seed comes from its name, so that another shape does not change it."""
    dbrx = [(shape, 1000 + 10 * number) for number, shape in enumerate(SHAPES)]
    return [*dbrx, *((shape, zlib.crc32(shape.name.encode())) for shape in FAMILY_SHAPES)]


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    wanted = sys.argv[1:]
    for shape, seed in seeded():
        if wanted and shape.name not in wanted and shape.name.split("/")[0] not in wanted:
            continue
        golden = generate(shape, seed)
        print(shape.name, {k: golden.get(k) for k in ("scale", "routingGap", "routingAgrees", "dtypeError")},
              "least margin", min(golden["greedy"]["margins"]), flush=True)


if __name__ == "__main__":
    main()
