"""Bands of age: what a label such as ``18-35`` holds, and what it is called."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

NUMBER = r"\d+(?:\.\d+)?"
_BELOW = re.compile(f"<({NUMBER})$")
_FROM = re.compile(f">=({NUMBER})$")
_BETWEEN = re.compile(f"({NUMBER})-({NUMBER})$")


class Band(NamedTuple):
    """Ages from ``low`` up to, but without, ``high``, in years."""

    low: float
    high: float

    def holds(self, other: Band) -> bool:
        """Whether every age of the other band is one of this."""
        return self.low <= other.low and other.high <= self.high


def band_of(label: str) -> Band | None:
    """The ages of a label: ``<18``, ``18-35`` (35 and a half too), ``>=75``; None for another text."""
    if hit := _BELOW.match(label):
        return Band(0, float(hit[1]))
    if hit := _FROM.match(label):
        return Band(float(hit[1]), math.inf)
    if hit := _BETWEEN.match(label):
        return Band(float(hit[1]), float(hit[2]) + 1)
    return None


def spoken(label: str) -> tuple[str, ...]:
    """How a band is said in words; the first is the plainest."""
    band = band_of(label)
    if band is None:
        return (label,)
    low, high = f"{band.low:g}", f"{band.high:g}"
    if band.low == 0:
        return (f"under {high}", f"below {high}", f"younger than {high}")
    if math.isinf(band.high):
        return (f"{low} or older", f"{low} and over", f"at least {low}", f"{low} years or older")
    last = f"{band.high - 1:g}"
    return (f"{low} to {last}", f"between {low} and {last}", f"{low} to {last} years")
