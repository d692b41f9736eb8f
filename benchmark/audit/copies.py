"""L1, L2, L16: people, families, copies of scans and shared frames on both sides of a split."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import numpy as np

from ..contracts import Progress
from ..errors import StoreError
from ..files import write_bytes
from ..home import home
from ..items import Items
from .detector import SCANS, Case, Detector, Result

MIN_ROIS = 4
"""With fewer ROIs two frames may be equal by chance."""

MIN_SHARED = 2
"""Equal frames of two scans from which they overlap; one may be chance where values are coarse."""

SUBJECTS = Detector("L1", "group-crossing", "ids of subjects and families on both sides of every fold", covers=())
FAMILIES = Detector("L2", "families", "ids of families on both sides of every fold", covers=())
COPIES = Detector("L1", "duplicate-scans", "SHA-256 of every scan's content", covers=())
FRAMES = Detector("L1, L16", "shared-frames", "a hash of every frame of every scan", covers=SCANS)


def group_crossing(case: Case) -> Result:
    """Subjects or families that train and test in one fold; the engine refuses such a split."""
    crossing = {name: _crossing(case, name) for name in ("subject", "group")}
    if any(crossing.values()):
        names = {"subject": "stimuli", "group": "groups"} if case.task.kind == "encoding" else {}
        told = " and ".join(f"{count} {names.get(name, f'{name}s')}" for name, count in crossing.items() if count)
        return SUBJECTS.leak(f"{told} are in both train and test of a fold", **crossing)
    cuts = f"any of the {len(case.folds)} folds" if len(case.folds) > 1 else "the cut"
    if case.task.kind == "encoding":  # the same people train and test; an item's subject is its stimulus
        return SUBJECTS.ok(f"no stimulus crosses {cuts}; the people are the same on both sides")
    return SUBJECTS.ok(f"no subject or family crosses {cuts}")


def families(case: Case) -> Result:
    """Relatives on both sides; nothing can be said where no two subjects share a family."""
    family = case.column("family")
    count = 0 if family is None else int((case.table.groupby(family)["subject"].nunique() > 1).sum())
    if not count:
        return FAMILIES.not_covered("the cohort names no relatives; import it with a column of family ids to know")
    if crossing := _crossing(case, "family"):
        return FAMILIES.leak(f"{crossing} of {count} families have members in both train and test", crossing=crossing)
    return FAMILIES.ok(f"{count} families of two and more stay together", families=count)


def _crossing(case: Case, column: str) -> int:
    """Ids that train and test in one fold."""
    if column not in case.table:
        return 0
    values = case.table[column].astype(str)
    found: set[str] = set()
    for train, test in case.folds.values():
        found |= set(values.iloc[train]) & set(values.iloc[test]) - {""}
    return len(found)


def duplicate_scans(case: Case) -> Result:
    """Scans with the same content in train and test under different ids."""
    if "digest" not in case.table:
        return COPIES.not_covered("the data carry no content digests")
    digest = case.table["digest"].astype(str)
    leaks = sum(int(digest.iloc[test].isin(set(digest.iloc[train])).sum()) for train, test in case.folds.values())
    if leaks:
        return COPIES.leak(f"{leaks} test scans are byte for byte in the training set under another id", scans=leaks)
    return COPIES.ok("no test scan is a copy of a training scan", scans=0)


def shared_frames(case: Case) -> Result:
    """Scans that share exact frames across a fold: windows, halves, crops and augmented copies of one recording."""
    series = case.items.arrays.get("series")
    if case.task.kind not in SCANS or series is None:
        return FRAMES.not_covered("the items hold no ROI series")
    first = series[0]
    if first is None or len(first.shape) != 2 or first.shape[1] < MIN_ROIS:
        return FRAMES.not_covered(f"fewer than {MIN_ROIS} ROIs: frames may be equal by chance")
    scan, frame = equal_frames(*frame_hashes(case.items, case.split.data, case.progress))
    worst, example = 0, ""
    for train, test in case.folds.values():
        shared = _shared(scan, frame, train, test, len(case.items))
        rows = np.flatnonzero(shared >= MIN_SHARED)
        if len(rows) > worst:
            worst = len(rows)
            example = f"{case.table.index[rows[0]]}: {shared[rows[0]]} frames"
    if worst:
        return FRAMES.leak(
            f"up to {worst} test scans of a fold share exact frames with training scans, such as {example}", scans=worst
        )
    return FRAMES.ok("no test scan shares a frame with a training scan", scans=0)


def _shared(scan: np.ndarray, frame: np.ndarray, train: np.ndarray, test: np.ndarray, count: int) -> np.ndarray:
    """(scans,) number of frames of each test scan that a training scan holds too."""
    side = np.zeros(count, int)
    side[train], side[test] = 1, 2
    trained = np.zeros(frame.max(initial=-1) + 1, bool)
    trained[frame[side[scan] == 1]] = True
    hit = (side[scan] == 2) & trained[frame] if len(frame) else np.zeros(0, bool)
    return np.bincount(scan[hit], minlength=count)


def equal_frames(hashes: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scan number and frame number of the frames that several scans hold; equal frames share a number.

    ``hashes`` (total frames,) of all scans one after the other, 0 for frames that say nothing; ``frames``
    (scans,) number of each.
    """
    scan = np.repeat(np.arange(len(frames)), frames)
    order = np.argsort(hashes, kind="stable")
    order = order[hashes[order] != 0]
    value = hashes[order]
    new = np.append(True, value[1:] != value[:-1])[: len(value)]
    number = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    several = np.zeros(len(starts), bool)
    if len(starts):
        owners = scan[order]
        several = np.maximum.reduceat(owners, starts) != np.minimum.reduceat(owners, starts)
    kept = several[number] if len(number) else np.zeros(0, bool)
    return scan[order][kept], number[kept]


