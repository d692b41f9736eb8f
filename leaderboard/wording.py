"""How numbers and names are printed, on every face."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from ..benchmark.record import Record, ScorePart
from .board import Board, identity, options_told


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def interval(score: ScorePart | None, short: bool = False) -> str:
    """``0.771 [0.735, 0.806]``; ``short`` leaves the interval out."""
    if score is None or short:
        return number(score.value if score else None)
    return score.told


def origin(name: str) -> str:
    """Where data come from: what is simulated is said aloud."""
    return {"real": "real data", "twin": "SIMULATED twin"}.get(name, name)


def counted(number: int, what: str) -> str:
    """``1 run`` or ``2 runs``."""
    return f"{number} {what}{'s' if number != 1 else ''}"


def scaled(count: int) -> str:
    """A count of many in few characters: ``842``, ``76.6k``, ``35.4M``, ``1.2G``."""
    if count < 1000:
        return str(count)
    size, unit = next(((size, unit) for size, unit in ((1e9, "G"), (1e6, "M")) if count >= size), (1e3, "k"))
    return f"{count / size:.1f}{unit}"


def labeller(board: Board) -> Callable[[Record], str]:
    """What gives a row its label: method and preset, and in what rows of the same name differ."""
    alike: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for line in board.every:
        alike[identity(line.record)].append(line.record)
    return lambda record: label(record, alike[identity(record)])


def label(record: Record, alike: Sequence[Record]) -> str:
    """The label of a record among those of the same method and preset: options, weights, seeds, submission."""
    told = options_told(record, alike)
    if any(other.seeds != record.seeds for other in alike):
        told.append(f"seeds={len(record.seeds)}")
    who, colon, submission = record.method.ref.partition(":")
    if who == "submission" and colon:
        told.append(f"submitted as {submission}")
    return f"{record.method.name} ({', '.join(told)})" if told else record.method.name


def short(board: Board, name: str) -> str:
    """A metric's column title: ``:PART`` for a part of the headline."""
    return name.removeprefix(board.headline) if name.startswith(f"{board.headline}:") else name


def printable(text: str, kept: str = "\n") -> str:
    """Text from outside without control characters (such as those that move a cursor, turn the writing direction or
    ring a bell), but with those ``kept``."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in kept else "\N{REPLACEMENT CHARACTER}" for sign in text)
