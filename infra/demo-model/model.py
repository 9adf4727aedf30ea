"""The demo model: DBRX's architecture in a form that trains fast on a CPU.

All linear work runs on one flat array of tokens, [N, d_model], without padding. Only attention
needs the sequences apart: it gathers them into groups of similar length (see `Layout`). Matrix
products run in bf16 on weights cast once per step; the residual stream, the norms, the router and
the loss stay in f32.

Letters in the shapes: N tokens, S padded slots, d d_model, H query heads, K key/value heads, h head
size, E experts, k experts per token, f expert width, V vocabulary.
"""

import math
from bisect import bisect_left
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Config:
    vocab_size: int = 2048
    d_model: int = 256
    n_layers: int = 6
    n_heads: int = 8
    kv_n_heads: int = 2
    n_experts: int = 16
    top_k: int = 4
    ffn_hidden_size: int = 128
    rope_theta: float = 10000.0
    clip_qkv: float = 8.0
    max_seq_len: int = 2048

    @property
    def head_dim(self) -> int:
        return self.d_model // self.n_heads

    def to_dict(self) -> dict:
        return asdict(self)


# oneDNN compiles a kernel for every new shape, which takes as long as the product itself. So attention
# groups have one of these widths, and an expert's rows are filled up to a multiple of ROWS: few shapes
# occur, and their kernels stay in its cache.
WIDTHS = [*range(16, 128, 16), *range(128, 256, 32), *range(256, 512, 64), *range(512, 2049, 128)]
ROWS = 64


class Layout:
    """Where each token of a flat batch sits in the padded groups that attention works on.

    A group [b, T] has the sequences of one width T. Padding is at the end, where causal attention
    never looks, so no mask is needed.
    """

    def __init__(self, positions: list[list[int]]):
        """positions: those of each sequence's tokens, ascending."""
        lengths = [len(p) for p in positions]
        starts = [0]
        for n in lengths:
            starts.append(starts[-1] + n)
        groups: dict[int, list[int]] = {}
        for i, n in enumerate(lengths):
            groups.setdefault(WIDTHS[bisect_left(WIDTHS, n)], []).append(i)
        self.positions = torch.tensor([p for sequence in positions for p in sequence])  # [N]
        self.groups = [(len(g), width) for width, g in groups.items()]  # (b, T) of each group
        slots = sum(b * t for b, t in self.groups)
        self.token_of_slot = torch.zeros(slots, dtype=torch.long)
        self.filled = torch.zeros(slots, 1, dtype=torch.bool)
        self.slot_of_token = torch.empty(starts[-1], dtype=torch.long)
        base = 0
        for width, group in groups.items():
            for i in group:
                n, start = lengths[i], starts[i]
                self.token_of_slot[base : base + n] = torch.arange(start, start + n)
                self.filled[base : base + n] = True
                self.slot_of_token[start : start + n] = torch.arange(base, base + n)
                base += width


class ToSlots(torch.autograd.Function):
    """[N, c] -> [S, c]. A gather whose backward is a gather too (index_add is slow on a CPU)."""

    @staticmethod
    def forward(ctx, x, layout):
        ctx.layout = layout
        return x.index_select(0, layout.token_of_slot)

    @staticmethod
    def backward(ctx, grad):
        return grad.index_select(0, ctx.layout.slot_of_token), None


class ToTokens(torch.autograd.Function):
    """[S, c] -> [N, c], the inverse of ToSlots."""

    @staticmethod
    def forward(ctx, x, layout):
        ctx.layout = layout
        return x.index_select(0, layout.slot_of_token)

    @staticmethod
    def backward(ctx, grad):
        return grad.index_select(0, ctx.layout.token_of_slot) * ctx.layout.filled, None



