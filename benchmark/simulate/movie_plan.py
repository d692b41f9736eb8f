"""Which films the twin of Algonauts shows, in which runs, how long they are, and who missed which.

Sources: names of films, subjects without a run, the lengths of the six films out of distribution and the hours of
the others are those of the challenge (`courtois-neuromod/algonauts_2025.competitors`). Parts a film of Movie10 are
those of `courtois-neuromod/movie10`. How the hours are spread over episodes, and the manner of each film, are assumed.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import BadOption

TR = 1.49
"""Seconds of a chunk of a film and of a volume."""

SUBJECTS = ("sub-01", "sub-02", "sub-03", "sub-05")

MISSING: dict[str, tuple[str, ...]] = {
    "sub-02": ("s05e20a",),
    "sub-05": ("s04e01a", "s04e01b", "s04e13b"),
}
"""Runs that a subject did not see."""

SEASONS: dict[str, int] = {"s1": 48, "s2": 48, "s3": 50, "s4": 48, "s5": 48, "s6": 50, "s7": 50}
"""Season of Friends -> its runs, two an episode; where there are 50, the last episode is a double one of parts a to d
(assumed)."""

FRIENDS_TRS, FRIENDS_SPREAD = 457, 25
"""Mean and SD of the length of half an episode: 55 hours in 292 runs; the spread is assumed."""

MOVIE10: dict[str, int] = {"bourne": 10, "wolf": 17, "figures": 12, "life": 5}
"""Film of Movie10 -> its parts."""

MOVIE10_TRS, MOVIE10_SPREAD = 396, 15
"""Mean and SD of the length of a part: 10 hours in 61 runs; the spread is assumed."""

SHOWN_TWICE = ("figures", "life")

OOD: dict[str, tuple[int, int]] = {
    "chaplin": (432, 405),
    "mononoke": (423, 426),
    "passepartout": (422, 436),
    "planetearth": (433, 418),
    "pulpfiction": (468, 378),
    "wot": (353, 324),
}
"""Film out of distribution -> volumes of its two halves."""

SILENT = ("chaplin",)
"""Films without a word, hence without a transcript."""

LEAST_TRS = 40
"""Length under which a run is too short for the response to rise and fall."""


@dataclass(frozen=True)
class Manner:
    """How a film is made, and how much it moves those who watch.

    Attributes
    ----------
    gain
        Size of responses, beside Friends.
    shot, scene
        Mean seconds of a shot and of a scene.
    speech
        Share of the time in which somebody speaks.
    talk
        Mean seconds of a stretch of speech.
    """

    gain: float
    shot: float
    scene: float
    speech: float
    talk: float


FRIENDS_MANNER = Manner(1.0, 4.0, 60.0, 0.7, 8.0)

MANNERS: dict[str, Manner] = {
    "bourne": Manner(0.95, 2.5, 70.0, 0.4, 6.0),
    "wolf": Manner(0.95, 4.5, 80.0, 0.7, 10.0),
    "figures": Manner(0.95, 5.0, 80.0, 0.6, 8.0),
    "life": Manner(0.72, 6.0, 50.0, 0.5, 12.0),
    "chaplin": Manner(0.6, 9.0, 70.0, 0.0, 8.0),
    "mononoke": Manner(0.75, 4.5, 60.0, 0.35, 6.0),
    "passepartout": Manner(0.75, 3.5, 60.0, 0.6, 8.0),
    "planetearth": Manner(0.65, 6.0, 50.0, 0.45, 9.0),
    "pulpfiction": Manner(0.9, 6.0, 110.0, 0.65, 10.0),
    "wot": Manner(0.75, 5.0, 60.0, 0.5, 7.0),
}
"""Film -> its manner; seasons of Friends are not named (all assumed)."""


def manner_of(movie: str) -> Manner:
    """How a film is made."""
    return MANNERS.get(movie, FRIENDS_MANNER)


@dataclass(frozen=True)
class Showing:
    """A run: one part of a film, shown once to those who have it.

    Attributes
    ----------
    id, series, movie, stimulus, showing
        As in the items of a movie cohort: ``figures01_run-2``, "movie10", "figures", "figures01", 2.
    chunks
        Feature rows.
    frames
        Subject -> volumes, 1 or 2 more than chunks; subjects without the run are left out.
    """

    id: str
    series: str
    movie: str
    stimulus: str
    showing: int
    chunks: int
    frames: dict[str, int]


@dataclass(frozen=True)
class Part:
    """A part of a film before its length is scaled: volumes in the real data, or about."""

    series: str
    movie: str
    stimulus: str
    frames: int


def key_of(name: str) -> int:
    """A number that stands for a name in a seed, so that a run does not depend on which others there are."""
    return zlib.crc32(name.encode())


def episodes(season: str) -> list[str]:
    """Stimulus names of a season, ``s01e01a`` onwards."""
    count = SEASONS[season]
    halves = [f"e{number:02d}{half}" for number in range(1, 25) for half in "ab"]
    return [f"s{int(season[1:]):02d}{name}" for name in [*halves, "e24c", "e24d"][:count]]


def parts() -> dict[str, list[Part]]:
    """Film -> all its parts, at the length of the real data."""
    found = {season: [_friends(season, name) for name in episodes(season)] for season in SEASONS}
    for movie, count in MOVIE10.items():
        names = [f"{movie}{number:02d}" for number in range(1, count + 1)]
        found[movie] = [Part("movie10", movie, name, _length(name, MOVIE10_TRS, MOVIE10_SPREAD)) for name in names]
    for movie, lengths in OOD.items():
        found[movie] = [Part("ood", movie, f"{movie}{half}", frames) for half, frames in enumerate(lengths, start=1)]
    return found


def _friends(season: str, name: str) -> Part:
    return Part("friends", season, name, _length(name, FRIENDS_TRS, FRIENDS_SPREAD))


def _length(name: str, mean: int, spread: int) -> int:
    """A length that is the same in every twin."""
    return round(np.random.default_rng((1, key_of(name))).normal(mean, spread))


def showings(trs: int | None) -> list[Showing]:
    """The runs of a twin of about so many volumes a subject; all of the real data for None.

    Every film keeps two parts at least. Raises `BadOption` when that leaves runs too short.
    """
    everything = parts()
    whole = sum(_shown(part) * part.frames for film in everything.values() for part in film)
    if trs is None:
        return _all(everything, 1.0)
    share = min(1.0, trs / whole)
    # Parts become fewer before they become shorter.
    kept = {
        movie: film if film[0].series == "ood" else _chosen(film, max(2, round(len(film) * share**0.8)))
        for movie, film in everything.items()
    }
    left = sum(_shown(part) * part.frames for film in kept.values() for part in film)
    scale = min(1.0, trs / left)
    shortest = min(part.frames for film in kept.values() for part in film)
    if scale * shortest < LEAST_TRS + 2:
        least = int(np.ceil((LEAST_TRS + 2) / shortest * left / 100) * 100)
        raise BadOption(f"a twin of {trs} volumes would have runs too short to use", f"ask for {least} or more")
    return _all(kept, scale)


def _chosen(film: Sequence[Part], count: int) -> list[Part]:
    """The first parts and, of a season, half of episode 20, which one subject missed in season 5."""
    later = [part for part in film if part.stimulus.endswith("e20a")]
    chosen = [part for part in film if part not in later][: count - len(later)] + later
    return sorted(chosen, key=lambda part: part.stimulus)


def _shown(part: Part) -> int:
    return 2 if part.movie in SHOWN_TWICE else 1


def _all(films: dict[str, list[Part]], scale: float) -> list[Showing]:
    """The film ends one or two volumes before the scanner does."""
    found = []
    for part in (part for film in films.values() for part in film):
        frames = round(part.frames * scale)
        found += shown_of(part.series, part.movie, part.stimulus, frames - _late(part.stimulus))
    return found


def _late(stimulus: str) -> int:
    return int(np.random.default_rng((2, key_of(stimulus))).integers(1, 3))


def shown_of(series: str, movie: str, stimulus: str, chunks: int) -> list[Showing]:
    """The runs that show a part of a film of so many chunks: one, or two of the same length."""
    if movie not in SHOWN_TWICE:
        return [Showing(stimulus, series, movie, stimulus, 1, chunks, _frames(series, stimulus, stimulus, chunks))]
    names = [f"{stimulus}_run-{number}" for number in (1, 2)]
    return [
        Showing(name, series, movie, stimulus, number, chunks, _frames(series, stimulus, name, chunks))
        for number, name in enumerate(names, start=1)
    ]


def _frames(series: str, stimulus: str, run: str, chunks: int) -> dict[str, int]:
    """Volumes of those who have a run: one or two more than chunks, now and then not the same for all."""
    late = _late(stimulus)
    # Of the films out of distribution all subjects have the same number of volumes.
    differs = np.random.default_rng((3, key_of(run))).random(len(SUBJECTS)) < (0.0 if series == "ood" else 0.1)
    frames = {who: chunks + (3 - late if other else late) for who, other in zip(SUBJECTS, differs, strict=True)}
    return {who: count for who, count in frames.items() if run not in MISSING.get(who, ())}
