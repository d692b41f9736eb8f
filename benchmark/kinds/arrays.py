"""Lists of arrays on disk, as npz without pickles."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import BadData
from ..npy import BROKEN_ZIP, read_member

AGAIN = "run the cell again"
"""What to do about stored predictions that cannot be read."""


def save_arrays(path: Path, arrays: Sequence[np.ndarray]) -> None:
    """Write a list of arrays, keyed by position."""
    np.savez_compressed(path, **{str(i): array for i, array in enumerate(arrays)})  # type: ignore[arg-type]


def load_arrays(path: Path) -> list[np.ndarray]:
    """Read what `save_arrays` wrote. Raises `BadData` for anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [read_member(archive, str(i)) for i in range(len(archive.namelist()))]
    except (KeyError, *BROKEN_ZIP) as error:
        raise BadData(f"{path}: not a list of arrays ({error})", AGAIN) from None
