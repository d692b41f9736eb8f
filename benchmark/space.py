"""Spaces of configurations, and what a sweep draws from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .contracts import Method
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


def space_of(method: type[Method], options: Mapping[str, Any]) -> Space:
    """The space of a method; where it has several by name, the one that its option ``member_space`` names.

    Raises `BadOption` for a method without a space.
    """
    space: Mapping[str, Any] = method.space
    if any(isinstance(values, Mapping) for values in space.values()):
        space = space.get(str(options.get("member_space")), {})
    if not space:
        raise BadOption(f"{method.__name__} has no space to draw configurations from", "sweep a method that has one")
    if unknown := [name for name in space if name not in options]:
        raise BadOption(f"the space of {method.__name__} names what is no option: {', '.join(unknown)}")
    return space
