"""Files of predictions that are made to harm their reader: each is refused by a process that holds nothing."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from brainbench.benchmark.kinds.arrays import save_arrays
from brainbench.benchmark.submitting import contents
from brainbench.benchmark.submitting.contents import unsafe, wrong_cell

ITEMS = 4


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def cell(tmp_path) -> Path:
    (tmp_path / "fold1-seed0" / "prediction").mkdir(parents=True)
    return tmp_path / "fold1-seed0"


def table(cell: Path, columns: dict, **options) -> None:
    parquet.write_table(pa.table(columns), cell / "prediction" / "values.parquet", **options)


def reasons(cell: Path) -> str:
    return "; ".join(wrong_cell(cell, ITEMS))


def test_passes_what_the_kinds_write(cell):
    table(cell, {"control": [0.1] * ITEMS, "text": ["a dog\nruns"] * ITEMS})
    save_arrays(cell / "prediction" / "scores.npz", [np.eye(3)] * ITEMS)
    np.save(cell / "prediction" / "sub-01.npy", np.zeros((10, 3), np.float32))
    (cell / "prediction" / "frames.json").write_text('{"sub-01": [10]}')
    assert unsafe([(cell, ITEMS)]) == []


def test_passes_pictures(cell):
    for k in range(ITEMS):
        Image.new("RGB", (32, 32)).save(cell / "prediction" / f"{k:06d}.png")
    assert unsafe([(cell, ITEMS)]) == []
    (cell / "prediction" / "000000.png").unlink()
    assert unsafe([(cell, ITEMS)]) == ["fold1-seed0: 3 pictures for 4 test items"]


def test_never_unpickles(cell, tmp_path):
    mark = tmp_path / "unpickled"
    bombs = np.array([Bomb(mark)] * ITEMS, dtype=object)
    np.savez(cell / "prediction" / "scores.npz", **{str(k): bombs for k in range(ITEMS)})
    np.save(cell / "prediction" / "sub-01.npy", bombs, allow_pickle=True)
    (cell / "prediction" / "frames.json").write_bytes(pickle.dumps(Bomb(mark)))
    found = unsafe([(cell, ITEMS)])
    assert len(found) == 3
    assert sum("a pickle is never read" in reason for reason in found) == 2
    assert not mark.exists()


def test_refuses_ten_million_rows_by_what_the_file_says(cell):
    table(cell, {"control": np.full(10_000_000, 0.5), "autism": np.full(10_000_000, 0.5)})
    assert (cell / "prediction" / "values.parquet").stat().st_size < 1 << 20
    assert "10,000,000 rows for 4 test items" in reasons(cell)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, None])
def test_refuses_values_that_are_not_finite(cell, value):
    table(cell, {"control": [0.5, 0.5, 0.5, value]})
    assert "NaN or infinity" in reasons(cell) or "missing values" in reasons(cell)


def test_refuses_columns_of_anything_else(cell):
    table(cell, {"control": [[1.0]] * ITEMS})
    assert "neither numbers nor texts" in reasons(cell)
    table(cell, {"control": [b"bytes"] * ITEMS})
    assert "neither numbers nor texts" in reasons(cell)
    table(cell, {f"c{k}": [0.5] * ITEMS for k in range(contents.MOST_COLUMNS + 1)})
    assert "columns" in reasons(cell)


def test_refuses_texts_that_a_terminal_obeys(cell):
    table(cell, {"text": ["a dog", "\x1b[2J", "", ""]})
    assert "control characters" in reasons(cell)


def test_refuses_a_table_that_unfolds(cell, monkeypatch):
    monkeypatch.setattr(contents, "LARGEST_VALUES", 1 << 20)
    table(cell, {"text": ["x" * (1 << 19)] * ITEMS})
    assert (cell / "prediction" / "values.parquet").stat().st_size < 1 << 17
    assert "unfolds to more than is read" in reasons(cell)


def test_a_table_that_fills_the_memory_ends_its_own_process_alone(cell, monkeypatch):
    monkeypatch.setattr(contents, "MEMORY", 900 << 20)
    table(cell, {"text": ["x"] * 256})
    assert unsafe([(cell, 256)]) == []
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 256, pa.int32()), pa.array(["x" * (4 << 20)]))
    table(cell, {"text": one}, store_schema=False, dictionary_pagesize_limit=1 << 24)
    assert (cell / "prediction" / "values.parquet").stat().st_size < 1 << 20
    (found,) = unsafe([(cell, 256)])
    assert "values.parquet" in found or "broke off" in found


@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6), (-1,), (3, 4)])
def test_refuses_arrays_that_lie_about_their_size(cell, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    lie = header.getvalue() + bytes(64)
    (cell / "prediction" / "sub-01.npy").write_bytes(lie)
    with zipfile.ZipFile(cell / "prediction" / "scores.npz", "w") as archive:
        for k in range(ITEMS):
            archive.writestr(f"{k}.npy", lie)
    found = list(wrong_cell(cell, ITEMS))
    assert len(found) == 2
    assert all("bytes are not" in reason or "array" in reason for reason in found)


def test_refuses_archives_of_other_arrays(cell):
    np.savez(cell / "prediction" / "scores.npz", *[np.eye(3)] * ITEMS)  # arr_0 ...
    assert "not numbered" in reasons(cell)
    save_arrays(cell / "prediction" / "scores.npz", [np.eye(3)] * (ITEMS + 1))
    assert "5 arrays for 4 test items" in reasons(cell)


def test_refuses_an_npz_that_unfolds(cell, monkeypatch):
    monkeypatch.setattr(contents, "LARGEST_VALUES", 1 << 20)
    save_arrays(cell / "prediction" / "scores.npz", [np.zeros((400, 400))] * ITEMS)
    assert "unfolds to more than is read" in reasons(cell)


def test_refuses_pictures_of_any_size_and_other_formats(cell):
    for k in range(ITEMS):
        Image.new("RGB", (4000, 4000)).save(cell / "prediction" / f"{k:06d}.png")
    assert "4000 x 4000 pixels" in reasons(cell)
    Image.new("RGB", (32, 32)).save(cell / "prediction" / "000000.png", format="GIF")
    (cell / "prediction" / "000001.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "000000.png" in reasons(cell)
    assert "000001.png" in reasons(cell)


@pytest.mark.parametrize("name", ["values.parquet", "scores.npz", "sub-01.npy", "000000.png", "frames.json"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PK\x05\x06", b"\x93NUMPY", bytes(1000), b"[" * 100_000])
def test_refuses_damaged_files(cell, name, content):
    (cell / "prediction" / name).write_bytes(content)
    assert name in reasons(cell) or "pictures" in reasons(cell)


def test_says_that_there_are_none(cell):
    assert unsafe([(cell, ITEMS)]) == ["fold1-seed0: no predictions"]


def test_a_reader_that_is_killed_is_a_reason(cell, monkeypatch, tmp_path):
    table(cell, {"control": [0.5] * ITEMS})
    monkeypatch.setattr(contents.sys, "executable", "/bin/false")
    assert "broke off" in unsafe([(cell, ITEMS)])[0]
