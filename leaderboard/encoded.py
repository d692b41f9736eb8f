"""What records of a movie task reach by parcel, network and time: the content of figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..benchmark.contracts import Progress, Task
from ..benchmark.datasets.movies import MovieCohort
from ..benchmark.errors import BadData, BadOption, BrainbenchError
from ..benchmark.items import ArrayRef, Items
from ..benchmark.kinds import get_kind
from ..benchmark.loading import Loaded
from ..benchmark.metrics.encoding import EncodingR, correlation, moments, parcel_correlation
from ..benchmark.record import Record, ScorePart
from ..benchmark.rescoring import rejudge, reload
from ..benchmark.score import Judged, score_metric
from .exported import predictions_of
from .viewed import labels, refuse_unlike
from .wording import origin

KINDS = ("encoding",)
BEST = "best"

Found = Sequence[tuple[Record, Path]]


@dataclass(frozen=True)
class Atlas:
    """The parcels in the order of their columns.

    Attributes
    ----------
    names, networks
        Of each parcel; "" for an unknown network.
    volume
        A NIfTI file whose values are the parcels' numbers from 1; None where none is at hand.
    whose
        Whose atlas the volume is, for the title.
    """

    names: tuple[str, ...]
    networks: tuple[str, ...]
    volume: Path | None = None
    whose: str = ""

    @property
    def sides(self) -> tuple[str, ...]:
        """ "L" or "R" of each parcel by its name (``LH_Vis_1``, ``7Networks_RH_...``); "" where it does not tell."""
        return tuple(side_of(name) for name in self.names)

    def blocks(self) -> dict[tuple[str, str], np.ndarray]:
        """(side, network) -> positions of its parcels; sides and networks in the order of the atlas."""
        found: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, key in enumerate(zip(self.sides, self.networks, strict=True)):
            found[key].append(place)
        return {key: np.array(places) for key, places in found.items()}


@dataclass(frozen=True)
class ParcelScores:
    """Pearson r (parcel,) of each record, mean over subjects, films and seeds, on one atlas."""

    title: str
    scores: dict[str, np.ndarray]
    atlas: Atlas


@dataclass(frozen=True)
class NetworkScores:
    """The score of each record in each network, and what is attainable there on a twin.

    Attributes
    ----------
    scores
        Label of a record -> network -> its score with an interval; ``parts`` of it are the films'.
    ceilings
        Network -> ceiling; empty where none is known.
    counts
        Network -> number of parcels.
    """

    title: str
    scores: dict[str, dict[str, ScorePart]]
    ceilings: dict[str, float]
    counts: dict[str, int]


@dataclass(frozen=True)
class Course:
    """One parcel's response to one run: measured (None where it is withheld) and predicted by each record.

    ``r`` are the correlations, by record; empty where the response is withheld.
    """

    parcel: str
    measured: np.ndarray | None
    predicted: dict[str, np.ndarray]
    r: dict[str, float]


@dataclass(frozen=True)
class Courses:
    """Time courses of some parcels of one subject in one run; ``tr`` in seconds."""

    title: str
    tr: float
    courses: tuple[Course, ...]


def source_of(record: Record) -> str:
    """Task and data of a record for a title; a twin is called simulated."""
    return f"{record.task.name} on {record.data.name} ({origin(record.data.origin)})"


def side_of(name: str) -> str:
    """ "L" or "R" where a parcel's name tells its hemisphere, else ""."""
    parts = name.upper().split("_")
    return "L" if "LH" in parts else "R" if "RH" in parts else ""


def parcel_scores(
    found: Found, progress: Progress, *, subject: str | None = None, movie: str | None = None, atlas: Path | None = None
) -> ParcelScores:
    """r by parcel of each record, of one subject or film or the mean over all.

    Raises `BadOption` for records that do not belong together and for unknown names, and `BadData` where the
    measured responses are withheld.
    """
    first = check_alike(found)
    scores, who, which = {}, "", ""
    for label, (record, folder) in zip(labels(found), found, strict=True):
        task, judged, _ = rejudge(record, folder, progress)
        each = by_subject_and_film(task, judged)
        refuse_withheld(each, record)
        who = told(subject, [name for name, _ in each], "subjects", "subject")
        which = told(movie, [film for _, film in each], "films", "film")
        kept = [r for (name, film), r in each.items() if subject in (None, name) and movie in (None, film)]
        scores[label] = np.mean(kept, axis=0)
    _, loaded = reload(first, progress)
    title = f"{source_of(first)}: Pearson r by parcel, {who}, {which}"
    return ParcelScores(title, scores, atlas_of(loaded.items, subject, atlas))


