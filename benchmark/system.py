"""What a record says of the machine, the packages and the revision."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import psutil

from .record import CellCost, Environment

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "torch", "transformers", "peft", "nilearn")


@cache
def harness_version() -> str:
    """Version of brainbench."""
    return metadata.version("brainbench")


@cache
def packages() -> dict[str, str]:
    """Versions of the packages that matter to a number; those not installed are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def git_state() -> tuple[str, bool | None]:
    """Revision of a checkout and whether it has uncommitted changes; ("", None) elsewhere."""
    try:
        revision = _git("rev-parse", "HEAD")
        return revision, bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return "", None


def _git(*arguments: str) -> str:
    if not (ROOT / ".git").exists():
        raise FileNotFoundError(ROOT / ".git")
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()


def environment(device: str, threads: int, executor: str, cells: dict[str, CellCost]) -> Environment:
    """The environment block of a record."""
    revision, dirty = git_state()
    return Environment(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        host=platform.node(),
        platform=platform.platform(),
        processor=platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        device=device,
        threads=threads,
        executor=executor,
        git_revision=revision,
        git_dirty=dirty,
        packages={"python": platform.python_version(), **packages()},
        cells=cells,
    )
