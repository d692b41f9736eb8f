"""A critical-difference diagram as SVG: mean ranks on an axis, and a bar over methods that are not separated.

Demšar, JMLR 7 (2006), figure 1; the best stands on the left. The text is XML that may stand in a page or in a file of
its own: it holds no script, style or link, takes the colour of the text around it, and says in words what it shows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from .critical import ALPHA, Critical

WIDTH = 760
SHORTEST = 360
"""The least width, and that of the axis: long labels make the diagram wider."""

STEP = 20
"""Height of a label's row."""

SIGN = 6.6
"""Width of a letter that a label's room is counted with, at 12 pixels."""

LONGEST = 34
"""Letters of a label that are printed; the whole one is its title."""

EDGE = 24
AXIS_AT = 62
BAR_STEP = 9


def critical_svg(critical: Critical, title: str) -> str:
    """The diagram of a suite; ``title`` names it for those who do not see it."""
    name = "cd-" + hashlib.sha256(f"{title}{critical}".encode()).hexdigest()[:10]
    axis = _Axis(critical)
    height = axis.rows_at + STEP * ((len(critical.labels) + 1) // 2) + (STEP if said(critical) else 0) + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cd" role="img" viewBox="0 0 {axis.width:g} {height:g}" '
        f'width="{axis.width:g}" height="{height:g}" aria-labelledby="{name}-title {name}-desc" '
        'font-family="system-ui, sans-serif" font-size="12" fill="currentColor">',
        f'<title id="{name}-title">{plain(title)}</title>',
        f'<desc id="{name}-desc">{plain(in_words(critical))}</desc>',
        *_ruler(axis),
        *_scale(axis),
        *_bars(axis),
        *_methods(axis),
    ]
    if note := said(critical):
        parts.append(
            f'<text class="cd-note" x="{axis.width / 2:g}" y="{height - 8:g}" text-anchor="middle">{plain(note)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def said(critical: Critical) -> str:
    """What the picture alone would not show: why all methods stand in one group; "" where they do not."""
    if critical.friedman.least > ALPHA:
        return f"{critical.tasks} tasks are too few for a test of {len(critical.labels)} methods"
    if critical.friedman.p > ALPHA:
        return f"Friedman's test finds no difference (p = {critical.friedman.p:.2g}), so all stand in one group"
    return ""


def in_words(critical: Critical) -> str:
    """The diagram in words: mean ranks, the critical difference, and the groups."""
    ranks = ", ".join(f"{label} {rank:.2f}" for label, rank in zip(critical.labels, critical.ranks, strict=True))
    groups = "; ".join(f"from {critical.labels[first]} to {critical.labels[last]}" for first, last in critical.groups)
    return (
        f"Mean ranks over {critical.tasks} tasks, 1 is best: {ranks}. "
        f"Critical difference {critical.difference:.2f} (Nemenyi, 5 %). "
        f"Not separated: {groups or 'none'}. {said(critical)}"
    ).rstrip()


def plain(text: str) -> str:
    """Text from outside as the text of XML: no markup, and no sign that XML forbids."""
    return escape("".join(sign if sign.isprintable() else "\ufffd" for sign in text))


class _Axis:
    """Where ranks and rows lie."""

    def __init__(self, critical: Critical) -> None:
        self.critical = critical
        count = len(critical.labels)
        self.left = (count + 1) // 2
        self.low, self.high = 1, max(math.ceil(critical.ranks[-1]), 2)
        labels = [self.text(place) for place in range(count)]
        self.start = EDGE + SIGN * max(map(len, labels[: self.left]))
        right = SIGN * max(map(len, labels[self.left :]))
        self.end = max(WIDTH - EDGE - right, self.start + SHORTEST)
        self.width = self.end + right + EDGE
        self.rows_at = AXIS_AT + 16 + BAR_STEP * len(critical.groups) + STEP / 2

    def x(self, rank: float) -> float:
        """Position of a mean rank."""
        return self.start + (self.end - self.start) * (rank - self.low) / (self.high - self.low)

    def text(self, place: int) -> str:
        """What is printed of a method: its label, shortened, and its mean rank."""
        label = self.critical.labels[place]
        label = label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"
        return f"{label}  {self.critical.ranks[place]:.2f}"


def _line(kind: str, width: float, *points: tuple[float, float]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{path}" fill="none" stroke="currentColor" stroke-width="{width:g}"/>'


def _ruler(axis: _Axis) -> Iterator[str]:
    """The critical difference, as long as it is on the axis; cut where it is longer than the axis."""
    far = axis.critical.difference
    whole = far <= axis.high - axis.low
    end = axis.x(axis.low + far) if whole else axis.end
    yield _line("cd-ruler", 1.5, (axis.start, 22), (end, 22))
    for x in (axis.start, end) if whole else (axis.start,):
        yield _line("cd-ruler", 1.5, (x, 18), (x, 26))
    text = f"critical difference {far:.2f}" + ("" if whole else ": longer than the axis")
    yield f'<text x="{axis.start:.1f}" y="13">{text}</text>'


def _scale(axis: _Axis) -> Iterator[str]:
    """The axis with a tick at whole ranks, as many as are legible."""
    yield _line("cd-axis", 1.5, (axis.start, AXIS_AT), (axis.end, AXIS_AT))
    step = max(1, math.ceil((axis.high - axis.low) / 12))
    for rank in range(axis.low, axis.high + 1, step):
        x = axis.x(rank)
        yield _line("cd-axis", 1.5, (x, AXIS_AT - 6), (x, AXIS_AT))
        yield f'<text x="{x:.1f}" y="{AXIS_AT - 10}" text-anchor="middle">{rank}</text>'


def _bars(axis: _Axis) -> Iterator[str]:
    """A bar for each group of methods that are not separated."""
    for number, (first, last) in enumerate(axis.critical.groups):
        y = AXIS_AT + 12 + BAR_STEP * number
        ends = [axis.x(axis.critical.ranks[place]) for place in (first, last)]
        yield _line("cd-group", 4, (ends[0] - 4, y), (ends[1] + 4, y))


def _methods(axis: _Axis) -> Iterator[str]:
    """Each method: a line from its mean rank to its label, the better half on the left."""
    critical = axis.critical
    for place, (label, rank) in enumerate(zip(critical.labels, critical.ranks, strict=True)):
        left = place < axis.left
        row = place if left else len(critical.labels) - 1 - place
        x, y = axis.x(rank), axis.rows_at + STEP * row
        edge = axis.start - 8 if left else axis.end + 8
        yield f'<g class="cd-method"><title>{plain(f"{label}: mean rank {rank:.2f}")}</title>'
        yield _line("cd-leader", 0.8, (x, AXIS_AT), (x, y), (edge, y))
        yield (
            f'<text x="{edge - 4 if left else edge + 4:.1f}" y="{y + 4:.1f}" '
            f'text-anchor="{"end" if left else "start"}">{plain(axis.text(place))}</text></g>'
        )
