"""The Codabench file: what is written is accepted, and what is broken is refused with the reason."""

from __future__ import annotations

import io
import os
import pickle
import re
import stat
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench.benchmark.datasets import codabench
from brainbench.benchmark.datasets.codabench import (
    FILES,
    SUBJECTS,
    Expected,
    check_submission,
    phase_of,
    rows_from,
    rows_of,
    write_submission,
)
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.items import Items

OOD = FILES["ood"]
ROWS = {subject: {"chaplin1": 12, "chaplin2": 9 + k, "wot1": 7} for k, subject in enumerate(SUBJECTS)}
EXPECTED = Expected("ood", ROWS, "the test")


def predictions() -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return {
        subject: {run: rng.normal(size=(rows, 1000)).astype(np.float32) for run, rows in runs.items()}
        for subject, runs in ROWS.items()
    }


def zipped(path: Path, content: object, name: str = OOD, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """As somebody else would make it."""
    held = io.BytesIO()
    if isinstance(content, bytes):
        held.write(content)
    else:
        np.save(held, content, allow_pickle=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, held.getvalue())
    return path


def test_what_is_written_is_accepted_and_holds_every_value(tmp_path):
    path, made = tmp_path / "ood.zip", predictions()
    write_submission(path, made, "ood")
    accepted = check_submission(path, EXPECTED)
    assert (accepted.phase, accepted.runs, accepted.simulated, accepted.notes) == ("ood", 3, False, ())
    assert accepted.rows == sum(sum(runs.values()) for runs in ROWS.values())
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [OOD]
        found = np.load(io.BytesIO(archive.read(OOD)), allow_pickle=True).item()  # as the organisers read it
    assert list(found) == list(SUBJECTS)
    for subject, runs in made.items():
        assert {type(values) for values in found[subject].values()} == {np.ndarray}
        for run, values in runs.items():
            np.testing.assert_array_equal(found[subject][run], values)


def test_the_same_predictions_give_the_same_bytes_from_disk_or_memory(tmp_path):
    first, made = tmp_path / "a.zip", predictions()
    write_submission(first, made, "ood")
    for subject, runs in made.items():
        for run, values in runs.items():
            np.save(tmp_path / f"{subject}-{run}.npy", values)
            runs[run] = np.load(tmp_path / f"{subject}-{run}.npy", mmap_mode="r")
    write_submission(tmp_path / "b.zip", made, "ood")
    assert first.read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert check_submission(tmp_path / "b.zip", EXPECTED).rows


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_file_made_by_numpy_and_zipfile_is_accepted(method, tmp_path):
    assert check_submission(zipped(tmp_path / "a.zip", predictions(), method=method), EXPECTED).runs == 3


def with_(subject: str = "sub-02", run: str = "wot1", **change) -> dict:
    made = predictions()
    made[subject][run] = change["to"](made[subject][run])
    return made


def without(subject: str, run: str | None = None) -> dict:
    made = predictions()
    if run:
        del made[subject][run]
    else:
        del made[subject]
    return made


def holed(values: np.ndarray) -> np.ndarray:
    out = values.copy()
    out[3, 17] = np.nan
    out[4, 0] = np.inf
    return out


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {self.path}",)

    def __init__(self, path):
        self.path = path


BROKEN = {
    "a subject is missing": (without("sub-05"), "subject missing: 'sub-05'"),
    "a subject too many": ({**predictions(), "sub-04": predictions()["sub-01"]}, "subject not expected: 'sub-04'"),
    "a run is missing": (without("sub-03", "chaplin2"), "sub-03: run missing: 'chaplin2'"),
    "a run by another name": (
        {**predictions(), "sub-01": {"chaplin1": 0, "chaplin2": 0, "s07e01a": 0}},
        "sub-01: run not expected: 's07e01a'",
    ),
    "one TR too many": (with_(to=lambda x: np.vstack([x, x[:1]])), "sub-02, wot1: 8 TRs where 7 are expected"),
    "999 columns": (with_(to=lambda x: x[:, :999]), r"shape (7, 999); expected (7, 1000)"),
    "transposed": (with_(to=lambda x: x.T.copy()), "shape (1000, 7)"),
    "float64": (with_(to=lambda x: x.astype(float)), "values of type float64, not float32"),
    "big-endian": (with_(to=lambda x: x.astype(">f4")), "type >f4"),
    "NaN": (with_(to=holed), "2 values are not finite, the first at TR 3, parcel 17"),
    "a list of lists": (with_(to=lambda x: x.tolist()), "in no array, as in a list"),
    "a dictionary of runs only": (predictions()["sub-01"], "subjects missing"),
    "no dictionary": (np.zeros((3, 1000), np.float32), "not one dictionary"),
    "a subject without runs": ({**predictions(), "sub-01": 7}, "sub-01: int, not a dictionary"),
    "a plain pickle": (pickle.dumps(predictions()), "not a .npy file"),
    "an empty file": (b"", "not a .npy file"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken_content_is_refused_with_the_reason(name, tmp_path):
    content, message = BROKEN[name]
    with pytest.raises(BadData) as error:
        check_submission(zipped(tmp_path / "a.zip", content), EXPECTED)
    assert message in str(error.value)


def archive_of(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("../" + OOD, b"x")], "a path, not the bare name"),
        ([("/tmp/" + OOD, b"x")], "a path, not the bare name"),
        ([("C:\\" + OOD, b"x")], "a path, not the bare name"),
        ([("submission/" + OOD, b"x")], "a path, not the bare name"),
        ([("predictions.npy", b"x")], f"not {OOD}"),
        ([(FILES["friends"], b"x")], f"not {OOD}"),
        ([(OOD, b"x"), ("__MACOSX/._" + OOD, b"x")], "holds 2 files"),
        ([(f"{k}.npy", b"") for k in range(100)], "an archive of 100 files"),
        ([], "holds 0 files"),
        ([(OOD, b"PK\x03\x04")], "not a .npy file"),
    ],
)
def test_other_archives_are_refused_with_the_reason(members, message, tmp_path):
    with pytest.raises(BadData) as error:
        check_submission(archive_of(tmp_path / "a.zip", *members), EXPECTED)
    assert message in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_pickle_that_calls_is_refused_and_nothing_ran(tmp_path):
    made = predictions()
    made["sub-01"]["wot1"] = Evil(tmp_path / "ran")
    with pytest.raises(BadData, match="system"):
        check_submission(zipped(tmp_path / "a.zip", made), EXPECTED)
    assert not (tmp_path / "ran").exists()


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(OOD, "w", force_zip64=True) as file:
        for _ in range(100):
            file.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(BadData, match="unpacks to 100 MB"):
        check_submission(path, EXPECTED)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size_is_read_no_further(tmp_path):
    path = tmp_path / "a.zip"
    held = io.BytesIO()
    np.save(held, predictions(), allow_pickle=True)
    real = held.getvalue() + bytes(50 * 2**20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(OOD, real)
    size = len(held.getvalue()).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(len(real).to_bytes(4, "little"), size))
    tracemalloc.start()
    with pytest.raises(BadData, match="damaged"):
        check_submission(path, EXPECTED)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def member(path: Path, **attributes) -> Path:
    info = zipfile.ZipInfo(OOD)
    for name, value in attributes.items():
        setattr(info, name, value)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"/etc/passwd")
    return path


