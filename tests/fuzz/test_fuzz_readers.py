"""Every reader of outside files on spoilt files: it reads them, or says no by a named error, soon and in little memory.

A few faults for each reader, the same at each run; `atheris_readers.py` goes on from there by hand.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import fuzz_trials
import pytest
from fuzz_mutations import sort_of, spoil
from fuzz_reader import Reader
from fuzz_readers import READERS
from fuzz_trials import try_on
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

SOUND: dict[str, bytes] = {}
"""Reader -> its sound file."""


@pytest.fixture(scope="module")
def place() -> object:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        yield Path(folder)


def sound_of(reader: Reader, folder: Path) -> bytes:
    """The sound file of a reader, in a folder that is made once. It must be read, or nothing would be tried."""
    if reader.name not in SOUND:
        folder.mkdir()
        reader.seed(folder)
        SOUND[reader.name] = (folder / reader.file).read_bytes()
        assert not try_on(reader, folder, SOUND[reader.name]), "the sound file is refused"
    return SOUND[reader.name]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_spoilt_files_are_read_or_refused_by_name(name: str, place: Path, seed: int) -> None:
    reader = READERS[name]
    folder = place / str(list(READERS).index(name))
    content = spoil(sound_of(reader, folder), sort_of(reader.file, SOUND[name]), Random(seed))
    note(f"{reader.file}: {content[:2000]!r}")
    try_on(reader, folder, content)


def reading(act: Callable[[], object]) -> Reader:
    """A reader that does something else."""
    return Reader("x", "x", lambda folder: None, lambda folder: act())


def endless() -> None:
    while True:
        pass


def test_a_crash_a_hang_and_a_blow_up_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        try_on(reading(lambda: {}["a"]), tmp_path, b"")
    with pytest.raises(MemoryError):
        try_on(reading(lambda: bytearray(3 << 30)), tmp_path, b"")
    with pytest.raises(fuzz_trials.Swollen):
        try_on(reading(lambda: b"x" * (500 << 20)), tmp_path, b"")
    monkeypatch.setattr(fuzz_trials, "SECONDS", 1)
    with pytest.raises(fuzz_trials.Hang):
        try_on(reading(endless), tmp_path, b"")
