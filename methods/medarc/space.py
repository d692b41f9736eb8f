"""What MedARC's sweep draws from, and the presets of the ensemble that is stitched from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...benchmark.space import Space

STREAMS = 5
"""Number of the reference's streams, for the sets below."""

SETS = (
    "all",
    *(f"but:{place}" for place in range(1, STREAMS + 1)),
    *(f"only:{place}" for place in range(1, STREAMS + 1)),
)
"""Sets of streams, as `by_place` reads them: all, all but one, one. The published sweep has 13 sets, which its source
does not list; these 11 are ours."""

PUBLISHED: Space = {
    "rate": (1e-4, 3e-4, 1e-3),
    "weight_decay": (0.01, 0.1, 0.3),
    "kernel": (11, 33, 45, 65),
    "crops": (1000, 2000, 4000),
    "crop": (32, 64, 128),
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
    "crop": (32, 64),
    "width": (16, 32, 48),
    "streams": SETS,
    "inner_movies": (2,),
}
"""The same idea in a size for two CPU cores."""

SPACES: Mapping[str, Space] = {"small": SMALL, "published": PUBLISHED}
"""What the option ``member_space`` names; `Method.space` of this method."""

STITCHED: Mapping[str, Any] = {"members": 8, "top": 5, "member_space": "small", "inner_movies": 2}
"""Ensemble options of preset ``stitched``, over those of ``small``."""

PUBLISHED_ENSEMBLE: Mapping[str, Any] = {"members": 140, "top": 5, "member_space": "published", "inner_movies": 2}
"""Ensemble options of preset ``published-ensemble``, over those of ``published``."""


NOTES = (
    " The ensemble of the reference is about 140 random configurations, the best five averaged for each subject and "
    "parcel; its 13 sets of streams are not listed: here all streams, all but one, or one are drawn. It chooses and "
    "scores on the same films; here the expected score is taken on each inner film with members chosen on the others "
    "(estimate=same-movies tells the other too). Members are stopped on both films, so it is still a little high. "
    "weights=softmax is TRIBE's exp(r / 0.3) over members, softmax-parcels the axis of its code."
)
"""What the card says of the ensemble."""


def by_place(text: str, streams: Sequence[str]) -> tuple[str, ...] | None:
    """The streams that a set of the space names; None for other texts.

    ``all``; or ``but:N``, ``only:N``: without or with only the N-th by name. N is counted round where there are fewer
    streams, and the one stream of one is never left out.
    """
    names = sorted(streams)
    if text == "all":
        return tuple(names)
    word, colon, place = text.partition(":")
    if not colon or word not in ("but", "only") or not place.isdecimal() or not names:
        return None
    one = names[(int(place) - 1) % len(names)]
    rest = tuple(name for name in names if name != one)
    return rest if word == "but" and rest else (one,)
