"""Muon: momentum whose update is made orthogonal, for the model's matrices.

After Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). In this short
training it needs about half the steps of AdamW.
"""

import torch

# Coefficients of the quintic Newton-Schulz step, chosen there for a steep slope at zero.
A, B, C = 3.4445, -4.7750, 2.0315
STEPS = 5


def orthogonal(g: torch.Tensor) -> torch.Tensor:
    """g [m, rows, cols] -> about the nearest matrices with orthogonal rows (or columns)."""
    x = g.to(torch.bfloat16)
    flip = x.shape[1] > x.shape[2]
    if flip:
        x = x.transpose(1, 2)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        s = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(s, s, s, beta=B, alpha=C), x, beta=A)
    return (x.transpose(1, 2) if flip else x).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr=0.02, momentum=0.95, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["m"] = torch.zeros_like(p)
                m = state["m"].lerp_(p.grad, 1 - momentum)
                g = p.grad.lerp(m, momentum).flatten(0, -3) if p.dim() > 2 else p.grad.lerp(m, momentum)[None]
                update = orthogonal(g)
                rows, cols = update.shape[1:]
                p.mul_(1 - lr * group["weight_decay"])
                p.add_(update.view_as(p), alpha=-lr * max(1.0, rows / cols) ** 0.5)
