"""Folders of ABIDE I as labs have them, with random series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

ROIS = 5


def series(seed: int, frames: int = 60, rois: int = ROIS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, rois)).astype(np.float16)


def phenotypes(folder: Path, ids: list[str], **changes: list[str]) -> Path:
    table = pd.DataFrame(
        {
            "SITE_ID": ["NYU"] * len(ids),
            "SUB_ID": [str(50000 + k) for k in range(len(ids))],
            "FILE_ID": ids,
            "DX_GROUP": [str(1 + k % 2) for k in range(len(ids))],
            "SEX": ["1"] * len(ids),
            "AGE_AT_SCAN": ["10.5"] * len(ids),
            "func_mean_fd": ["0.1"] * len(ids),
            **changes,
        }
    )
    path = folder / "pheno.csv"
    table.to_csv(path, index=False)
    return path


def sites(folder: Path, count: int = 20, **changed: np.ndarray) -> list[str]:
    """Two .npz files with ``count`` scans and their table."""
    ids = [f"NYU_{51000 + k:07d}" for k in range(count)]
    arrays = {name: series(k) for k, name in enumerate(ids)} | changed
    half = count // 2
    np.savez_compressed(folder / "A.npz", **{name: arrays[name] for name in ids[:half]})
    np.savez_compressed(folder / "B.npz", **{name: arrays[name] for name in [*ids[half:], *(set(changed) - set(ids))]})
    phenotypes(folder, ids)
    return ids


def one_d(folder: Path, name: str, values: np.ndarray, labels: list[str]) -> Path:
    path = folder / f"{name}.1D"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = "\t".join(f"#{label}" for label in labels)
    np.savetxt(path, values, fmt="%.6f", delimiter="\t", header=header, comments="")
    return path


def connectomes(folder: Path, count: int = 12) -> list[str]:
    ids = [f"Pitt_{50003 + k:07d}" for k in range(count)]
    for k, name in enumerate(ids):
        one_d(folder / "cpac", f"{name}_rois_cc400", series(k).astype(float), ["1", "2", "4", "5", "8"])
    phenotypes(folder, ids, SITE_ID=["PITT"] * count)
    return ids
