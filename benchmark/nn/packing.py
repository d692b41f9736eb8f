"""Sequences that a language model reads: a prefix of embeddings (a scan), then text that may branch.

The prefix says itself which of its tokens see one another and where they stand; it never sees text.
Text sees the whole prefix and earlier text. It may end in branches: candidate continuations of one
prompt, which see the prompt but not one another, so that all candidate answers are scored in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .language import Language


@dataclass
class Text:
    """The text of one sample.

    Attributes
    ----------
    ids
        Token ids.
    branch
        0 for the trunk, else the number of the branch that a token belongs to.
    positions
        Place of each token in its own continuation, from 0.
    parents
        Index of the token that each token follows; -1 for the first.
    trunk
        How many of the trunk's tokens come before each token.
    """

    ids: list[int] = field(default_factory=list)
    branch: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    trunk: list[int] = field(default_factory=list)

    @classmethod
    def of(
        cls, trunk: Sequence[int], branches: Sequence[Sequence[int]] = (), after: Sequence[int] | None = None
    ) -> Text:
        """A trunk, and branches that leave it ``after`` so many of its tokens each (None: after all)."""
        count = len(trunk)
        places = list(range(count))
        text = cls(list(trunk), [0] * count, places, list(range(-1, count - 1)), list(places))
        for number, ids in enumerate(branches, 1):
            start = count if after is None else after[number - 1]
            for k, token in enumerate(ids):
                text.parents.append(start - 1 if k == 0 else len(text.ids) - 1)
                text.ids.append(token)
                text.branch.append(number)
                text.positions.append(start + k)
                text.trunk.append(start)
        return text


@dataclass(frozen=True)
class Packed:
    """Texts of a batch padded on the right; all (batch, length)."""

    ids: Tensor
    branch: Tensor
    positions: Tensor
    parents: Tensor
    trunk: Tensor
    valid: Tensor

    def to(self, device: str) -> Packed:
        """On another device."""
        values = (self.ids, self.branch, self.positions, self.parents, self.trunk, self.valid)
        return Packed(*(value.to(device) for value in values))


def pack(texts: Sequence[Text], padding: int) -> Packed:
    """Pad the texts of a batch on the right with the token ``padding``."""
    length = max(len(text.ids) for text in texts)

    def padded(rows: list[list[int]], fill: int) -> Tensor:
        return torch.tensor([row + [fill] * (length - len(row)) for row in rows], dtype=torch.long)

    valid = torch.arange(length) < torch.tensor([[len(text.ids)] for text in texts])
    return Packed(
        padded([text.ids for text in texts], padding),
        padded([text.branch for text in texts], 0),
        padded([text.positions for text in texts], 0),
        padded([text.parents for text in texts], -1),
        padded([text.trunk for text in texts], 0),
        valid,
    )


@dataclass(frozen=True)
class Prefix:
    """What comes before the text of every sample of a batch.

    Attributes
    ----------
    embeddings
        (batch, prefix, width) in the language model's embedding space.
    mask
        (prefix, prefix) boolean: which prefix token (column) each prefix token (row) sees.
    positions
        (prefix,) positions; several tokens may share one.
    start
        Position of the first text token.
    """

    embeddings: Tensor
    mask: Tensor
    positions: Tensor
    start: int

    @classmethod
    def causal(cls, embeddings: Tensor) -> Prefix:
        """Tokens in a row, each of which sees the earlier ones."""
        count = embeddings.shape[1]
        mask = torch.ones(count, count, dtype=torch.bool, device=embeddings.device).tril()
        return cls(embeddings, mask, torch.arange(count, device=embeddings.device), count)


def attention_mask(prefix: Tensor, text: Packed) -> Tensor:
    """Which key each query may see, boolean (batch, query, key), over prefix tokens then text.

    ``prefix`` is the (prefix, prefix) mask of the prefix; (0, 0) without one.
    """
    batch, length = text.ids.shape
    count = len(prefix)
    mask = torch.zeros(batch, count + length, count + length, dtype=torch.bool, device=text.ids.device)
    mask[:, :count, :count] = prefix | torch.eye(count, dtype=torch.bool, device=mask.device)
    mask[:, count:, :count] = True
    mask[:, count:, count:] = text_mask(text)
    return mask


def text_mask(text: Packed) -> Tensor:
    """Which text each text token may see, boolean (batch, query, key): itself, and what leads to it."""
    key, query = text.positions[:, None, :], text.positions[:, :, None]
    of_trunk = (text.branch[:, None, :] == 0) & (key < text.trunk[:, :, None])
    of_branch = (text.branch[:, None, :] > 0) & (text.branch[:, None, :] == text.branch[:, :, None]) & (key < query)
    # A padded query must see something, or its softmax is undefined.
    itself = torch.eye(text.ids.shape[1], dtype=torch.bool, device=text.ids.device)
    return ((of_trunk | of_branch) & text.valid[:, None, :]) | itself


def position_ids(prefix: Tensor, start: int, text: Packed) -> Tensor:
    """(batch, token) positions: those of the ``prefix`` (prefix,), and ``start`` onwards for text."""
    return torch.cat([prefix.expand(len(text.ids), -1), start + text.positions], dim=1)


class Pass(NamedTuple):
    """Hidden states of one pass: prefix (batch, prefix, width), text (batch, length, width)."""

    prefix: Tensor
    text: Tensor


def read(language: Language, prefix: Prefix | None, text: Packed, cache: Any = None) -> Pass:
    """Run the language model over a prefix (None: text alone) and text; a ``cache`` keeps what was read."""
    words = language.embed(text.ids)
    prefix = prefix or Prefix.causal(words[:, :0])
    whole = torch.cat([prefix.embeddings.to(words.dtype), words], dim=1)
    positions = position_ids(prefix.positions, prefix.start, text)
    hidden = language.hidden(whole, attention_mask(prefix.mask, text), positions, cache)
    count = len(prefix.mask)
    return Pass(hidden[:, :count], hidden[:, count:])


def log_likelihoods(language: Language, hidden: Tensor, text: Packed, wanted: Tensor) -> Tensor:
    """Log-likelihood of each wanted text token (k,), given by its parent's hidden state.

    ``hidden`` is (batch, length, width) over the text; ``wanted`` is boolean (batch, length), and tokens
    without a parent cannot be wanted.
    """
    sample, place = torch.nonzero(wanted, as_tuple=True)
    logits = language.logits(hidden[sample, text.parents[sample, place]]).float()
    return -F.cross_entropy(logits, text.ids[sample, place], reduction="none")


def branch_scores(language: Language, hidden: Tensor, text: Packed, count: int) -> Tensor:
    """(batch, count) log-likelihood of each of ``count`` branches, summed over its tokens."""
    wanted = text.branch > 0
    values = log_likelihoods(language, hidden, text, wanted)
    sample = torch.nonzero(wanted, as_tuple=True)[0]
    place = sample * count + text.branch[wanted] - 1
    return values.new_zeros(len(text.ids) * count).index_add(0, place, values).view(-1, count)


def candidate_scores(language: Language, prefix: Prefix | None, text: Packed, count: int) -> Tensor:
    """(batch, count) log-likelihood of each candidate answer (branch), in one pass over prefix and text."""
    return branch_scores(language, read(language, prefix, text).text, text, count)