def frame_hashes(items: Items, fingerprint: str, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """64-bit hashes of all frames one scan after the other, and the number of frames (scans,).

    Computed once for each content, and kept in the data folder.
    """
    frames = np.array([array.shape[0] if array is not None else 0 for array in items.arrays["series"]])
    name = hashlib.sha256("\0".join([fingerprint, *map(str, items.table.index)]).encode()).hexdigest()[:32]
    path = home() / "audit" / f"frames-{name}.bin"
    if path.is_file() and path.stat().st_size == 8 * frames.sum():
        return np.fromfile(path, np.uint64), frames
    hashes = _hash_all(items, frames, progress)
    with suppress(StoreError):  # a folder that cannot be written: they are computed again
        write_bytes(path, hashes.tobytes())
    return hashes, frames


def _hash_all(items: Items, frames: np.ndarray, progress: Progress) -> np.ndarray:
    """Hashes of all frames, one scan in memory at a time, in the coarsest precision that a scan is stored in."""
    arrays = items.arrays["series"]
    dtypes = [np.dtype(array.dtype) for array in arrays if array is not None]
    bits = min([4, *(dtype.itemsize for dtype in dtypes if dtype.kind == "f")])
    number = np.float16 if bits == 2 else np.float32
    out = np.zeros(frames.sum(), np.uint64)
    ends = np.cumsum(frames)
    for row in range(len(items)):
        if arrays[row] is not None:
            out[ends[row] - frames[row] : ends[row]] = _hash_frames(items.read("series", row).astype(number))
            progress("frames", row + 1, len(items))
    return out


def _hash_frames(values: np.ndarray) -> np.ndarray:
    """(time,) hashes of the frames of a series: 64-bit words times odd random numbers, modulo 2**64."""
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % 4)), mode="edge") + values.dtype.type(0)  # -0 becomes 0
    words = padded.view(np.uint64)
    constant = (words == words[:, :1]).all(axis=1) & (padded[:, :4] == padded[:, :1]).all(axis=1)
    words ^= words >> np.uint64(31)
    weights = np.random.default_rng(0).integers(1, 2**63, words.shape[1], dtype=np.uint64) | np.uint64(1)
    hashes: np.ndarray = words @ weights
    hashes[constant] = 0
    return hashes
