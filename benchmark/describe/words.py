"""Measures in words: bands of z, and templates with several wordings, all written for this project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

NOTABLE, MARKED = 1.0, 2.0
"""|z|, as written with one decimal, from which a measure is raised or lowered, and from which it is markedly so."""


@dataclass(frozen=True)
class Aspect:
    """Measures that one sentence tells of.

    Attributes
    ----------
    title
        What they are, in words.
    columns
        Their places among the family's measures.
    phrases
        What each is called in the sentence.
    style
        "extremes": the highest and the lowest are always named. "each": all are named. "notable": those
        with |z| of 1 and more are named, the most extreme first; where there is none, "typical".
    """

    title: str
    columns: tuple[int, ...]
    phrases: tuple[str, ...]
    style: Literal["extremes", "each", "notable"]


@dataclass(frozen=True)
class Wording:
    """One way to say it.

    Attributes
    ----------
    up, down
        Words for a raised and a lowered measure.
    marked
        Puts the word of |z| >= 2 together, such as ``markedly {}``.
    phrase
        Holds ``{name}``, ``{band}`` and ``{z}``.
    high, low
        Lead to the highest and the lowest measures of an aspect.
    """

    up: str
    down: str
    marked: str
    phrase: str
    high: str
    low: str


WORDINGS = (
    Wording("raised", "lowered", "markedly {}", "{name} {band} ({z})", "Highest: ", "Lowest: "),
    Wording(
        "increased", "decreased", "strongly {}", "{name} is {band}, z {z}", "Most connected: ", "Least connected: "
    ),
    Wording(
        "higher than usual", "lower than usual", "much {}", "{name}, {band} at {z}", "At the top: ", "At the bottom: "
    ),
    Wording("elevated", "reduced", "clearly {}", "{band} {name} (z = {z})", "Strongest: ", "Weakest: "),
    Wording("above average", "below average", "far {}", "{name}: {band} [{z}]", "Upper end: ", "Lower end: "),
    Wording("up", "down", "sharply {}", "{name} {band} ({z} SD)", "On the high side: ", "On the low side: "),
)
"""Ways to say it; the first is the fixed one."""

LEADS = {
    "fc": (
        "Functional connectivity.",
        "Connectivity between networks, against the cohort.",
        "How networks correlate in this scan.",
        "Pairs of networks, compared with other people.",
    ),
    "gradients": (
        "Gradients.",
        "Connectivity gradients, against the cohort.",
        "Axes along which connectivity changes.",
        "Macroscale gradients of this scan.",
    ),
    "graph": (
        "Graph measures.",
        "The scan as a graph of regions.",
        "Topology, compared with other people.",
        "Network organisation, against the cohort.",
    ),
    "components": (
        "Signals.",
        "Time courses of the networks.",
        "How each network's signal behaves in time.",
        "Signal properties, against the cohort.",
    ),
}
"""Family -> sentences that it can begin with; the first is the fixed one."""

TYPICAL = "typical"


def band(z: float, wording: Wording = WORDINGS[0]) -> str:
    """The z-score in words: typical, raised or lowered from 1, markedly so from 2."""
    if not stands_out(z):
        return TYPICAL
    word = wording.up if z > 0 else wording.down
    return word if round(abs(z), 1) < MARKED else wording.marked.format(word)


def stands_out(z: float) -> bool:
    """Whether |z| is 1 or more, as it is written."""
    return round(abs(z), 1) >= NOTABLE


def chosen(family: str, variety: int) -> tuple[str, Wording]:
    """Lead sentence and wording that a seed picks; those of seed 0 are fixed."""
    if variety == 0:
        return LEADS[family][0], WORDINGS[0]
    rng = np.random.default_rng([variety, *family.encode()])
    return LEADS[family][rng.integers(len(LEADS[family]))], WORDINGS[rng.integers(len(WORDINGS))]


def tell(family: str, aspects: Sequence[Aspect], z: np.ndarray, variety: int, extremes: int) -> str:
    """A family's paragraph: the lead, then a sentence for each aspect.

    Parameters
    ----------
    z
        (measures,) of the family; NaN where a measure is not known, which is left out.
    extremes
        How many measures an aspect names at most on either side.
    """
    lead, wording = chosen(family, variety)
    sentences = [_sentence(aspect, z[list(aspect.columns)], wording, extremes) for aspect in aspects]
    return " ".join([lead, *(sentence for sentence in sentences if sentence)])


def _sentence(aspect: Aspect, z: np.ndarray, wording: Wording, extremes: int) -> str:
    known = np.flatnonzero(np.isfinite(z))
    if not len(known):
        return f"{_capital(aspect.title)}: not known."
    order = known[np.argsort(z[known], kind="stable")]
    if aspect.style == "extremes":
        side = max(min(extremes, len(order) // 2), 1)
        high, low = order[::-1][:side], order[: min(side, len(order) - side)]
        parts = [wording.high + _list(aspect, z, high, wording), wording.low + _list(aspect, z, low, wording)]
        return ". ".join(parts[: 1 + bool(len(low))]) + "."
    if aspect.style == "each":
        return f"{_capital(aspect.title)}: {_list(aspect, z, known, wording)}."
    loud = np.array([k for k in known if stands_out(z[k])], int)
    loud = loud[np.argsort(-np.abs(z[loud]), kind="stable")][: 2 * extremes]
    return f"{_capital(aspect.title)}: {_list(aspect, z, loud, wording) if len(loud) else TYPICAL}."


def _list(aspect: Aspect, z: np.ndarray, columns: np.ndarray, wording: Wording) -> str:
    return "; ".join(
        wording.phrase.format(name=aspect.phrases[k], band=band(z[k], wording), z=f"{z[k]:+.1f}") for k in columns
    )


def _capital(text: str) -> str:
    """A sentence's beginning; names such as fALFF stay as they are."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]
