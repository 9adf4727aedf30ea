"""Conversations as token ids with a weight in the loss for what the assistant says."""

from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer

from corpus.mix import conversation
from model import Layout
from tokenizer import IM_END, IM_START


@dataclass
class Encoded:
    """Tokens of a conversation, each with its weight in the loss (0: not learned) and its position."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    end: int = 0  # position of the next token

    def add(self, ids: list[int], weights: list[float | None]):
        """A token of weight None leaves only its position behind."""
        for token, weight in zip(ids, weights, strict=True):
            if weight is not None:
                self.ids.append(token)
                self.weights.append(weight)
                self.positions.append(self.end)
            self.end += 1


class Encoder:
    """Renders messages as the chat template does, and weighs the tokens to learn."""

    def __init__(self, path: str):
        self.tokenizer = Tokenizer.from_file(path)
        self.start = self.tokenizer.token_to_id(IM_START)
        self.end = self.tokenizer.token_to_id(IM_END)
        self.newline = self.ids("\n")
        self.header = {r: self.ids(r + "\n") for r in ("system", "user", "assistant", "tool")}

    def ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def encode(self, messages: list[dict], only_last: bool = False) -> Encoded:
        """What is learned is the replies, <|im_end|> included, or only the last message."""
        out = Encoded()
        for message in messages:
            head = [self.start, *self.header[message["role"]]]
            body = [*self.ids(message["content"]), self.end]
            learned = message is messages[-1] if only_last else message["role"] == "assistant"
            out.add(head, [0.0] * len(head))
            out.add(body, message.get("weights") or [float(learned)] * len(body))
            out.add(self.newline, [0.0] * len(self.newline))
        return out


@dataclass
class Batch:
    tokens: torch.Tensor  # [N]
    layout: Layout
    keep: torch.Tensor  # [M] positions whose next token is learned
    target: torch.Tensor  # [M] that next token
    weight: torch.Tensor  # [M] its weight in the loss


def collate(encoded: list[Encoded]) -> Batch:
    """Lay sequences end to end. The last token of each is only a target, so it is cut off."""
    tokens, keep, target, weight, positions = [], [], [], [], []
    for one in encoded:
        start = len(tokens)
        for i, w in enumerate(one.weights[1:]):
            if w > 0:
                keep.append(start + i)
                target.append(one.ids[i + 1])
                weight.append(w)
        tokens += one.ids[:-1]
        positions.append(one.positions[:-1])
    layout = Layout(positions)
    return Batch(torch.tensor(tokens), layout, torch.tensor(keep), torch.tensor(target), torch.tensor(weight))


class Stream:
    """Training batches of about `batch_tokens` tokens. Its whole state is `index`."""

    def __init__(self, encoder: Encoder, seed: int, batch_tokens: int, max_len: int):
        self.encoder, self.seed, self.index = encoder, seed, 0
        self.batch_tokens, self.max_len = batch_tokens, max_len

    def next(self, longest: int, drill: float) -> Batch:
        encoded, total = [], 0
        while total < self.batch_tokens:
            one = self.encoder.encode(conversation(self.seed, self.index, longest, drill))
            self.index += 1
            if one.end <= self.max_len:
                encoded.append(one)
                total += len(one.ids)
        return collate(encoded)
