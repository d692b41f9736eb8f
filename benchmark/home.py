"""Where things lie: imported and simulated data, weights."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """``$BRAINBENCH_HOME``, else the platform's user data folder."""
    return Path(os.environ.get("BRAINBENCH_HOME") or platformdirs.user_data_dir("brainbench", appauthor=False))


def cohorts() -> Path:
    """Folder of imported cohorts, one sub-folder each."""
    return home() / "cohorts"


def twins() -> Path:
    """Folder of simulated twins, one sub-folder each."""
    return home() / "twins"


def weights() -> Path:
    """Folder of converted or imported model weights."""
    return home() / "weights"
