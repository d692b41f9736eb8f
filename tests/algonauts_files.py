"""A small copy of the challenge's layout, and features in MedARC's, for tests."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

PARCELS = 1000
FRIENDS = {"s01e01a": 40, "s01e01b": 38, "s06e24d": 30}
MOVIE10 = {"bourne01": 25, "figures01_run-1": 31, "figures01_run-2": 31, "life01_run-1": 22, "life01_run-2": 22}
COUNTS = {"friends-s7": {"s07e01a": 33, "s07e01b": 34}, "ood": {"chaplin1": 20, "chaplin2": 21}}
NAME = "{subject}_task-{task}_space-MNI152NLin2009cAsym_atlas-Schaefer18_parcel-1000Par7Net{desc}_bold.h5"


def response(subject: str, run: str, frames: int, parcels: int = PARCELS) -> np.ndarray:
    """The (time, parcel) response of a subject, the same at each call; both showings share half of it."""
    number = int(subject[-2:])
    stimulus = np.random.default_rng([ord(letter) for letter in run.partition("_")[0]])
    own = np.random.default_rng([number, *(ord(letter) for letter in run)])
    return (stimulus.normal(size=(frames, parcels)) + own.normal(size=(frames, parcels))).astype(np.float32) / 2


def bold(root: Path, subject: str, task: str) -> Path:
    """Where a file of responses lies."""
    name = NAME.format(subject=subject, task=task, desc="_desc-s123456" if task == "friends" else "")
    return root / "fmri" / subject / "func" / name


def write_bold(path: Path, subject: str, runs: dict[str, int], **options: object) -> None:
    """A file of responses, one array a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for session, (run, frames) in enumerate(runs.items(), start=1):
            file.create_dataset(f"ses-{session:03}_task-{run}", data=response(subject, run, frames), **options)


def write_counts(root: Path, subject: str, part: str, counts: dict[str, int]) -> None:
    """Sample counts as ``numpy.save`` leaves them."""
    path = root / "fmri" / subject / "target_sample_number" / f"{subject}_{part}_fmri_samples.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, counts, allow_pickle=True)


def write_challenge(root: Path, subjects: tuple[int, ...] = (1, 2, 3, 5)) -> Path:
    """The challenge's tree: sub-05 lacks a run, sub-02 counts one sample more in season 7."""
    for number in subjects:
        subject = f"sub-{number:02}"
        friends = {run: frames for run, frames in FRIENDS.items() if (number, run) != (5, "s06e24d")}
        write_bold(bold(root, subject, "friends"), subject, friends)
        write_bold(bold(root, subject, "movie10"), subject, MOVIE10, compression="gzip")
        for part, counts in COUNTS.items():
            more = part == "friends-s7" and number == 2
            write_counts(root, subject, part, {run: frames + more for run, frames in counts.items()})
    return root


def feature(model: str, stimulus: str, shape: tuple[int, ...]) -> np.ndarray:
    """Features of a stimulus, the same at each call."""
    return np.random.default_rng([ord(letter) for letter in model + stimulus]).normal(size=shape).astype(np.float32)


def write_features(
    root: Path, model: str, stimuli: dict[str, int], row: tuple[int, ...] = (4,), layer: str = "last", **options: object
) -> Path:
    """Features in MedARC's layout; ``stimuli`` maps ``series/group/file stem`` to a number of chunks."""
    for place, frames in stimuli.items():
        path = root / model / f"{place}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset(layer, data=feature(model, path.stem, (frames, *row)), **options)
    return root
