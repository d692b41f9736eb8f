"""Fetching Algonauts 2025: a DataLad data set, so that DataLad does the work, or the commands are said."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..errors import BadData, DataMissing

URL = "https://github.com/courtois-neuromod/algonauts_2025.competitors.git"
PARTS = ("fmri", "stimuli/transcripts")
"""Fetched by `download_algonauts`: about 2.3 GB. The films are 109 GB."""

STDERR = 2
FILMS = "stimuli/movies"
INSTALL = "uv pip install datalad git-annex"


def commands(folder: Path, url: str = URL) -> list[list[str]]:
    """What brings the responses and transcripts into a folder."""
    clone = [] if (folder / ".git").exists() else [["datalad", "clone", url, str(folder)]]
    return [*clone, *(["datalad", "-C", str(folder), "get", "-r", "-J4", part] for part in PARTS)]


def download_algonauts(folder: Path, url: str | None = None) -> Path:
    """Clone the data set and fetch responses and transcripts; repeat to continue. Returns the folder.

    DataLad's own messages go to standard error. Raises `DataMissing` without DataLad or git-annex, with what to type,
    and where the server is not reached; `BadData` where the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / ".git").exists():
        raise BadData(f"{folder}: not empty, and no DataLad data set", "give another folder:  --to DIR")
    steps = commands(folder, url or URL)
    lacking = [tool for tool in ("datalad", "git-annex") if shutil.which(tool) is None]
    if lacking:
        typed = "\n  ".join([INSTALL, *(shell(step) for step in steps)])
        raise DataMissing(
            f"algonauts2025 comes through DataLad; not found here: {', '.join(lacking)}", f"type:\n  {typed}"
        )
    for step in steps:
        done = subprocess.run(step, check=False, stdout=STDERR)
        if done.returncode:
            raise DataMissing(
                f"`{shell(step)}` ended with {done.returncode}; see its messages above",
                "what has arrived stays; with a network, repeat  brainbench data get algonauts2025 --to "
                f"{folder}   or type that command",
            )
    return folder


def films_command(folder: Path) -> str:
    """What brings the films themselves."""
    return shell(["datalad", "-C", str(folder), "get", "-r", "-J4", FILMS])


def shell(step: Sequence[str]) -> str:
    """A command as one types it."""
    return shlex.join(step)