class Routes:
    """Which rows each expert works on: slot j of the [P, d] array `rows` is token token_of_slot[j].

    Slots are in expert order, each expert's part filled up to a multiple of ROWS. A filling slot
    copies token 0 and has weight 0.
    """

    def __init__(self, expert: torch.Tensor, n_experts: int):
        """expert [N, k]: the experts of each token."""
        self.k = expert.shape[1]
        flat = expert.flatten()
        order = flat.argsort(stable=True)
        self.counts = flat.bincount(minlength=n_experts)
        padded = (self.counts + ROWS - 1) // ROWS * ROWS
        self.ends = padded.cumsum(0)
        shift = (self.ends - padded) - (self.counts.cumsum(0) - self.counts)
        slot = torch.arange(order.numel()) + shift[flat[order]]  # of each choice, in expert order
        self.slot_of_choice = torch.empty_like(order)  # [N*k]
        self.slot_of_choice[order] = slot
        self.token_of_slot = torch.zeros(int(self.ends[-1]), dtype=torch.long)
        self.token_of_slot[slot] = order // self.k


class Dispatch(torch.autograd.Function):
    """[N, d] -> [P, d], each expert's rows together."""

    @staticmethod
    def forward(ctx, x, routes):
        ctx.routes = routes
        return x.index_select(0, routes.token_of_slot)

    @staticmethod
    def backward(ctx, grad):
        chosen = grad.index_select(0, ctx.routes.slot_of_choice)
        return chosen.view(-1, ctx.routes.k, grad.shape[1]).sum(1), None


class Combine(torch.autograd.Function):
    """[P, d] -> [N, d], the sum over each token's k experts. Filling slots are never read."""

    @staticmethod
    def forward(ctx, y, routes):
        ctx.routes = routes
        chosen = y.index_select(0, routes.slot_of_choice)
        return chosen.view(-1, routes.k, y.shape[1]).sum(1)

    @staticmethod
    def backward(ctx, grad):
        return grad.index_select(0, ctx.routes.token_of_slot), None


