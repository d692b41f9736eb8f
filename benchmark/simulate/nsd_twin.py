"""The simulated twin of NSD: four brains (`brains`) see drawn scenes (`scenes`), each three times.

Each brain has training images of its own, and all see the same test images. Repeats of an image lie in different
thirds of the experiment. Responses, pictures, captions, boxes, questions, true concept maps of test items and the
best attainable scores are written as a folder of responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Progress, silent
from ..datasets.responses import ResponseCohort, ResponseWriter
from ..errors import BadOption
from .brains import DRIFTS, GRIDS, MM, NAMES, REPEATS, Brain, make_brain
from .nsd_twin_ceilings import Found, found_ceilings
from .scene_bank import scene_bank
from .scene_drawing import SIZE, draw
from .scene_photos import Photo, read_photos
from .scene_words import View, Words, words_of
from .scenes import sample_scene
from .seeing import GROUP_OF, features_of
from .versions import PICTURES

SESSION = 120
"""Trials of a session, about."""

CHUNK = 200
"""Images whose responses are in memory at once."""


@dataclass(frozen=True)
class Size:
    """How large a twin is.

    Attributes
    ----------
    train, test
        Images of each brain's own, and images that all see.
    finer
        Factor on the grids of the small twin.
    dtype
        Precision of responses on disk.
    """

    train: int
    test: int
    finer: float
    dtype: str


SIZES = {"small": Size(300, 100, 1.0, "float32"), "full": Size(2000, 982, 1.62, "float16")}

LEAST_IMAGES, MOST_IMAGES = 30, 20_000
"""Training images a brain that a number may ask for."""


def size_of(name: str) -> Size:
    """A size by its name, or by a number of training images a brain. Raises `BadOption`."""
    if name in SIZES:
        return SIZES[name]
    if name.isdecimal() and LEAST_IMAGES <= int(name) <= MOST_IMAGES:
        return replace(SIZES["small"], train=int(name))
    raise BadOption(
        f"no twin of size {name!r}",
        f"sizes are: {', '.join(SIZES)}, or a number of training images from {LEAST_IMAGES} to {MOST_IMAGES}",
    )


@dataclass(frozen=True)
class Shown:
    """An image of the twin: picture, boxes, words, features, and where a photograph is from."""

    pixels: np.ndarray
    boxes: Mapping[str, np.ndarray]
    words: Words
    features: np.ndarray
    origin: str = ""


def drawn(rng: np.random.Generator) -> Shown:
    """A random scene, drawn and put into words."""
    scene = sample_scene(rng)
    view, picture = View.of_scene(scene), draw(scene)
    return Shown(picture.pixels, picture.boxes, words_of(view, rng), features_of(picture.pixels, view))


def shown_photo(photo: Photo, rng: np.random.Generator) -> Shown:
    """A photograph, with people's captions, and a description and questions made from its boxes."""
    words = words_of(photo.view, rng)
    said = replace(words, captions=photo.captions or words.captions)
    features = features_of(photo.pixels, photo.view, photo.groups)
    return Shown(photo.pixels, photo.boxes, said, features, photo.origin)


def brains_of(size: Size) -> list[Brain]:
    """The four brains; they do not depend on the twin's seed."""
    moments = scene_bank().moments
    grids = {name: tuple(round(side * size.finer) for side in GRIDS[name]) for name in NAMES}
    return [make_brain(name, (x, y, z), MM / size.finer, moments) for name, (x, y, z) in grids.items()]


def simulate(
    size: str, path: Path, seed: int = 0, progress: Progress = silent, photos: Path | None = None
) -> ResponseCohort:
    """Write the twin's folder whole or not at all.

    Parameters
    ----------
    size
        "small", "full" or a number of training images a brain.
    path
        The folder; one that exists is replaced.
    seed
        Another seed draws other images and noise for the same four brains.
    photos
        A folder with COCO's ``annotations`` and pictures: its photographs take the place of drawn scenes, a fifth
        of them among the test images. Ceilings hold for drawn scenes only and are then left out.

    Raises `BadOption` for an unknown size and `BadData` for photographs that cannot be read.
    """
    wanted = size_of(size)
    brains = brains_of(wanted)
    real = read_photos(photos, SIZE) if photos is not None else []
    plan = _plan(wanted, real)
    found = found_ceilings(brains, wanted.train, wanted.test, drawn_only=not real)
    twin = _about(size, wanted, seed, brains, found, len(real))
    with ResponseWriter(path, f"nsd-{size}", "twin", twin, dtype=wanted.dtype) as writer:
        features = _write_images(writer, plan, seed, progress)
        for number, brain in enumerate(brains):
            writer.space(brain.name, brain.shape, round(brain.mm, 3), brain.index, brain.rois)
            ids = [*_ids("test", wanted.test), *_ids(brain.name, wanted.train)]
            _write_responses(writer, brain, ids, features, (seed, 2, number), progress)
        writer.finish(
            source="drawn scenes and responses of a stated encoding model"
            + (f"; {len(real)} photographs of COCO" if real else ""),
            meta={"simulated": True},
        )
    return ResponseCohort.open(path)


