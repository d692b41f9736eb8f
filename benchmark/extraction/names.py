"""Stimuli in a folder: which run of which series each file is.

Two layouts are read: that of the challenge (``stimuli/movies/<series>/<group>/<name>.mkv``,
``stimuli/transcripts/<series>/<group>/<name>.tsv``), and any folder whose files have the challenge's names in
them, such as ``friends_s01e01a_aligned-text.tsv``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import BadData, DataMissing

Modality = Literal["text", "audio", "video"]

FILMS = (".mkv", ".mp4", ".avi", ".mov", ".webm", ".mpg", ".mpeg", ".m4v")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus")
ENDINGS: dict[Modality, tuple[str, ...]] = {"text": (".tsv",), "audio": FILMS + SOUNDS, "video": FILMS}

_EPISODE = re.compile(r"s(\d{2})e\d{2}[a-z]")
_MOVIE10 = re.compile(r"(bourne|wolf|figures|life)\d{2}")
_OOD = re.compile(r"(chaplin|mononoke|passepartout|planetearth|pulpfiction|wot)\d")
_PARENTS = ("movies", "transcripts", "audio")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True)
class Stimulus:
    """A file of the stimuli.

    Attributes
    ----------
    series, group, run
        Such as friends, s1, s01e01a; the parts of the features' path.
    path
        The file.
    """

    series: str
    group: str
    run: str
    path: Path


@dataclass(frozen=True)
class Found:
    """The stimuli of a folder, and the files of the right type that are passed over, each with why."""

    stimuli: tuple[Stimulus, ...]
    passed_over: dict[Path, str]


def parse(stem: str) -> tuple[str, str, str] | None:
    """Series, group and run that a file's name tells; None where it tells none, or two different ones."""
    told = {found for part in re.split(r"[_.\s-]+", stem.lower()) if (found := _run(part))}
    return told.pop() if len(told) == 1 else None


def _run(part: str) -> tuple[str, str, str] | None:
    if hit := _EPISODE.fullmatch(part):
        return "friends", f"s{int(hit[1])}", part
    if hit := _MOVIE10.fullmatch(part):
        return "movie10", hit[1], part
    if hit := _OOD.fullmatch(part):
        return "ood", hit[1], part
    return None


def find(folder: Path, modality: Modality) -> Found:
    """The stimuli of a modality in a folder and its sub-folders, by series, group and run.

    Raises `DataMissing` where there is none, `BadData` where two files are the same run.
    """
    if not folder.is_dir():
        raise DataMissing(f"{folder}: no such folder", "give the folder of transcripts or films:  --stimuli DIR")
    stimuli: dict[tuple[str, str, str], Stimulus] = {}
    passed_over: dict[Path, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in ENDINGS[modality] or path.name.startswith("."):
            continue
        key = parse(path.stem) or _by_folders(path)
        if not path.exists():
            passed_over[path] = "a link to a file that is not here; fetch it:  datalad get"
        elif key is None:
            passed_over[path] = "its name tells no run such as s01e01a, bourne01 or chaplin1"
        elif key in stimuli:
            raise BadData(
                f"{path}: run {key[2]} is also in {stimuli[key].path}", "leave one file a run in the folder of stimuli"
            )
        else:
            stimuli[key] = Stimulus(*key, path)
    if not stimuli:
        raise DataMissing(_nothing(folder, modality, passed_over), "files are named as s01e01a, bourne01 or chaplin1")
    return Found(tuple(stimuli[key] for key in sorted(stimuli)), passed_over)


def _by_folders(path: Path) -> tuple[str, str, str] | None:
    """Of other films: the folders' names in the challenge's layout, and the last part of the file's name."""
    run = path.stem.rpartition("_")[2]
    series, group = path.parent.parent.name, path.parent.name
    inside = path.parent.parent.parent.name in _PARENTS
    return (series, group, run) if inside and all(_SAFE.fullmatch(part) for part in (series, group, run)) else None


def _nothing(folder: Path, modality: Modality, passed_over: dict[Path, str]) -> str:
    said = f"{folder}: no stimuli for {modality} ({', '.join(ENDINGS[modality])})"
    first = next(iter(passed_over.items()), None)
    return f"{said}; {len(passed_over)} files passed over, first {first[0].name}: {first[1]}" if first else said