def rotate(x, cos, sin):
    """Half-rotation RoPE. x [N, heads, h]; cos, sin [N, 1, h/2]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        kv = 2 * c.kv_n_heads * c.head_dim
        self.Wqkv = nn.Parameter(torch.randn(c.d_model + kv, c.d_model) * 0.5 / math.sqrt(c.d_model))
        self.out_proj = nn.Parameter(torch.zeros(c.d_model, c.d_model))

    def forward(self, x, layout, cos, sin):
        c = self.c
        n, kv = x.shape[0], c.kv_n_heads * c.head_dim
        qkv = F.linear(x, self.Wqkv.to(x.dtype)).clamp(-c.clip_qkv, c.clip_qkv)
        qk, v = qkv.split([c.d_model + kv, kv], dim=-1)
        qk = rotate(qk.view(n, c.n_heads + c.kv_n_heads, c.head_dim), cos, sin).flatten(1)
        slots = ToSlots.apply(torch.cat([qk, v], dim=-1), layout)
        outs = []
        parts = slots.split([b * t for b, t in layout.groups])
        for (b, t), part in zip(layout.groups, parts):
            q, k, v = part.view(b, t, -1, c.head_dim).transpose(1, 2).split(
                [c.n_heads, c.kv_n_heads, c.kv_n_heads], dim=1
            )
            # The heads that share a key/value head become rows of one product.
            q = q.reshape(b * c.kv_n_heads, -1, c.head_dim) * c.head_dim**-0.5
            k, v = (u.reshape(b * c.kv_n_heads, t, c.head_dim) for u in (k, v))
            score = (q @ k.transpose(1, 2)).view(-1, c.n_heads // c.kv_n_heads, t, t)
            future = torch.full((t, t), -1e9, dtype=x.dtype).triu(1)
            o = (score + future).softmax(-1).view(b * c.kv_n_heads, -1, t) @ v
            outs.append(o.view(b, c.n_heads, t, -1).transpose(1, 2).reshape(b * t, c.d_model))
        return F.linear(ToTokens.apply(torch.cat(outs), layout), self.out_proj.to(x.dtype))


class Experts(nn.Module):
    """Top-k of E gated experts, with the chosen weights scaled to sum 1."""

    def __init__(self, c: Config, dtype: torch.dtype):
        super().__init__()
        self.c, self.dtype = c, dtype
        d, f, e = c.d_model, c.ffn_hidden_size, c.n_experts
        self.router = nn.Parameter(torch.randn(e, d) * 0.5 / math.sqrt(d))
        self.w1v1 = nn.Parameter(torch.randn(e, 2, f, d) * 0.5 / math.sqrt(d))
        self.w2 = nn.Parameter(torch.zeros(e, f, d))

    def forward(self, x):
        """x [N, d] f32 -> y [N, d], balance loss (1 when even), tokens per expert [E]."""
        c = self.c
        p = F.linear(x, self.router).softmax(-1)  # [N, E]
        top, expert = p.topk(c.top_k, dim=-1)  # [N, k]
        weight = top / top.sum(-1, keepdim=True)
        routes = Routes(expert, c.n_experts)
        balance = c.n_experts * (routes.counts / expert.numel() * p.mean(0)).sum()

        ends = routes.ends.to(torch.int32)
        rows = Dispatch.apply(x.to(self.dtype), routes)
        w1v1 = self.w1v1.to(self.dtype).flatten(1, 2).transpose(1, 2)  # [E, d, 2f]
        gate, up = F.grouped_mm(rows, w1v1, offs=ends).chunk(2, dim=-1)
        scale = torch.zeros(len(rows)).index_put((routes.slot_of_choice,), weight.flatten())
        acted = F.silu(gate) * up * scale.unsqueeze(1).to(self.dtype)
        y = F.grouped_mm(acted, self.w2.to(self.dtype), offs=ends)
        return Combine.apply(y, routes), balance, routes.counts


class Block(nn.Module):
    def __init__(self, c: Config, dtype: torch.dtype):
        super().__init__()
        self.dtype = dtype
        self.norm_1 = nn.Parameter(torch.ones(c.d_model))
        self.norm_2 = nn.Parameter(torch.ones(c.d_model))
        self.attn = Attention(c)
        self.ffn = Experts(c, dtype)

    def forward(self, x, layout, cos, sin):
        h = F.layer_norm(x, self.norm_1.shape, self.norm_1)
        x = x + self.attn(h.to(self.dtype), layout, cos, sin)
        y, balance, counts = self.ffn(F.layer_norm(x, self.norm_2.shape, self.norm_2))
        return x + y, balance, counts


class DemoModel(nn.Module):
    """`dtype` is what matrix products are computed in; the parameters themselves are f32."""

    def __init__(self, c: Config, dtype: torch.dtype = torch.bfloat16):
        super().__init__()
        self.c, self.dtype = c, dtype
        self.wte = nn.Parameter(torch.randn(c.vocab_size, c.d_model) * 0.03)
        self.blocks = nn.ModuleList(Block(c, dtype) for _ in range(c.n_layers))
        self.norm_f = nn.Parameter(torch.ones(c.d_model))
        # The head starts as the embedding's copy; see tie_gradients in train.py.
        self.lm_head = nn.Parameter(self.wte.detach().clone())
        angle = torch.outer(
            torch.arange(c.max_seq_len),
            c.rope_theta ** -(torch.arange(0, c.head_dim, 2) / c.head_dim),
        )
        self.register_buffer("cos", angle.cos().unsqueeze(1), persistent=False)
        self.register_buffer("sin", angle.sin().unsqueeze(1), persistent=False)

    def forward(self, tokens, layout, keep):
        """tokens [N], keep [M] positions whose logits are wanted.

        Returns logits [M, V] (f32), the summed balance loss and tokens per expert [layers, E].
        """
        x = F.embedding(tokens, self.wte)
        cos = self.cos[layout.positions].to(self.dtype)
        sin = self.sin[layout.positions].to(self.dtype)
        balances, counts = [], []
        for block in self.blocks:
            x, balance, count = block(x, layout, cos, sin)
            balances.append(balance)
            counts.append(count)
        x = F.layer_norm(x[keep], self.norm_f.shape, self.norm_f).to(self.dtype)
        logits = F.linear(x, self.lm_head.to(x.dtype)).float()
        return logits, torch.stack(balances).sum(), torch.stack(counts)
