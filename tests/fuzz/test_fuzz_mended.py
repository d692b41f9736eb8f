"""Inputs that crashed a reader once: each is now read, or refused by a named error."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from film_maker import make_film
from fuzz_readers import READERS
from fuzz_trials import try_on

NESTED = b"[" * 5000


def array(header: str) -> bytes:
    """A .npy file of this header and eight bytes."""
    return b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header.encode() + b"\n" + bytes(8)


def parquet(**columns: list[object]) -> bytes:
    """A table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000100000001008020000009091683600000000")[:33]
"""The beginning of a picture."""

FILES = {
    "a header that does not end": ("series .npy", array("{'descr': '<f4', 'shape': (")),
    "brackets beyond the parser's memory": ("series .npy", array("(" * 3000)),
    "a negative shape": ("pictures, .npy", array("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 3), }")),
    "a shape of terabytes": ("pictures, .npy", array("{'descr': '<f4', 'fortran_order': False, 'shape': (2**41,), }")),
    "lists too deep for a judge": ("reply of a judge", NESTED),
    "lists too deep in a note": ("note of imported weights", NESTED),
    "lists too deep in verdicts": ("judge's verdicts", NESTED),
    "an interrupted line": ("judge's interrupted run", b"\xff\n3\n" + NESTED),
    "a list of the seen that is no text": ("seen in pretraining", b"\xff"),
    "progress of no end": ("messages of a worker", b'{"progress": ["fit", 1, Infinity]}'),
    "boxes beyond floats": ("NSD, texts", json.dumps({"a": {"boxes": {"cat": [[10**400] * 4]}}}).encode()),
    "a parcel without a name": ("order of parcels", b"1\t7Networks_LH_Vis_1\n2\n3\tHIP-rh\n"),
    "photographs in a list": ("photographs: annotations/captions_val2017.json", b'{"images": 3, "annotations": []}'),
    "a box of three numbers": (
        "COCO: annotations/instances_val2017.json",
        b'{"images": [], "categories": [{"id": 7, "name": "cat"}],'
        b' "annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3]}]}',
    ),
    "probabilities that are texts": ("predictions: classification", parquet(a=["x"] * 4, b=["y"] * 4)),
    "no column of predictions": ("predictions: regression", parquet(other=[1.0])),
    "no Parquet at all": ("predictions: captioning", b"PAR1"),
    "scores that are no objects": ("predictions: questions", parquet(text=["a"], scores=["3"])),
    "starts that are texts": ("films: f/parts.parquet", parquet(run=["a"], field=["x"], start=["1"], rows=[1])),
    "a chunk of a gigabyte": ("a .png alone", PNG + bytes.fromhex("3fffffff49444154") + b"x"),
    "a cohort's type that is none": ("cohort: toy/cohort.json", b'{"dtype": "<f]"}'),
}


@pytest.mark.parametrize("case", FILES)
def test_what_crashed_once_is_refused(case: str, tmp_path: Path) -> None:
    name, content = FILES[case]
    reader = READERS[name]
    reader.seed(tmp_path)
    try_on(reader, tmp_path, content)


def test_a_path_that_is_none_is_refused(tmp_path: Path) -> None:
    reader = READERS["participants.tsv of a lab"]
    reader.seed(tmp_path)
    content = (tmp_path / reader.file).read_bytes().replace(b"b.npy", b"b\x00.npy")
    assert try_on(reader, tmp_path, content)


def test_a_film_shorter_than_a_chunk_gives_one_chunk(tmp_path: Path) -> None:
    from brainbench.benchmark.extraction.films import Sampling, clips

    film = make_film(tmp_path / "x.mkv", 0.25, lambda t: 100, fps=4, size=(16, 16))
    (clip,) = clips(film, Sampling(2, 1.0))
    np.testing.assert_allclose(clip, 100, atol=2)
