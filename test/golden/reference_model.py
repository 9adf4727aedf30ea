"""A checkpoint in transformers, and what its routers chose in its last run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

from routing import Choice, choice_of


def mend(model: torch.nn.Module) -> None:
    """transformers 5 computes Phi's longrope frequencies without the length: its long factors are never used."""
    rotary = getattr(getattr(model, "model", None), "rotary_emb", None)
    if model.config.model_type != "phimoe" or rotary.rope_type != "longrope":
        return
    by_length = rotary.rope_init_fn

    def give_length(_module: torch.nn.Module, inputs: tuple, keywords: dict) -> None:
        length = int(keywords["position_ids"].max()) + 1
        rotary.rope_init_fn = lambda config: by_length(config, seq_len=length)

    rotary.register_forward_pre_hook(give_length, with_kwargs=True)


class Sequence(Protocol):
    """What drawing tokens for a fixture takes."""

    name: str
    dtype: str
    vocab: int
    tokens: int
    prompt: int


class ReferenceModel:
    def __init__(self, folder: Path, dtype: torch.dtype, *, stepwise: bool = False, unread: Iterable[str] = (),
                 config: PreTrainedConfig | None = None):
        """Without a configuration of its own, every tensor of the folder must be loaded, but those in `unread`."""
        self.model, info = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation="eager", experts_implementation="eager",
            output_loading_info=True, **({} if config is None else {"config": config}),
        )
        info["unexpected_keys"] = set(info["unexpected_keys"]) - set(unread)
        assert config is not None or not any(info.values()), f"{folder}: transformers did not load every tensor: {info}"
        self.model.eval()
        mend(self.model)
        self.stepwise = stepwise
        self.choices: list[Choice] = []  # per router call, in order
        for module in self.routers():
            module.register_forward_hook(self.keep_choice)

    def routers(self) -> list[torch.nn.Module]:
        recorder = (getattr(self.model, "_can_record_outputs", None) or {}).get("router_logits")
        return [m for m in self.model.modules() if recorder is not None and isinstance(m, recorder.target_class)]

    def top_k(self, module: torch.nn.Module) -> int:
        return module.top_k

    def keep_choice(self, module: torch.nn.Module, inputs: tuple, output: tuple | torch.Tensor) -> None:
        self.choices.append(choice_of(module, inputs, output, self.top_k(module)))

    def logits(self, tokens: list[int]) -> np.ndarray:
        """f32 logits [T, vocab]: one run over all tokens without a cache, or token by token with one."""
        self.choices = []
        with torch.no_grad():
            if not self.stepwise:
                return self.model(torch.tensor([tokens]), use_cache=False).logits[0].float().numpy()
            rows, cache = [], None
            for token in tokens:
                out = self.model(torch.tensor([[token]]), cache=cache, use_cache=True)
                cache = out.cache
                rows.append(out.logits[0].float().numpy())
            return np.concatenate(rows)

    def per_layer(self) -> list[Choice]:
        """The choices of the last run, per layer over all positions."""
        layers = len(self.routers())
        calls = [self.choices[layer::layers] for layer in range(layers)]
        return [Choice(np.concatenate([c.experts for c in each]), np.concatenate([c.gaps for c in each]))
                for each in calls]

    def routing_gaps(self, positions: int) -> np.ndarray:
        """Per position of the last run: the smallest relative gap at the edge of the choice, over all layers."""
        return np.min([np.full(positions, np.inf), *(layer.gaps for layer in self.per_layer())], axis=0)

    def experts(self) -> list[np.ndarray]:
        """The experts chosen in the last run, per layer [T, top_k]."""
        return [layer.experts for layer in self.per_layer()]


def continue_greedily(reference: ReferenceModel, prompt: list[int], count: int) -> list[int]:
    tokens, cache = [], None
    steps = [[token] for token in prompt] if reference.stepwise else [prompt]
    with torch.no_grad():
        while len(tokens) < count:
            out = reference.model(torch.tensor([steps.pop(0)]), cache=cache, use_cache=True)
            cache = out.cache
            if not steps:
                tokens.append(int(out.logits[0, -1].argmax()))
                steps = [[tokens[-1]]]
    return tokens
