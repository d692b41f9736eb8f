"""Instruction items of three paradigms over the attributes that a cohort has.

Predictive items ask for an attribute, judgments whether a proposed answer fits, comparisons whether two
people share it (or who has more of it). Ours, since the paper's templates and sampling are unknown: half of
the judgments are right, and wrong answers follow the attribute's training marginal; half of the comparisons
are of equal people, always within one site (else the site would answer) and of two subjects, in random order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...benchmark.prompts import question
from .parts import Attribute, Part, Prompted, key_of
from .windows import Piece
from .wordings import FIRST, NO, SECOND, YES, comparison, judgment

SEVERAL = 1 << 16


@dataclass(frozen=True)
class Item:
    """One question with its candidate answers.

    Attributes
    ----------
    part, pieces
        Whose networks: one, or two to compare.
    question
        In words.
    answers, right
        Candidates, and the index of the right one; a single answer has no alternatives.
    said
        What was answered before, of several answers.
    attribute, value
        Name of what is asked for and its value, of predictive items; else "" and NaN.
    """

    part: int
    pieces: tuple[Piece, ...]
    question: str
    answers: tuple[str, ...]
    right: int
    said: tuple[str, ...] = ()
    attribute: str = ""
    value: float = math.nan


def draw(
    parts: Sequence[Part], pieces: Sequence[Sequence[Piece]], paradigms: Sequence[str], rng: np.random.Generator
) -> list[Item]:
    """Every piece of every part, asked for every attribute in every paradigm once."""
    items: list[Item] = []
    for number, (part, own) in enumerate(zip(parts, pieces, strict=True)):
        if part.prompted and "predictive" in paradigms:
            items += [prompted(number, piece, asked) for piece in own for asked in part.prompted[piece.row]]
        for attribute in part.attributes:
            known = [piece for piece in own if not math.isnan(attribute.values[piece.row])]
            if "predictive" in paradigms:
                items += [predictive(number, attribute, piece, rng) for piece in known]
            if "judgment" in paradigms:
                items += judgments(number, attribute, known, rng)
            if "comparative" in paradigms:
                items += comparisons(number, part, attribute, known, rng)
    return items


def prompted(number: int, piece: Piece, asked: Prompted) -> Item:
    """A task's own prompt."""
    return Item(number, (piece,), asked.prompt, asked.answers, asked.right, asked.said)


def predictive(number: int, attribute: Attribute, piece: Piece, rng: np.random.Generator) -> Item:
    """The attribute's value is asked for."""
    value = float(attribute.values[piece.row])
    asked = question(attribute.info, "train", int(rng.integers(SEVERAL)))
    answers = (attribute.text(value),) if attribute.numeric else tuple(attribute.words())
    right = 0 if attribute.numeric else int(value)
    return Item(number, (piece,), asked, answers, right, (), key_of(attribute.info), value)


def judgments(number: int, attribute: Attribute, known: Sequence[Piece], rng: np.random.Generator) -> list[Item]:
    """Half with the right answer, half with a wrong one drawn from the training marginal."""
    marginal = attribute.values[~np.isnan(attribute.values)]
    right = rng.permutation(len(known)) % 2 == 0
    items = []
    for fits, piece in zip(right, known, strict=True):
        truth = attribute.text(float(attribute.values[piece.row]))
        answer = truth if fits else _wrong(attribute, truth, marginal, rng)
        if answer is None:
            continue
        asked = question(attribute.info, "train", int(rng.integers(SEVERAL)))
        text = judgment("train", int(rng.integers(SEVERAL)), attribute.title, asked, answer)
        items.append(Item(number, (piece,), text, (YES, NO), 0 if fits else 1))
    return items


def _wrong(attribute: Attribute, truth: str, marginal: np.ndarray, rng: np.random.Generator) -> str | None:
    """An answer other than the truth, as often as it occurs in training; None where all are alike."""
    if attribute.numeric:
        texts = [attribute.text(float(value)) for value in rng.choice(marginal, min(len(marginal), 16))]
        return next((text for text in texts if text != truth), None)
    values = marginal[np.array([attribute.text(float(value)) != truth for value in marginal], bool)]
    return attribute.text(float(rng.choice(values))) if len(values) else None


def comparisons(
    number: int, part: Part, attribute: Attribute, known: Sequence[Piece], rng: np.random.Generator
) -> list[Item]:
    """Pairs within one site: half share the class, or the first has the higher number in half of them.

    A site where a piece has no partner of both sorts is left out, or it would give the answer away.
    """
    partners = _Partners(part, attribute, known)
    wanted = rng.permutation(len(known)) % 2 == 0
    items = []
    for same, piece in zip(wanted, known, strict=True):
        other = partners.draw(piece, bool(same), rng)
        if other is None:
            continue
        text = comparison(int(rng.integers(SEVERAL)), attribute.title, attribute.numeric)
        pair = (piece, other) if rng.random() < 0.5 else (other, piece)
        if attribute.numeric:
            first, second = (attribute.values[one.row] for one in pair)
            items.append(Item(number, pair, text, (FIRST, SECOND), 0 if first > second else 1))
        else:
            items.append(Item(number, pair, text, (YES, NO), 0 if same else 1))
    return items


class _Partners:
    """Whom a piece can be compared with."""

    TRIES = 8

    def __init__(self, part: Part, attribute: Attribute, known: Sequence[Piece]) -> None:
        self.part = part
        self.attribute = attribute
        self.by_label: dict[tuple[str, float], list[Piece]] = defaultdict(list)
        self.by_site: dict[str, list[Piece]] = defaultdict(list)
        for piece in known:
            self.by_label[part.sites[piece.row], float(attribute.values[piece.row])].append(piece)
            self.by_site[part.sites[piece.row]].append(piece)

    def draw(self, piece: Piece, same: bool, rng: np.random.Generator) -> Piece | None:
        """A piece of another subject of the same site with the same label, or with another; None without one.

        For numbers always one with another value.
        """
        alike, different = self._one(piece, True, rng), self._one(piece, False, rng)
        if self.attribute.numeric:
            return different
        return None if alike is None or different is None else alike if same else different

    def _one(self, piece: Piece, same: bool, rng: np.random.Generator) -> Piece | None:
        site, value = self.part.sites[piece.row], float(self.attribute.values[piece.row])
        pool = self.by_label[site, value] if same else self.by_site[site]
        for _ in range(self.TRIES):
            other = pool[int(rng.integers(len(pool)))]
            fits = same or float(self.attribute.values[other.row]) != value
            if fits and self.part.groups[other.row] != self.part.groups[piece.row]:
                return other
        return None
