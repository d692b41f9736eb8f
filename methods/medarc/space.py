"""What MedARC's sweep draws from, and the presets of the ensemble that is stitched from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...benchmark.errors import BadOption
from ...benchmark.space import Space

STREAMS = 5
"""Number of the reference's streams, for the sets below."""

SETS = (
    "all",
    *(f"but:{place}" for place in range(1, STREAMS + 1)),
    *(f"only:{place}" for place in range(1, STREAMS + 1)),
)
"""Sets of streams by place. The 13 sets of the published sweep are not listed in its source; these 11 are ours."""

PUBLISHED: Space = {
    "rate": (1e-4, 3e-4, 1e-3),
    "weight_decay": (0.01, 0.1, 0.3),
    "kernel": (11, 33, 45, 65),
    "crops": (1000, 2000, 4000),
    "length": (32, 64, 128),
    "batch": (8, 16, 32),
    "epochs": (10, 15, 20),
    "width": (128, 192, 256),
    "streams": SETS,
    "inner_movies": (2,),
}
"""The reference's random sweep (generate_configs.py), but for the sets of streams; two inner movies are ours."""

SMALL: Space = {
    "rate": (1e-3, 3e-3),
    "weight_decay": (0.01, 0.1, 0.3),
    "kernel": (9, 17, 33),
    "length": (32, 64),
    "width": (16, 32, 48),
    "streams": SETS,
    "inner_movies": (2,),
}
"""The same idea in a size for two CPU cores."""

SPACES: Mapping[str, Space] = {"small": SMALL, "published": PUBLISHED}
"""Values of the option ``member_space``."""

BY_PRESET: Mapping[str, Space] = {
    "small": SMALL,
    "published": PUBLISHED,
    "stitched": SMALL,
    "published-ensemble": PUBLISHED,
}
"""The space of each preset, for ``brainbench sweep``."""

STITCHED: Mapping[str, Any] = {"members": 8, "top": 3, "member_space": "small"}
"""Ensemble options of preset ``stitched``, over those of ``small``."""

PUBLISHED_ENSEMBLE: Mapping[str, Any] = {"members": 140, "top": 5, "member_space": "published"}
"""Ensemble options of preset ``published-ensemble``, over those of ``published``."""


def streams_in(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The streams that an option names, in order of name.

    Parameters
    ----------
    text
        ``all``; ``but:N`` or ``only:N``, without or with only the N-th by name, counted round where there are
        fewer; or names, comma-separated.
    known
        Streams at hand.

    Raises
    ------
    BadOption
        For a stream that is not at hand, and where there is none.
    """
    names = sorted(known)
    if not names:
        raise BadOption("the runs have no feature streams", "add some: see `brainbench features --help`")
    word, colon, place = text.partition(":")
    if text == "all":
        return tuple(names)
    if colon and word in ("but", "only") and place.isdecimal() and int(place) > 0:
        one = names[(int(place) - 1) % len(names)]
        rest = tuple(name for name in names if name != one)
        return rest if word == "but" and rest else (one,)
    asked = [name.strip() for name in text.split(",") if name.strip()]
    if not asked or (unknown := [name for name in asked if name not in names]):
        told = ", ".join(unknown) if asked else text
        raise BadOption(f"streams={told}: no such stream", f"all, but:N, only:N, or some of: {', '.join(names)}")
    return tuple(name for name in names if name in asked)
