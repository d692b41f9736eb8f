"""Algonauts 2025: responses of four brains to films, about 65 hours each; and its simulated twin."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..contracts import Ceiling, Data, Dataset, DatasetCard, Progress, silent
from ..errors import BadData, BadOption, DataMissing
from ..home import cohorts, twins
from ..simulate.versions import FILMS
from .dataset import SIZES
from .movie_manifest import MANIFEST, RESPONSES
from .movies import MovieCohort, ceiling_of

GIVEN = "features"
"""Size of the twin whose responses are made from features of real films."""

REAL = "brainbench data get algonauts2025   then  brainbench data import algonauts2025 ./algonauts2025"


class Algonauts(Dataset):
    """Algonauts 2025: one row a run."""

    name = "algonauts2025"
    card = DatasetCard(
        title="Algonauts 2025 (CNeuroMod Friends and Movie10)",
        summary="3T fMRI of four people who watched six seasons of Friends and four films, in 1000 parcels.",
        access="open, through DataLad: brainbench data get algonauts2025 (2.3 GB of responses; the films, 109 GB, by "
        "a command it prints), then  brainbench data import algonauts2025 PATH, then features of the films:  "
        "brainbench features extract  and  brainbench features add DIR",
        licence="CC0; the challenge's terms ask for non-commercial research, citation and sharing alike",
        expected="fmri/sub-0X/func/sub-0X_task-{friends,movie10}_..._bold.h5, "
        "fmri/sub-0X/target_sample_number/sub-0X_{friends-s7,ood}_fmri_samples.npy, fmri/sub-0X/atlas/*.nii.gz; "
        "features in MODEL/SERIES/GROUP/RUN.h5, one array a layer",
        citation="Gifford et al. 2025, arXiv:2501.00504; Boyle et al. 2020 (CNeuroMod)",
        counts="subjects 1, 2, 3, 5; TR 1.49 s; 55 hours of Friends s1-s6, 10 hours of Movie10 (figures and life "
        "twice); responses to s7 and to six other films (2 hours) are withheld. Missing: sub-02 s05e20a; sub-05 "
        "s04e01a, s04e01b, s04e13b",
        leaves="ids",
        open=True,
    )

    def installed(self) -> bool:
        """Whether responses have been imported."""
        return (cohorts() / self.name / MANIFEST).is_file()

    def load(self, source: str, progress: Progress = silent) -> Data:
        """The data from "real", "simulated" or "simulated:SIZE". See `Dataset.load`."""
        kind, _, size = source.partition(":")
        if kind == "real" and not size:
            if not self.installed():
                raise DataMissing(
                    f"{self.name} is not installed",
                    f"real data:  {REAL}\n  its simulated twin:  add  --data simulated",
                )
            return data_of(MovieCohort.open(cohorts() / self.name))
        if kind == "simulated":
            return data_of(self.twin(size or SIZES[0], progress=progress))
        raise BadOption(
            f"--data {source}: no such source",
            "sources are: real, simulated, simulated:full, simulated:features, simulated:TRS",
        )

    def twin(self, size: str, seed: int = 0, progress: Progress = silent) -> MovieCohort:
        """The twin of a size, made when it is not there whole. Raises `BadOption` for an unknown size."""
        if size == GIVEN:
            return given_twin(seed)
        if size not in SIZES and not size.isdecimal():
            raise BadOption(f"no twin of size {size!r}", f"sizes are: {', '.join((*SIZES, GIVEN))}, or a number of TRs")
        path = _twin_path(size, seed)
        with suppress(DataMissing, BadData):
            stored = MovieCohort.open(path)
            if (stored.manifest.twin or {}).get("version") == FILMS:
                return stored
        from ..simulate.movie_twin import simulate

        return simulate(size, path, seed, progress)


def _twin_path(size: str, seed: int) -> Path:
    return twins() / (f"{Algonauts.name}-{size}" if seed == 0 else f"{Algonauts.name}-{size}-seed{seed}")


def given_twin(seed: int = 0) -> MovieCohort:
    """The twin whose responses are made from given features. Raises `DataMissing` where it has not been made."""
    try:
        return MovieCohort.open(_twin_path(GIVEN, seed))
    except DataMissing:
        hint = (
            "make it:  brainbench data simulate algonauts2025 --features DIR   (a folder of MODEL/SERIES/GROUP/RUN.h5)"
        )
        raise DataMissing("no twin of given features has been made", hint) from None


def make_given_twin(features: Path, seed: int, progress: Progress) -> MovieCohort:
    """The twin whose responses are made from the features of a folder, anew. Raises `BadData`."""
    from ..simulate.movie_twin import simulate

    return simulate(GIVEN, _twin_path(GIVEN, seed), seed, progress, features)


def data_of(cohort: MovieCohort) -> Data:
    """A folder of movie responses as a task gets it: origin, hashes, and of a twin its ceilings.

    Ceilings are told by movie, ``responses/MOVIE``, as means over parcels, then over subjects. Raises `BadData`.
    """
    manifest, ceilings = cohort.manifest, cohort.ceilings()
    twin = manifest.twin or {}
    note = str(twin.get("ceilings", ""))
    return Data(
        items=cohort.items(),
        name=manifest.name,
        origin=manifest.origin,
        fingerprint=manifest.fingerprint,
        ceilings={
            f"{RESPONSES}{movie}": Ceiling("encoding-r", ceiling_of(ceilings, movie), 0.0, note=note)
            for movie in sorted(set(ceilings["movie"]))
        },
        folds=twin.get("folds"),
        inputs=cohort.inputs,
    )