def check_alike(found: Found) -> Record:
    """The first record. Raises `BadOption` unless all are of one encoding task and data."""
    refuse_unlike([record for record, _ in found], KINDS)
    return found[0][0]


def by_subject_and_film(task: Task, cells: Iterable[Judged]) -> dict[tuple[str, str], np.ndarray]:
    """(subject, film) -> r (parcel,), mean over seeds; empty where the truth is withheld."""
    kind = get_kind(task.kind)
    found: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for cell in cells:
        for part in cell.apart(kind):
            for subject, r in parcel_correlation(part.truth, part.prediction).items():
                found[subject, part.part].append(r)
    return {key: np.mean(values, axis=0) for key, values in found.items()}


def refuse_withheld(found: object, record: Record) -> None:
    """Raise `BadData` where nothing was measured."""
    if not found:
        raise BadData(
            f"{record.id}: the measured responses to its films are withheld, so there is no r to draw",
            "draw a record of algonauts2025-val, or a course of this one:  brainbench show course",
        )


def told(chosen: str | None, known: Sequence[str], many: str, one: str) -> str:
    """What the mean goes over, for the title. Raises `BadOption` for a name that is not known."""
    names = sorted(set(known) - {""})
    if chosen is not None and chosen not in names:
        raise BadOption(f"no {one} {chosen!r} in the record", f"there are: {', '.join(names) or 'none that are named'}")
    return chosen or (f"mean over {len(names)} {many}" if len(names) > 1 else "".join(names) or f"all {many}")


def atlas_of(items: Items, subject: str | None = None, file: Path | None = None) -> Atlas:
    """The parcels of a data set, with the volume that is given, else the subject's own (of nobody named: the first)."""
    names = tuple(str(name) for name in items.meta.get("parcels", ()))
    networks = tuple(str(name) for name in items.meta.get("networks", ())) or ("",) * len(names)
    if file is not None:
        if not file.is_file():
            raise BadData(f"{file}: no such file", "give the NIfTI volume of the parcels")
        return Atlas(names, networks, file, f"atlas {file.name}")
    cohort = cohort_of(items)
    for name in [subject] if subject else items_subjects(items):
        for ending in ("nii.gz", "nii"):
            volume = cohort.attached(f"atlas-{name}.{ending}") if cohort else None
            if volume is not None:
                return Atlas(names, networks, volume, f"atlas of {name}")
    return Atlas(names, networks)


def items_subjects(items: Items) -> list[str]:
    """Whose responses there are."""
    return sorted(name.removeprefix("responses/") for name in items.arrays if name.startswith("responses/"))


def cohort_of(items: Items) -> MovieCohort | None:
    """The folder that the responses lie in; None where they lie in memory or elsewhere."""
    for name, values in items.arrays.items():
        if name.startswith("responses/"):
            for value in values:
                if isinstance(value, ArrayRef):
                    try:
                        return MovieCohort.open(Path(value.path).parent)
                    except BrainbenchError:
                        return None
    return None


def network_scores(found: Found, progress: Progress) -> NetworkScores:
    """The score by network of each record: as recorded, or computed anew where a record has none.

    Raises `BadOption` where no network is known, else as `parcel_scores`.
    """
    first = check_alike(found)
    _, loaded = reload(first, progress)
    meta = loaded.items.meta
    networks = [str(name) for name in dict.fromkeys(meta.get("networks", ())) if name]
    if not networks:
        raise BadOption(f"{loaded.data.name}: the networks of its parcels are not known", "draw  show parcels  instead")
    scores = {
        label: by_network(record, folder, networks, progress)
        for label, (record, folder) in zip(labels(found), found, strict=True)
    }
    counts = {name: list(meta["networks"]).count(name) for name in networks}
    ceilings = network_ceilings(loaded, networks) if first.ceiling else {}
    title = f"{source_of(first)}: mean Pearson r by network"
    return NetworkScores(title, scores, ceilings, counts)


def by_network(record: Record, folder: Path, networks: Sequence[str], progress: Progress) -> dict[str, ScorePart]:
    """Network -> score of a record."""
    known = {name: record.scores.get(f"encoding-r:{name}") for name in networks}
    scores = {name: score for name, score in known.items() if score is not None and score.value is not None}
    if missing := [name for name in networks if name not in scores]:
        task, cells, _ = rejudge(record, folder, progress)
        refuse_withheld(by_subject_and_film(task, cells[:1]), record)
        parts = [part for cell in cells for part in cell.apart(get_kind(task.kind))]
        for number, name in enumerate(missing):
            progress(f"network {name}", number, len(missing))
            metric = EncodingR(name)
            values = [metric.score(one.truth, one.prediction) for one in parts]
            scores[name], _ = score_metric(task, metric, parts, values)
    return {name: scores[name] for name in networks}


