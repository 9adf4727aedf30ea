"""What the routers of a model choose, and by how much."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Choice:
    experts: np.ndarray  # [T, k], ascending
    # [T]: the last chosen score minus the first rejected one, as a share of the largest score.
    gaps: np.ndarray


def choice_scores(module: torch.nn.Module, inputs: tuple, logits: torch.Tensor) -> torch.Tensor:
    """[T, E] what the router ranks: its logits, or scores with a bias that only choosing adds."""
    if hasattr(module, "moe_statics"):  # ERNIE
        return module.moe_statics(logits.softmax(-1))
    if hasattr(module, "e_score_correction_bias"):  # GLM
        return logits.sigmoid() + module.e_score_correction_bias
    if len(inputs) > 1:  # MiniMax passes the bias
        return logits.sigmoid() + inputs[1]
    return logits


def edge(scores: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """[T] smallest score chosen minus largest score rejected; infinite when nothing is rejected."""
    kept = np.where(chosen, scores, np.inf).min(1)
    rejected = np.where(chosen, -np.inf, scores).max(1)
    return kept - rejected


def group_edge(module: torch.nn.Module, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """([T] gap at the edge of the chosen groups, [T, E] which experts are in them)."""
    groups = scores.reshape(len(scores), module.num_group, -1)
    best = np.sort(groups, 2)[:, :, -2:].sum(2)
    ranks = np.argsort(np.argsort(-best, 1), 1)
    chosen = ranks < module.topk_group
    return edge(best, chosen), np.repeat(chosen, groups.shape[2], 1)


def sparse_mixer_edge(module: torch.nn.Module, logits: np.ndarray) -> np.ndarray:
    """[T] distance of Phi's second choice from its rivals and of every logit from the edge of the mask."""
    ranked = -np.sort(-logits, 1)
    gaps = np.minimum(ranked[:, 0] - ranked[:, 1], ranked[:, 1] - ranked[:, 2])
    for best in (ranked[:, :1], ranked[:, 1:2]):
        share = (best - logits) / np.maximum(np.abs(logits), best)
        distance = np.where(share > 0, np.abs(share - 2 * module.router_jitter_noise), np.inf).min(1)
        gaps = np.minimum(gaps, distance * np.abs(logits).max())
    return gaps


def choice_of(module: torch.nn.Module, inputs: tuple, output: tuple | torch.Tensor, top_k: int) -> Choice:
    """From the arguments and results of a router's forward: its logits, or (logits, weights, experts)."""
    logits = output if isinstance(output, torch.Tensor) else output[0]
    scores = choice_scores(module, inputs, logits.float()).numpy()
    experts = np.argsort(-scores, 1, kind="stable")[:, :top_k] if logits is output else output[2].numpy()
    chosen = np.zeros(scores.shape, bool)
    np.put_along_axis(chosen, experts, True, 1)
    if hasattr(module, "router_jitter_noise") and not isinstance(output, torch.Tensor):
        gaps = sparse_mixer_edge(module, scores)
    elif getattr(module, "num_group", 1) > 1:
        gaps, allowed = group_edge(module, scores)
        gaps = np.minimum(gaps, edge(np.where(allowed, scores, -np.inf), chosen))
    else:
        gaps = edge(scores, chosen)
    return Choice(np.sort(experts, 1), gaps / max(np.abs(scores).max(), 1e-30))
