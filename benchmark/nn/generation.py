"""Answers of a language model, read once and gone on from: greedy decoding and scores of candidates.

What was read (a prefix of embeddings, and prompts) is kept as keys and values, so that each further
token costs one short pass, and the labels of every field of an answer are scored without reading the
scan again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .language import Language
from .packing import Packed, Prefix, Text, pack, read, text_mask


class Mark(NamedTuple):
    """A place in a reading: which keys are seen, the next position, and the last hidden states."""

    seen: Tensor
    next: Tensor
    last: Tensor


class Reading:
    """A batch that a language model has read so far, and can go on from.

    Parameters
    ----------
    language
        In evaluation mode; call it without gradients.
    prefix
        Embeddings before the text, or None.
    prompts
        (batch) token ids, at least one each.
    """

    def __init__(self, language: Language, prefix: Prefix | None, prompts: Sequence[Sequence[int]]) -> None:
        from transformers import DynamicCache

        self.language = language
        self.device = language.table.device
        self._cache: Any = DynamicCache()
        text = self._packed(prompts)
        states = read(language, prefix, text, self._cache).text
        count = 0 if prefix is None else len(prefix.mask)
        self._seen = torch.cat([text.valid.new_ones(len(prompts), count), text.valid], dim=1)
        self._next = text.valid.sum(1) + (0 if prefix is None else prefix.start)
        self._last = _last_states(states, text.valid)

    def __len__(self) -> int:
        """Samples of the batch."""
        return len(self._last)

    def mark(self) -> Mark:
        """Where the reading is, to come back to."""
        return Mark(self._seen, self._next, self._last)

    def rewind(self, mark: Mark) -> None:
        """Forget what was appended since ``mark``."""
        behind = self._seen.shape[1] - mark.seen.shape[1]
        if behind:
            self._cache.crop(-behind)
        self._seen, self._next, self._last = mark

    def append(self, texts: Sequence[Sequence[int]]) -> None:
        """Read on: token ids of each sample, at least one each."""
        text = self._packed(texts)
        states = self._pass(text)
        self._seen = torch.cat([self._seen, text.valid], dim=1)
        self._next = self._next + text.valid.sum(1)
        self._last = _last_states(states, text.valid)

    def next_tokens(self) -> Tensor:
        """(batch,) the likeliest next token of each sample."""
        return self.language.logits(self._last).argmax(-1)

    def scores(self, candidates: Sequence[Sequence[int]]) -> Tensor:
        """(batch, candidate) log-likelihood of each continuation; nothing is read on."""
        text = self._packed_of([Text.of([], candidates)] * len(self._last))
        states = torch.cat([self._last.unsqueeze(1), self._pass(text)], dim=1)
        self._cache.crop(-text.ids.shape[1])
        parents = states[torch.arange(len(states), device=self.device)[:, None], text.parents + 1]
        logits = self.language.logits(parents).float()
        values = -F.cross_entropy(logits.flatten(0, 1), text.ids.flatten(), reduction="none").view(text.ids.shape)
        branch = F.one_hot(text.branch - 1, len(candidates)).to(values.dtype)
        return torch.einsum("bt,btc->bc", values, branch)

    def _pass(self, text: Packed) -> Tensor:
        """Hidden states of further text, behind what was read."""
        seen = self._seen[:, None, :].expand(-1, text.ids.shape[1], -1)
        mask = torch.cat([seen, text_mask(text)], dim=2)
        return self.language.hidden(
            self.language.embed(text.ids), mask, self._next[:, None] + text.positions, self._cache
        )

    def _packed(self, texts: Sequence[Sequence[int]]) -> Packed:
        return self._packed_of([Text.of(ids) for ids in texts])

    def _packed_of(self, texts: Sequence[Text]) -> Packed:
        return pack(texts, self.language.tokenizer.eos).to(str(self.device))


def _last_states(states: Tensor, valid: Tensor) -> Tensor:
    """(batch, width) hidden state of each sample's last token."""
    return states[torch.arange(len(states), device=states.device), valid.sum(1) - 1]


def decode(reading: Reading, new_tokens: int) -> list[list[int]]:
    """Greedy continuation of each sample: at most ``new_tokens`` ids, without the end of text."""
    eos = reading.language.tokenizer.eos
    written: list[list[int]] = [[] for _ in range(len(reading))]
    ended = torch.zeros(len(written), dtype=torch.bool, device=reading.device)
    for step in range(new_tokens):
        tokens = torch.where(ended, eos, reading.next_tokens())
        ended = tokens == eos
        for ids, token, stop in zip(written, tokens.tolist(), ended.tolist(), strict=True):
            if not stop:
                ids.append(token)
        if bool(ended.all()) or step + 1 == new_tokens:
            break
        reading.append(tokens.unsqueeze(1).tolist())
    return written


def generate(language: Language, prefix: Prefix | None, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[str]:
    """The greedy answer to each prompt (token ids) behind the prefix, as text; the batch is read at once."""
    with torch.no_grad():
        found = decode(Reading(language, prefix, prompts), new_tokens)
    return [language.tokenizer.decode(ids).strip() for ids in found]