def test_links_passwords_and_other_packings_are_refused(tmp_path):
    link = member(tmp_path / "link.zip", external_attr=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(BadData, match="a link"):
        check_submission(link, EXPECTED)
    locked = member(tmp_path / "locked.zip")
    raw = bytearray(locked.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    locked.write_bytes(raw)
    with pytest.raises(BadData, match="encrypted"):
        check_submission(locked, EXPECTED)
    with pytest.raises(BadData, match="packed by method 14"):
        check_submission(zipped(tmp_path / "l.zip", predictions(), method=zipfile.ZIP_LZMA), EXPECTED)


@pytest.mark.parametrize("cut", [1, 30, 2000, -40])
def test_a_truncated_or_changed_archive_is_refused(cut, tmp_path):
    path = zipped(tmp_path / "a.zip", predictions())
    raw = bytearray(path.read_bytes())
    if cut < 0:
        raw[len(raw) // 2] ^= 0xFF
    else:
        raw = raw[: len(raw) - cut]
    path.write_bytes(raw)
    with pytest.raises(BadData):
        check_submission(path, EXPECTED)


def test_a_list_of_files_of_any_length_is_not_read(tmp_path):
    path = archive_of(tmp_path / "a.zip", *((f"{k}", b"") for k in range(3)))
    raw = path.read_bytes()
    place = raw.rfind(b"PK\x05\x06")
    path.write_bytes(raw[: place + 12] + (2**31).to_bytes(4, "little") + raw[place + 16 :])
    with pytest.raises(BadData, match="an archive"):
        check_submission(path, EXPECTED)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"not a zip", b"PK\x05\x06" * 9])
def test_no_zip_at_all(content, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(BadData, match="not a zip file"):
        check_submission(path, EXPECTED)
    with pytest.raises(BadData, match="no such file"):
        check_submission(tmp_path / "none.zip", EXPECTED)


def test_all_reasons_are_told_at_once_and_the_list_ends(tmp_path):
    made = {
        subject: {run: values.astype(float) for run, values in runs.items()} for subject, runs in predictions().items()
    }
    del made["sub-05"]
    with pytest.raises(BadData) as error:
        check_submission(zipped(tmp_path / "a.zip", made), EXPECTED)
    text = str(error.value)
    assert text.count("not float32") == 7
    assert "subject missing: 'sub-05'" in text
    assert "and 2 more" in text
    assert "comes from the test" in text


def test_what_is_hardly_meant_is_noted(tmp_path):
    made = predictions()
    made["sub-02"]["wot1"] = np.ones((7, 1000), np.float32)
    made["sub-01"]["chaplin1"][:, 5] = 3
    path = tmp_path / "a.zip"
    write_submission(path, made, "ood")
    assert check_submission(path, EXPECTED).notes == (
        "sub-01: 1 of 3,000 series of parcels never change, and score 0",
        "sub-02: 1,000 of 3,000 series of parcels never change, and score 0",
    )
    same = {subject: {"wot1": made["sub-01"]["wot1"]} for subject in SUBJECTS}
    write_submission(path, same, "ood", simulated=True)
    accepted = check_submission(path, Expected("ood", {subject: {"wot1": 7} for subject in SUBJECTS}, "the test"))
    assert "sub-03 and sub-05 have the same predictions" in accepted.notes
    assert accepted.simulated


def test_the_phase_is_told_by_the_name_inside(tmp_path):
    assert phase_of(zipped(tmp_path / "a.zip", b"x")) == "ood"
    assert phase_of(zipped(tmp_path / "b.zip", b"x", name="deep/" + FILES["friends"])) == "friends"
    with pytest.raises(BadData, match="Codabench takes"):
        phase_of(zipped(tmp_path / "c.zip", b"x", name="other.npy"))


def test_counts_come_from_items_files_or_json(tmp_path):
    table = pd.DataFrame(
        {"movie": ["s6", "s7", "s7", "wot"], "series": ["friends"] * 3 + ["ood"], "frames:sub-01": [5, 6, 0, 7]},
        index=["s06e01a", "s07e01a", "s07e01b", "wot1"],
    )
    items = Items(table, {}, {})
    assert rows_of(items, "friends") == {"sub-01": {"s07e01a": 6}}
    assert rows_of(items, "ood") == {"sub-01": {"wot1": 7}}
    for subject, runs in ROWS.items():
        folder = tmp_path / subject / "target_sample_number"
        folder.mkdir(parents=True)
        np.save(folder / f"{subject}_ood_fmri_samples.npy", runs, allow_pickle=True)
    assert rows_from(tmp_path, "ood") == ROWS
    with pytest.raises(BadData, match="no sample counts of sub-01, sub-02"):
        rows_from(tmp_path, "friends")
    (tmp_path / "rows.json").write_text('{"sub-01": {"wot1": 7}}')
    assert rows_from(tmp_path / "rows.json", "ood") == {"sub-01": {"wot1": 7}}
    (tmp_path / "rows.json").write_text('{"sub-01": {"wot1": "7"}}')
    with pytest.raises(BadData, match="not an object, run"):
        rows_from(tmp_path / "rows.json", "ood")


def test_reading_takes_no_more_memory_than_the_predictions(tmp_path):
    rows = {subject: {str(k): 400 for k in range(4)} for subject in SUBJECTS}
    made = {s: {run: np.ones((n, 1000), np.float32) for run, n in runs.items()} for s, runs in rows.items()}
    path = tmp_path / "a.zip"
    write_submission(path, made, "ood")
    size = 4 * 4 * 400 * 1000 * 4
    del made
    tracemalloc.start()
    assert check_submission(path, Expected("ood", rows, "the test")).rows == 6400
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.4 * size


def test_only_this_module_makes_a_pickle():
    """The exception stays one: nothing else in the package allows pickles, in or out."""
    root = Path(codabench.__file__).parents[2]
    folders = ("benchmark", "tasks", "baselines", "methods", "leaderboard")
    found = [
        str(path.relative_to(root))
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
        if re.search(r"allow_pickle=True|pickle\.(load|dump|Unpickler|Pickler)", path.read_text())
    ]
    assert found == ["benchmark/datasets/codabench.py"]
