"""Spaces of configurations, and what a sweep draws from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import BadOption

Space = Mapping[str, Sequence[Any]]
"""Option name -> values that it may take; an option with one value is set to it in every configuration."""


def size(space: Space) -> int:
    """Number of different configurations."""
    return math.prod(len(values) for values in space.values())


def draw(space: Space, count: int, seed: int) -> list[dict[str, Any]]:
    """Different configurations, each option drawn by itself and evenly.

    The first of a longer list are those of a shorter one with the same seed, so that a sweep can be widened.
    Raises `BadOption` where the space has fewer.
    """
    if not 1 <= count <= size(space):
        raise BadOption(
            f"{count} configurations asked for; the space holds {size(space)} different ones",
            f"ask for 1 to {size(space)}",
        )
    rng = np.random.default_rng(seed)
    sizes = [len(values) for values in space.values()]
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < count:
        drawn.setdefault(tuple(int(place) for place in rng.integers(sizes)))
    return [
        {name: values[place] for (name, values), place in zip(space.items(), places, strict=True)} for places in drawn
    ]


def space_of(space: Space | Mapping[str, Space], preset: str) -> Space:
    """The space of a preset, where presets have spaces of their own; else the space itself, empty for no sweep."""
    if any(isinstance(values, Mapping) for values in space.values()):
        found = space.get(preset, {})
        assert isinstance(found, Mapping)
        return found
    return space  # type: ignore[return-value]
