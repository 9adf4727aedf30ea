"""Conversations as token ids with a mask over what the assistant says."""

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from corpus.mix import conversation
from model import Layout
from tokenizer import IM_END, IM_START


class Encoder:
    """Renders messages as the chat template does, and marks the tokens to learn."""

    def __init__(self, path: str):
        self.tokenizer = Tokenizer.from_file(path)
        self.start = self.tokenizer.token_to_id(IM_START)
        self.end = self.tokenizer.token_to_id(IM_END)
        self.newline = self.ids("\n")
        self.header = {r: self.ids(r + "\n") for r in ("system", "user", "assistant", "tool")}

    def ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def encode(self, messages: list[dict]) -> tuple[list[int], list[bool]]:
        """Token ids, and for each whether it is part of a reply (its <|im_end|> included)."""
        ids, learned = [], []
        for message in messages:
            role = message["role"]
            head = [self.start, *self.header[role]]
            body = [*self.ids(message["content"]), self.end]
            ids += head + body + self.newline
            learned += [False] * len(head) + [role == "assistant"] * len(body)
            learned += [False] * len(self.newline)
        return ids, learned


@dataclass
class Batch:
    tokens: torch.Tensor  # [N]
    layout: Layout
    keep: torch.Tensor  # [M] positions whose next token is learned
    target: torch.Tensor  # [M] that next token


def collate(encoded: list[tuple[list[int], list[bool]]]) -> Batch:
    """Lay sequences end to end. The last token of each is only a target, so it is cut off."""
    tokens, keep, target, lengths = [], [], [], []
    for ids, learned in encoded:
        start = len(tokens)
        for i in range(len(ids) - 1):
            if learned[i + 1]:
                keep.append(start + i)
                target.append(ids[i + 1])
        tokens += ids[:-1]
        lengths.append(len(ids) - 1)
    return Batch(torch.tensor(tokens), Layout(lengths), torch.tensor(keep), torch.tensor(target))


class Stream:
    """Training batches of about `batch_tokens` tokens. Its whole state is `index`."""

    def __init__(self, encoder: Encoder, seed: int, batch_tokens: int, max_len: int):
        self.encoder, self.seed, self.index = encoder, seed, 0
        self.batch_tokens, self.max_len = batch_tokens, max_len

    def next(self, longest: int, drill: float) -> Batch:
        encoded, total = [], 0
        while total < self.batch_tokens:
            ids, learned = self.encoder.encode(conversation(self.seed, self.index, longest, drill))
            self.index += 1
            if len(ids) <= self.max_len:
                encoded.append((ids, learned))
                total += len(ids)
        return collate(encoded)
