"""Writes a random checkpoint of a family with transformers' own save_pretrained."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from families.shape import FamilyShape
from older_config import older_config
from weights import around, fill
from write_checkpoint import DTYPES


def write_family(folder: Path, shape: FamilyShape, seed: int) -> None:
    """Writes config.json and the weights into the existing, empty `folder`."""
    config = CONFIG_MAPPING[shape.family](**shape.config)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fill(model, shape, seed)
    limits = {} if shape.shard_bytes is None else {"max_shard_size": shape.shard_bytes}
    with tempfile.TemporaryDirectory() as whole:
        # Loaded in its dtype first: some tensors stay f32 then, and save_pretrained writes them so.
        model.save_pretrained(whole)
        stored = AutoModelForCausalLM.from_pretrained(whole, dtype=DTYPES[shape.dtype])
    stored.save_pretrained(folder, save_original_format=not shape.fused, **limits)
    add_unread(folder / "model.safetensors", shape)
    path = folder / "config.json"
    if shape.older is not None:
        path.write_text(json.dumps(older_config(json.loads(path.read_text()), shape.older), indent=2) + "\n")


def add_unread(file: Path, shape: FamilyShape) -> None:
    if not shape.unread:
        return
    rng = np.random.default_rng(0)
    tensors = {name: around(0, 1)(rng, dims).astype(np.float32) for name, dims in shape.unread.items()}
    stored = {name: torch.from_numpy(values).to(DTYPES[shape.dtype]) for name, values in tensors.items()}
    save_file(load_file(file) | stored, file, metadata={"format": "pt"})
