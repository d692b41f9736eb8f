"""Writing a folder of responses. See `brainbench.benchmark.datasets.responses` for its layout."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from ..errors import BadData
from ..files import digest_file, whole_folder
from .manifest_file import File
from .response_manifest import (
    IMAGES,
    INDEX_TYPE,
    MANIFEST,
    MAP_TYPE,
    PIXELS,
    ROWS,
    Manifest,
    Space,
    fingerprint,
)

TOLERANCE = 0.01
"""Boxes may leave the picture by so much, and are then cut."""


class ResponseWriter:
    """Writes a folder of responses whole or not at all.

    Use as a context manager, so that an error leaves what was there before::

        with ResponseWriter(folder, "nsd", "real") as writer:
            writer.space("subj01", (81, 104, 83), 1.8, index, {"early": mask})
            writer.image("nsd00001", pixels, captions=[...], set="train")
            writer.responses("subj01", "nsd00001", trials)
            writer.finish()

    Parameters
    ----------
    folder
        Where it goes; what lies there is replaced by `finish`.
    name, origin, dataset
        Name of the cohort; "real", "public simulation" or "twin"; the data set it belongs to.
    twin
        Of a twin: its generator's ``version``, ``ceilings`` (target -> fields of `Ceiling`) and settings, as JSON.
    dtype
        "float32" or "float16": what responses are kept in.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        origin: str,
        twin: Mapping[str, Any] | None = None,
        *,
        dataset: str = "nsd",
        dtype: str = "float32",
    ) -> None:
        self._folder = folder
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._about: dict[str, Any] = {
            "name": name,
            "origin": origin,
            "dataset": dataset,
            "dtype": self._dtype.str,
            "twin": dict(twin) if twin is not None else None,
        }
        self._spaces: dict[str, Space] = {}
        self._brains: list[str] = []
        self._images: dict[str, dict[str, Any]] = {}
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        self._waiting: dict[str, set[int]] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._stack = ExitStack()
        self._new = self._stack.enter_context(whole_folder(folder))

    def __enter__(self) -> ResponseWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was written, unless `finish` has put it in place."""
        for file in self._files.values():
            file.close()
        self._stack.__exit__(kind or GeneratorExit, error or GeneratorExit(), trace)

    def space(
        self,
        brain: str,
        shape: Sequence[int],
        mm: float,
        index: np.ndarray,
        rois: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """The voxels of a brain.

        Parameters
        ----------
        shape, mm
            The native grid (x, y, z), and the side of a voxel.
        index
            (voxels,) ascending flat C-order positions in the grid.
        rois
            Name -> (voxels,) bool; "nsdgeneral", all of them, is added where it is not named.
        """
        places = np.asarray(index, dtype=INDEX_TYPE)
        if places.ndim != 1 or not len(places) or (np.diff(places) <= 0).any():
            raise BadData(f"{brain}: voxel positions must be ascending, and at least one")
        if places[0] < 0 or places[-1] >= math.prod(shape):
            raise BadData(f"{brain}: voxel positions outside of a grid of {tuple(shape)}")
        masks = {"nsdgeneral": np.ones(len(places), bool), **(rois or {})}
        for name, mask in masks.items():
            if np.shape(mask) != places.shape:
                raise BadData(f"{brain}: ROI {name} of shape {np.shape(mask)}; there are {len(places)} voxels")
        if brain in self._spaces:
            raise BadData(f"{brain}: its space was given before")
        self._spaces[brain] = Space(
            shape=(int(shape[0]), int(shape[1]), int(shape[2])), mm=mm, voxels=len(places), rois=list(masks)
        )
        file = self._file(f"{brain}.space.bin")
        file.write(places.tobytes())
        for mask in masks.values():
            file.write(np.asarray(mask, dtype=bool).tobytes())
        self._file(f"{brain}.responses.bin")
        self._file(f"{brain}.relevance.bin")

    def image(
        self,
        image: str,
        pixels: np.ndarray | None,
        captions: Iterable[str] = (),
        description: str = "",
        boxes: Mapping[str, Any] | None = None,
        dialogue: Iterable[Sequence[str]] = (),
        set: str = "train",
        *,
        blip2: Iterable[str] = (),
        origin: str = "",
    ) -> None:
        """An image: (h, w, 3) uint8 or None, its texts, and its boxes, concept -> (k, 4) in 0..1."""
        if not image or "/" in image or image in self._images:
            raise BadData(f"image {image!r}: an id is a text without '/', once")
        if set not in ("train", "test"):
            raise BadData(f"image {image}: set {set!r} is neither train nor test")
        offset, height, width = -1, 0, 0
        if pixels is not None:
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
                raise BadData(f"image {image}: {pixels.dtype} {pixels.shape}; expected uint8 (height, width, 3)")
            height, width = pixels.shape[:2]
            offset = self._append(PIXELS, np.ascontiguousarray(pixels))
        self._images[image] = {
            "set": set,
            "captions": _texts(image, captions),
            "blip2": _texts(image, blip2),
            "description": description,
            "boxes": json.dumps(checked_boxes(image, boxes or {})),
            "dialogue": json.dumps([_texts(image, pair) for pair in dialogue]),
            "origin": origin,
            "offset": offset,
            "height": height,
            "width": width,
        }

    def responses(
        self,
        brain: str,
        image: str,
        trials: np.ndarray | None,
        relevance: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """A brain's (repeats, voxels) responses to an image; None where only its texts are at hand.

        ``relevance`` is of a twin: concept -> (voxels,) true weight of the concept in each voxel.
        """
        if trials is None:
            self._row(brain, image, -1, 0)
            return
        space = self._space(brain)
        values = np.ascontiguousarray(trials, dtype=self._dtype)
        if values.ndim != 2 or values.shape[1] != space.voxels or not len(values):
            raise BadData(f"{brain}, image {image}: trials {values.shape}; expected (repeats, {space.voxels})")
        self._row(brain, image, space.trials, len(values), self._append_maps(brain, relevance or {}))
        self._append(f"{brain}.responses.bin", values)
        space.trials += len(values)

    def reserve(self, brain: str, repeats: Mapping[str, int]) -> None:
        """Make room for responses that come in another order, image -> repeats; fill it with `put`."""
        space = self._space(brain)
        for image, count in repeats.items():
            self._row(brain, image, space.trials, count)
            self._waiting.setdefault(brain, set()).update(range(space.trials, space.trials + count))
            space.trials += count
        width = space.voxels * self._dtype.itemsize
        self._file(f"{brain}.responses.bin").truncate(space.trials * width)
        self._file(f"{brain}.responses.bin").seek(0, os.SEEK_END)

    def put(self, brain: str, image: str, repeat: int, trial: np.ndarray) -> None:
        """One (voxels,) response in its reserved place."""
        space, row = self._space(brain), self._rows[brain, image]
        if not 0 <= repeat < row["repeats"] or np.shape(trial) != (space.voxels,):
            raise BadData(f"{brain}, image {image}: no place for repeat {repeat} of shape {np.shape(trial)}")
        values = np.ascontiguousarray(trial, dtype=self._dtype)
        place = row["start"] + repeat
        file = self._file(f"{brain}.responses.bin")
        file.seek(place * values.nbytes)
        file.write(values.tobytes())
        self._waiting[brain].discard(place)

    def finish(
        self, *, source: str = "", left_out: Mapping[str, str] | None = None, meta: Mapping[str, Any] | None = None
    ) -> Path:
        """Write tables and manifest, put the folder in place, and return it.

        ``source`` says where the data came from, ``left_out`` what was not taken and why, ``meta`` goes to the items.
        """
        import pandas as pd

        for brain, places in self._waiting.items():
            if places:
                raise BadData(f"{brain}: {len(places)} reserved responses did not come")
        missing = next((image for _, image in self._rows if image not in self._images), None)
        if missing is not None or not self._rows:
            raise BadData(f"responses to the unknown image {missing!r}" if missing else "there is no response")
        for file in self._files.values():
            file.close()
        images = pd.DataFrame([{"image": image, **row} for image, row in self._images.items()])
        rows = pd.DataFrame([{"brain": brain, "image": image, **row} for (brain, image), row in self._rows.items()])
        images.to_parquet(self._new / IMAGES)
        rows.to_parquet(self._new / ROWS)
        manifest = Manifest(
            **self._about,
            spaces=self._spaces,
            brains=self._brains,
            images=len(images),
            rows=len(rows),
            files={name: _measured(self._new / name) for name in sorted(self._files)},
            source=source,
            left_out=dict(left_out or {}),
            meta=dict(meta or {}),
            fingerprint="",
        )
        manifest.fingerprint = fingerprint(manifest, images, rows)
        (self._new / MANIFEST).write_text(manifest.model_dump_json(indent=1))
        self._stack.close()
        return self._folder

    def _space(self, brain: str) -> Space:
        if brain not in self._spaces:
            raise BadData(f"{brain}: give its space before its responses")
        return self._spaces[brain]

    def _file(self, name: str) -> IO[bytes]:
        if name not in self._files:
            self._files[name] = open(self._new / name, "wb")  # noqa: SIM115 - `finish` and `__exit__` close it
        return self._files[name]

    def _append(self, name: str, values: np.ndarray) -> int:
        """Write at the end of a file; returns where it begins."""
        file = self._file(name)
        start = file.tell()
        file.write(values.data)
        return start

    def _append_maps(self, brain: str, relevance: Mapping[str, np.ndarray]) -> dict[str, int]:
        space = self._space(brain)
        found = {}
        for concept, weights in relevance.items():
            if np.shape(weights) != (space.voxels,):
                raise BadData(f"{brain}: relevance of {concept} of shape {np.shape(weights)}")
            self._append(f"{brain}.relevance.bin", np.ascontiguousarray(weights, dtype=MAP_TYPE))
            found[concept] = space.maps
            space.maps += 1
        return found

    def _row(self, brain: str, image: str, start: int, repeats: int, maps: Mapping[str, int] | None = None) -> None:
        if (brain, image) in self._rows:
            raise BadData(f"{brain}, image {image}: its responses were given before")
        if brain not in self._brains:
            self._brains.append(brain)
        told = json.dumps(dict(maps)) if maps else ""
        self._rows[brain, image] = {"start": start, "repeats": repeats, "relevance": told}


def checked_boxes(image: str, boxes: Mapping[str, Any]) -> dict[str, list[list[float]]]:
    """Boxes as plain lists, cut at the edges of the picture; concepts without a box are left out.

    Raises `BadData` for values that are not finite, outside of 0..1 by more than `TOLERANCE`, or swapped.
    """
    found = {}
    for concept, listed in boxes.items():
        try:
            values = np.asarray(listed, dtype=np.float64).reshape(-1, 4)
        except (TypeError, ValueError, OverflowError):
            raise BadData(f"image {image}: the boxes of {concept!r} are not lists of four numbers") from None
        if not np.isfinite(values).all() or values.min(initial=0) < -TOLERANCE or values.max(initial=0) > 1 + TOLERANCE:
            raise BadData(f"image {image}: a box of {concept!r} lies outside of 0..1")
        values = values.clip(0, 1)
        if (values[:, :2] > values[:, 2:]).any():
            raise BadData(f"image {image}: a box of {concept!r} is not x0, y0, x1, y1")
        if not concept or "/" in concept:
            raise BadData(f"image {image}: {concept!r} cannot name a concept")
        if len(values):
            found[concept] = values.tolist()
    return found


def _texts(image: str, texts: Iterable[str]) -> list[str]:
    found = list(texts)
    if not all(isinstance(text, str) for text in found):
        raise BadData(f"image {image}: expected texts")
    return found


def _measured(path: Path) -> File:
    return File(bytes=path.stat().st_size, digest=digest_file(path))
