"""Predictions of responses on disk: what comes back is what was saved, and a folder from elsewhere is not trusted."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.errors import BadData
from brainbench.benchmark.kinds import get_kind

VALUES = np.arange(30, dtype=np.float32).reshape(10, 3)
LENGTHS = json.dumps({"sub-01": [4, 0, 6]})


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text.encode() + b"\n"


def told(descr: str, shape: str) -> bytes:
    return header(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}")


def folder(path: Path, lengths: str, content: bytes) -> Path:
    (path / "frames.json").write_text(lengths)
    (path / "sub-01.npy").write_bytes(content)
    (path / "sub-02.npy").write_bytes(content)
    return path


def test_what_was_saved_comes_back(tmp_path):
    kind = get_kind("encoding")
    made = [{"sub-01": VALUES[:4]}, {"sub-02": VALUES[:2]}, {"sub-01": VALUES[4:], "sub-02": VALUES[2:3]}]
    kind.save(made, tmp_path, None)
    found = kind.load(tmp_path, None)
    assert [sorted(run) for run in found] == [sorted(run) for run in made]
    for run, other in zip(found, made, strict=True):
        for subject, values in other.items():
            np.testing.assert_array_equal(run[subject], values)


BROKEN = {
    "no file": (LENGTHS, b""),
    "archive": (LENGTHS, b"PK\x03\x04" + bytes(60)),
    "objects": (LENGTHS, told("|O", "(10, 3)")),
    "past the end": (LENGTHS, told("<f4", "(10, 3)") + bytes(100)),
    "more than can be": (LENGTHS, told("<f4", f"({10**30}, 3)")),
    "less than nothing": (LENGTHS, told("<f4", "(-10, 3)")),
    "open header": (LENGTHS, header("{'descr': '<f4', 'fortran_order': False, 'shape': (10, 3), ")),
    "brackets": (LENGTHS, header("(" * 5000)),
    "deep header": (LENGTHS, header("[" * 4000 + "]" * 4000)),
    "another order": (LENGTHS, npy(VALUES.astype(">f4"))),
    "doubles": (LENGTHS, npy(VALUES.astype(float))),
    "one axis": (LENGTHS, npy(VALUES[:, 0])),
    "other lengths": (json.dumps({"sub-01": [4, 5]}), npy(VALUES)),
    "negative lengths": (json.dumps({"sub-01": [-1, 11]}), npy(VALUES)),
    "endless run": ('{"sub-01": [Infinity]}', npy(VALUES)),
    "uneven": (json.dumps({"sub-01": [4, 6], "sub-02": [10]}), npy(VALUES)),
    "a list": ("[10]", npy(VALUES)),
    "deep": ("[" * 100_000, npy(VALUES)),
    "elsewhere": (json.dumps({"../sub-01": [10]}), npy(VALUES)),
    "null": (json.dumps({"sub-01\0": [10]}), npy(VALUES)),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_folder_from_elsewhere_is_refused_and_nothing_else_is_raised(tmp_path, kind):
    with pytest.raises(BadData, match="not predictions of responses"):
        get_kind("encoding").load(folder(tmp_path, *BROKEN[kind]), None)
