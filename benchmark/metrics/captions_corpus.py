"""Candidates and references as tokens, read once for all metrics that ask for the same pair."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

from ..errors import BadData
from .tokens import Tokeniser, Tokens

KEPT = 64
"""Corpora that are remembered: one a system, brain and seed under comparison."""


class Described(Protocol):
    """A truth that has reference texts, such as `brainbench.benchmark.kinds.seen.Stimulus`."""

    @property
    def references(self) -> Sequence[str]:
        """The texts that a candidate is compared with."""


class Corpus:
    """Tokens of the candidates and references of n images.

    Attributes
    ----------
    candidates
        One token sequence an image; an empty one for an empty text.
    references
        Token sequences of each image, at least one.
    made_with
        What made the tokens.
    """

    def __init__(self, references: Sequence[Sequence[str]], candidates: Sequence[str], tokeniser: Tokeniser) -> None:
        for row, texts in enumerate(references):
            if not len(texts):
                raise BadData(f"item {row} has no reference text", "leave it out, or give it references")
        flat = tokeniser([text for texts in references for text in texts])
        read = iter(flat)
        self.references: list[list[Tokens]] = [[next(read) for _ in texts] for texts in references]
        self.candidates: list[Tokens] = tokeniser(candidates)
        self.made_with = tokeniser.made_with

    def __len__(self) -> int:
        return len(self.candidates)


_memory: OrderedDict[tuple[int, int, int], tuple[Any, Any, Corpus]] = OrderedDict()


def corpus_of(truth: Sequence[Described], prediction: Sequence[str], tokeniser: Tokeniser) -> Corpus:
    """The corpus of these very objects, made at the first call. Raises `BadData` for an item without references."""
    key = (id(truth), id(prediction), id(tokeniser))
    if key not in _memory:  # the objects are held beside it, so that no other can get their id
        _memory[key] = (truth, prediction, Corpus([one.references for one in truth], prediction, tokeniser))
        if len(_memory) > KEPT:
            _memory.popitem(last=False)
    _memory.move_to_end(key)
    return _memory[key][2]


def references_told(truth: Sequence[Described]) -> str:
    """How many references an item has, in words: scores with one and with five are not comparable."""
    numbers = {len(one.references) for one in truth}
    if not numbers:
        return "no items"
    low, high = min(numbers), max(numbers)
    many = f"{low} to {high}" if low != high else str(low)
    return f"{many} reference{'s' if high > 1 else ''} an item"