def _ids(owner: str, count: int) -> list[str]:
    return [f"twin-{owner}-{number:05d}" for number in range(count)]


def _plan(size: Size, photos: list[Photo]) -> dict[str, Photo | None]:
    """Image id -> the photograph that is shown, or None for a drawn scene; test images first.

    A photograph is shown once: every fifth is a test image, the others are dealt out to the brains.
    """
    for_test = photos[::5][: size.test // 2]
    left = [photo for photo in photos if not any(photo is other for other in for_test)]
    plan: dict[str, Photo | None] = dict.fromkeys(_ids("test", size.test))
    plan.update(zip(plan, for_test, strict=False))
    for number, name in enumerate(NAMES):
        own: dict[str, Photo | None] = dict.fromkeys(_ids(name, size.train))
        own.update(zip(own, left[number :: len(NAMES)], strict=False))
        plan.update(own)
    return plan


def _write_images(
    writer: ResponseWriter, plan: Mapping[str, Photo | None], seed: int, progress: Progress
) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """Draw and write all images; returns features and concepts of each."""
    kept = {}
    for number, (image, photo) in enumerate(plan.items()):
        progress("draw images", number, len(plan))
        rng = np.random.default_rng((seed, 1, number))
        shown = drawn(rng) if photo is None else shown_photo(photo, rng)
        writer.image(
            image,
            shown.pixels,
            shown.words.captions,
            shown.words.description,
            shown.boxes,
            shown.words.dialogue,
            "test" if image.startswith("twin-test-") else "train",
            origin=shown.origin,
        )
        kept[image] = shown.features, tuple(shown.boxes)
    progress("draw images", len(plan), len(plan))
    return kept


def _write_responses(
    writer: ResponseWriter,
    brain: Brain,
    ids: list[str],
    features: Mapping[str, tuple[np.ndarray, tuple[str, ...]]],
    key: tuple[int, ...],
    progress: Progress,
) -> None:
    """A brain's three trials of each image, and the true maps of what is in test images."""
    drift = _drift_of_trials(len(ids), np.random.default_rng((*key, 0)))
    maps = {concept: brain.relevance(concept) for concept in GROUP_OF}
    for start, chunk in _chunks(ids):
        progress(f"simulate {brain.name}", start, len(ids))
        signal = brain.signal(np.stack([features[image][0] for image in chunk]))
        for number, image in enumerate(chunk, start=start):
            rng = np.random.default_rng((*key, 1, number))
            repeated = np.repeat(signal[number - start][None], REPEATS, axis=0)
            trials = brain.noisy(repeated, rng, drift[number])
            test = image.startswith("twin-test-")
            known = {concept: maps[concept] for concept in features[image][1] if test and concept in maps}
            writer.responses(brain.name, image, trials, known or None)
    progress(f"simulate {brain.name}", len(ids), len(ids))


def _chunks(ids: list[str]) -> Iterator[tuple[int, list[str]]]:
    for start in range(0, len(ids), CHUNK):
        yield start, ids[start : start + CHUNK]


def _drift_of_trials(images: int, rng: np.random.Generator) -> np.ndarray:
    """(images, repeats, drifts) strengths: each third of the sessions shows every image once, in a random order."""
    sessions = max(1, round(images / SESSION))
    found = np.empty((images, REPEATS, DRIFTS))
    for repeat in range(REPEATS):
        strengths = rng.standard_normal((sessions, DRIFTS))
        order = rng.permutation(images)
        found[order, repeat] = strengths[np.arange(images) * sessions // images]
    return found


def _about(name: str, size: Size, seed: int, brains: list[Brain], found: Found, photos: int) -> dict[str, Any]:
    """What the manifest says of the twin."""
    moments = scene_bank().moments
    of_voxels = {brain.name: brain.noise_ceiling(moments).round(4).tolist() for brain in brains}
    return {
        "version": PICTURES,
        "size": name,
        "seed": seed,
        "photos": photos,
        "settings": asdict(size),
        "ceilings": {target: asdict(ceiling) for target, ceiling in found.ceilings.items()},
        "reached": found.reached,
        "noise_ceiling": of_voxels,
    }
