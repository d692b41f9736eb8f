"""Features on disk as MedARC lays them out: ``ROOT/<model>/<series>/<group>/<run>.h5``, one data set a layer."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import BadData, BadOption
from ..files import write_bytes, write_text
from .names import Stimulus

SETTINGS = "settings.json"
HALF_LIMIT = 6e4
"""Beyond this a value does not fit 16-bit floats, and the layer is written with 32 bits."""

ENDS = 1 << 20


def model_folder(root: Path, name: str) -> Path:
    """Folder of a model's features: the last part of its name, in letters that any file system takes."""
    last = name.rstrip("/").rpartition("/")[2]
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in last).strip(".")
    return root / (plain or "model")


def path_of(folder: Path, stimulus: Stimulus) -> Path:
    """The file of a run's features in a model's folder."""
    return folder / stimulus.series / stimulus.group / f"{stimulus.run}.h5"


def fingerprint(path: Path) -> str:
    """A hash of a large file: of its length and its first and last MiB, so that long films take no time."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        digest.update(file.read(ENDS))
        if size > ENDS:
            file.seek(max(ENDS, size - ENDS))
            digest.update(file.read(ENDS))
    return digest.hexdigest()


def write(path: Path, layers: Mapping[str, NDArray[np.float32]], stimulus: str) -> None:
    """Write a run's features (chunk, dim) by layer, whole or not at all.

    Contiguous and uncompressed, so that rows can be read in place. The hash of the stimulus is an attribute.
    Raises `BadData` where a layer gave a value that is not finite, `StoreError` where the disk is full.
    """
    for name, values in layers.items():
        if not np.isfinite(values).all():
            raise BadData(
                f"{path.stem}: layer {name} gave values that are not finite",
                "leave that layer out with --layers, or use --device cpu, which computes with 32 bits",
            )
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["stimulus"] = stimulus
        for name, values in layers.items():
            kind = np.float16 if np.abs(values).max(initial=0) < HALF_LIMIT else np.float32
            file.create_dataset(name, data=values.astype(kind), track_times=False)
    write_bytes(path, buffer.getvalue())


def is_done(path: Path, layers: tuple[str, ...], stimulus: str) -> bool:
    """Whether the file holds these layers of this stimulus; one that cannot be read does not."""
    if not path.is_file():
        return False
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("stimulus", "")) == stimulus and set(layers) == set(file)
    except OSError:
        return False


def settle(folder: Path, settings: Mapping[str, Any]) -> None:
    """Note how the features of a model's folder are made, or see that they are made as before.

    Raises `BadOption` where the folder holds features of other settings, `BadData` where its note is damaged.
    """
    note = folder / SETTINGS
    now = json.loads(json.dumps(settings))
    if not note.exists():
        write_text(note, json.dumps(now, indent=1) + "\n")
        return
    try:
        before = json.loads(note.read_text())
    except (OSError, ValueError, RecursionError):
        before = None
    if not isinstance(before, dict):
        raise BadData(
            f"{note}: cannot be read", f"remove {folder} and extract anew, or give another folder:  --out DIR"
        )
    other = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    if other:
        told = ", ".join(f"{key} {before.get(key)!r} (now {now.get(key)!r})" for key in other)
        raise BadOption(
            f"{folder} holds features of other settings: {told}",
            f"give another folder:  --out DIR   or remove {folder} first",
        )
