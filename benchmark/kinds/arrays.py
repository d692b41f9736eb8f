"""Lists of arrays on disk, as npz without pickles."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import BadData


def save_arrays(path: Path, arrays: Sequence[np.ndarray]) -> None:
    """Write a list of arrays, keyed by position."""
    np.savez_compressed(path, **{str(i): array for i, array in enumerate(arrays)})  # type: ignore[arg-type]


def load_arrays(path: Path) -> list[np.ndarray]:
    """Read what `save_arrays` wrote. Raises `BadData` for anything else."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return [archive[str(i)] for i in range(len(archive.files))]
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadData(f"{path}: not a list of arrays ({error})") from None