def network_ceilings(loaded: Loaded, networks: Sequence[str]) -> dict[str, float]:
    """Network -> mean ceiling of its parcels over the tested films and subjects, of a twin that tells it by parcel."""
    items = loaded.items
    cohort = cohort_of(items)
    if cohort is None or "set" not in items.table or "movie" not in items.table:
        return {}
    films = set(items.table.loc[items.table["set"] == "test", "movie"])
    table = cohort.ceilings()
    table = table[table["movie"].isin(films) & table["subject"].isin(items_subjects(items))]
    if not len(table):
        return {}
    by_film = [np.mean(np.stack(rows["r"].tolist()), axis=0) for _, rows in table.groupby("movie")]
    mean = np.mean(by_film, axis=0)
    of = np.array(items.meta["networks"])
    return {name: float(mean[of == name].mean()) for name in networks}


def courses(
    found: Found, progress: Progress, *, stimulus: str, subject: str, parcels: Sequence[str] = (BEST,)
) -> Courses:
    """Responses to one run, predicted by each record's first seed, beside the measured one where that is known.

    ``parcels`` are names, numbers from 1, a network (its best parcel), or "best": the parcel with the highest r of
    the first record in this run. Raises `BadOption` for names that are not there.
    """
    first = check_alike(found)
    _, loaded = reload(first, progress)
    predictions = {
        label: run_of(predictions_of(record, folder), loaded.items, stimulus, subject)
        for label, (record, folder) in zip(labels(found), found, strict=True)
    }
    run = next(iter(predictions.values()))[0]
    values = {label: np.asarray(each) for label, (_, each) in predictions.items()}
    row = loaded.items.table.index.tolist().index(run)
    stored = loaded.items.arrays.get(f"responses/{subject}")
    truth = None
    if stored is not None and stored[row] is not None:
        truth = loaded.items.read(f"responses/{subject}", row).astype(np.float32)
    r = {label: correlations(truth, each) for label, each in values.items()} if truth is not None else {}
    atlas = atlas_of(loaded.items)
    chosen = [column_of(name, atlas, next(iter(r.values()), None)) for name in parcels]
    made = tuple(
        Course(
            parcel=f"parcel {place + 1}: {atlas.names[place]}{how}",
            measured=None if truth is None else truth[:, place],
            predicted={label: each[:, place] for label, each in values.items()},
            r={label: float(each[place]) for label, each in r.items()},
        )
        for place, how in chosen
    )
    title = f"{source_of(first)}: {subject}, run {run}"
    return Courses(title, float(loaded.items.meta.get("tr", 1.49)), made)


def correlations(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """r (parcel,) along time."""
    return correlation(moments(truth, predicted, (truth.mean(axis=0), predicted.mean(axis=0))))


def run_of(
    predictions: dict[str, dict[str, np.ndarray]], items: Items, stimulus: str, subject: str
) -> tuple[str, np.ndarray]:
    """A subject's predictions (time, parcel) of a run, or of the first showing of a stimulus, and the run's name."""
    if subject not in predictions:
        raise BadOption(f"no subject {subject!r} in the record", f"subjects are: {', '.join(sorted(predictions))}")
    runs = predictions[subject]
    if stimulus in runs:
        return stimulus, runs[stimulus]
    of = items.table["stimulus"].astype(str) if "stimulus" in items.table else items.table["subject"].astype(str)
    for run in sorted(runs):
        if of[run] == stimulus:
            return run, runs[run]
    some = ", ".join(sorted(runs)[:8])
    raise BadOption(
        f"no run of {stimulus!r} was predicted for {subject}", f"there are: {some}{', ...' * (len(runs) > 8)}"
    )


def column_of(name: str, atlas: Atlas, r: np.ndarray | None) -> tuple[int, str]:
    """The column of a parcel, and how it was chosen where that was by its r."""
    if name in atlas.names:
        return atlas.names.index(name), ""
    if name.isdecimal() and 1 <= int(name) <= len(atlas.names):
        return int(name) - 1, ""
    if name == BEST or name in atlas.networks:
        if r is None:
            raise BadOption(
                f"--parcel {name}: the measured response is withheld, so no parcel is the best", "give its number"
            )
        places = np.arange(len(r)) if name == BEST else np.flatnonzero(np.array(atlas.networks) == name)
        where = "all" if name == BEST else name
        return int(places[np.argmax(r[places])]), f" (of {where} the highest r in this run)"
    known = ", ".join([BEST, *dict.fromkeys(network for network in atlas.networks if network)])
    raise BadOption(f"no parcel {name!r}", f"give a number from 1 to {len(atlas.names)}, a name, or one of: {known}")
