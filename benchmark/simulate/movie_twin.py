"""The simulated twin of Algonauts 2025: four subjects see Friends, Movie10 and six other films.

Films and runs are planned by `movie_plan`, what happens in them and its features are made by `movie_streams`, brains by
`movie_brains`. Truth is given for every run, also for those that the challenge withholds. Another seed draws other
films and noise for the same brains and networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..contracts import Progress, silent
from ..datasets.movie_atlas import schaefer_parcels
from ..datasets.movies import MovieCohort, MovieWriter
from ..errors import BadOption
from .movie_brains import LAG, ROLES, SUBJECT_SHARE, hrf
from .movie_plan import MISSING, SUBJECTS, TR, Showing, showings
from .movie_runs import Agreement, MadeRun, made_runs
from .movie_streams import STREAMS
from .versions import FILMS

SMALL_TRS = 7_000
"""Volumes a subject of the small twin."""

NAME = "algonauts2025"


def planned(size: str) -> list[Showing]:
    """The runs of a size: "small", "full", or a number of volumes a subject, about. Raises `BadOption`."""
    if size in ("small", "full"):
        return showings(SMALL_TRS if size == "small" else None)
    if size.isdecimal():
        return showings(int(size))
    raise BadOption(f"no twin of size {size!r}", "sizes are: small, full, or a number of volumes a subject")


def simulate(
    size: str, path: Path, seed: int = 0, progress: Progress = silent, features: Path | None = None
) -> MovieCohort:
    """Write the twin's folder whole or not at all.

    Parameters
    ----------
    size
        "small", "full" (the real data's length, and streams of 1280 to 3584 dimensions), or a number of volumes a
        subject.
    path
        The folder; one that exists is replaced.
    seed
        Another seed draws other films and noise.
    features
        A folder of features in MedARC's layout: responses to these are simulated, and ``size`` says no more than the
        name. See `movie_given`.

    The same seed gives the same bytes, whatever the number of threads. Raises `BadOption` for an unknown size and
    `BadData` for features that cannot be used.
    """
    about = _about(size, seed)
    with threadpool_limits(1):  # sums are then made in one order
        if features is not None:
            from .movie_given import Given  # reads HDF5, an extra

            given = Given.read(features)
            header = Header(size, given.streams, given.dtype, {**about, **given.about})
            write(path, header, given.runs(seed, progress), len(given.showings), progress)
        else:
            plan = planned(size)
            dims = "full" if size == "full" else "small"
            header = Header(size, {stream.name: stream.sizes[dims] for stream in STREAMS}, "<f2", about)
            write(path, header, made_runs(plan, dims, seed), len(plan), progress)
    return MovieCohort.open(path)


@dataclass(frozen=True)
class Header:
    """What is written before the runs: size by name, stream -> shape of a row, type of values, and settings."""

    size: str
    streams: dict[str, tuple[int, ...]]
    dtype: str
    about: dict[str, Any]


def write(path: Path, header: Header, runs: Iterable[MadeRun], count: int, progress: Progress) -> None:
    """Write so many runs, and the ceilings that they give."""
    names, networks = schaefer_parcels()
    agreement = Agreement()
    with MovieWriter(
        path,
        f"{NAME}-{header.size}",
        "twin",
        TR,
        SUBJECTS,
        names,
        networks,
        header.streams,
        header.dtype,
        header.about,
        dataset=NAME,
    ) as writer:
        for number, run in enumerate(runs):
            progress("simulate runs", number, count)
            _write_run(writer, run)
            agreement.add(run)
        for (subject, movie), r in agreement.found().items():
            writer.ceiling(subject, movie, r)
        writer.finish(source="latent series of films, and responses of a stated encoding model")
    progress("simulate runs", count, count)


def _write_run(writer: MovieWriter, run: MadeRun) -> None:
    shown = run.showing
    writer.run(shown.id, shown.series, shown.movie, shown.stimulus, shown.showing, run.features, run.responses)


def _about(size: str, seed: int) -> dict[str, Any]:
    """What the manifest says of the twin."""
    lacks: dict[str, Sequence[str]] = {subject: list(runs) for subject, runs in MISSING.items()}
    return {
        "version": FILMS,
        "size": size,
        "seed": seed,
        "lag": LAG,
        "lag_seconds": round(LAG * TR, 2),
        "hrf": [round(float(tap), 5) for tap in hrf()],
        "share_by_network": {network: role.share for network, role in ROLES.items()},
        "share_by_subject": SUBJECT_SHARE,
        "missing": lacks,
        "ceilings": "r of the response without its noise, runs of a film put end to end, first showings; exact",
    }
