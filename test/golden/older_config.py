"""config.json as files from before transformers 5 have it, from the one that transformers 5 writes."""

from typing import Any

# Names that transformers 5 writes and older files have otherwise.
RENAMED = {"qwen3_moe": {"num_local_experts": "num_experts"}}
# Keys that only transformers 5 writes.
NEW = ("dtype", "layer_types", "rope_parameters", "pad_token_id", "transformers_version")


def older_config(config: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    rope = dict(config["rope_parameters"])
    theta, kind = rope.pop("rope_theta"), rope.pop("rope_type")
    older = {key: value for key, value in config.items() if key not in NEW}
    for new, old in RENAMED.get(config["model_type"], {}).items():
        older[old] = older.pop(new)
    older |= {"rope_theta": theta, "torch_dtype": config["dtype"], "transformers_version": "4.51.0"}
    if "partial_rotary_factor" in rope:
        older["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    if kind != "default":
        older["rope_scaling"] = {"rope_type" if kind in ("llama3", "yarn") else "type": kind, **rope}
    older |= extra
    return dict(sorted((key, value) for key, value in older.items() if value != "absent"))
