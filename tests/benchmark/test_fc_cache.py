"""Connectivity that is kept on disk: same bits, shared, bounded, and never in the way."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark import fc, fc_cache
from brainbench.benchmark.datasets.cohort import Cohort, write_cohort
from brainbench.benchmark.datasets.erase import erase
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Scans

ROIS, SCANS = 12, 9
ATLAS = {"name": "toy", "labels": [f"roi{i}" for i in range(ROIS)]}


def write(folder: Path, seed: int = 0) -> Cohort:
    """A cohort of scans of two lengths, one of them with a dead ROI."""
    rng = np.random.default_rng(seed)
    with write_cohort(folder, rois=ROIS, dtype="float32") as writer:
        for k in range(SCANS):
            series = rng.standard_normal((40 + k % 2, ROIS)) + 5
            series[:, 3] = 1 if k == 4 else series[:, 3]
            writer.add(f"scan{k}", series, {"subject": f"person{k}"})
        writer.finish(
            {"name": folder.name, "dataset": "toy", "origin": "real", "atlas": ATLAS, "source": "made", "importer": {},
             "left_out": {}}
        )  # fmt: skip
    return Cohort.open(folder)


def scans(folder: Path) -> Scans:
    return Scans(Cohort.open(folder).items(), ())


def computed(folder: Path) -> np.ndarray:
    """Edges without the cache: of series in memory."""
    view = scans(folder)
    series = [view.series(row) for row in range(len(view))]
    return fc.edges(Scans(Items(Cohort.open(folder).items().table, {"series": series}, {"atlas": ATLAS}), ()))


@pytest.fixture
def folder(own_home: Path) -> Path:
    return write(own_home / "cohorts" / "toy").path


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch):
    """Call it, and any series that is read from then on fails the test."""

    def stop() -> None:
        def fail(self, row):
            raise AssertionError(f"scan {row} was read again")

        monkeypatch.setattr(Scans, "series", fail)

    return stop


def anew() -> None:
    """Forget what this process knows of the files, as a new process would not know it."""
    fc_cache._opened.cache_clear()


def kept(name: str) -> Path:
    (found,) = fc_cache.root().glob(f"*/{name}")
    return found


def test_a_second_look_reads_no_series_and_gives_the_same_bits(folder, untouched):
    expected = computed(folder)
    assert fc.edges(scans(folder)).tobytes() == expected.tobytes()
    untouched()
    anew()
    assert fc.edges(scans(folder)).tobytes() == expected.tobytes()
    backwards = list(range(SCANS))[::-1]
    assert fc.edges(scans(folder), backwards).tobytes() == expected[::-1].tobytes()
    np.testing.assert_array_equal(fc.edges(scans(folder), [4]), expected[4:5])


@pytest.mark.parametrize("clip", [0.05, 0.9, 0.999, fc.CLIP, 0.99999999])
def test_any_clip_is_served_with_the_bits_that_would_be_computed(folder, clip):
    view = scans(folder)
    with np.errstate(divide="ignore"):
        first = fc.edges(view, clip=clip)
        anew()
        assert fc.edges(view, clip=clip).tobytes() == first.tobytes()
        upper = np.triu_indices(ROIS, 1)
        expected = np.stack([fc.fisher_z(fc.correlation(view.series(row))[upper], clip) for row in range(SCANS)])
    assert first.tobytes() == expected.tobytes()


def test_only_series_and_the_manifest_are_read(folder):
    items = Cohort.open(folder).items()
    (folder / "scans.parquet").unlink()
    fc.edges(Scans(items, ()))
    assert kept("index.bin").stat().st_size == SCANS * fc_cache.RECORD.itemsize


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 255
    file.write_bytes(content)


DAMAGE = {
    "a bit of a row": lambda: flip(kept("edges.bin"), 700),
    "a bit of a record": lambda: flip(kept("index.bin"), fc_cache.RECORD.itemsize + 3),
    "half of the rows": lambda: kept("edges.bin").write_bytes(kept("edges.bin").read_bytes()[:1000]),
    "no rows": lambda: kept("edges.bin").unlink(),
    "half a record": lambda: kept("index.bin").write_bytes(kept("index.bin").read_bytes()[:-5]),
    "no index": lambda: kept("index.bin").unlink(),
    "rubbish": lambda: [kept(name).write_bytes(b"rubbish" * 999) for name in ("edges.bin", "index.bin")],
    "all gone": lambda: shutil.rmtree(kept("index.bin").parent),
}


@pytest.mark.parametrize("known", [False, True], ids=["new process", "same process"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_made_again(folder, damage, known, untouched):
    expected = fc.edges(scans(folder))
    damage()
    if known:  # it has read the index, and may go on without the file
        assert fc.edges(scans(folder)).tobytes() == expected.tobytes()
    anew()
    assert fc.edges(scans(folder)).tobytes() == expected.tobytes()
    anew()
    untouched()
    assert fc.edges(scans(folder)).tobytes() == expected.tobytes()


def test_several_processes_fill_it_together(folder):
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from brainbench.benchmark import fc\n"
        "from brainbench.benchmark.datasets.cohort import Cohort\n"
        "from brainbench.benchmark.kinds.scans import Scans\n"
        "view = Scans(Cohort.open(Path(sys.argv[1])).items(), ())\n"
        "rows = np.random.default_rng(int(sys.argv[2])).permutation(len(view))\n"
        "np.save(sys.argv[3], fc.edges(view, rows.tolist())[np.argsort(rows)])\n"
    )
    files = [folder.parent / f"{k}.npy" for k in range(3)]
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(folder), str(k), str(file)]) for k, file in enumerate(files)
    ]
    assert [process.wait(timeout=60) for process in started] == [0, 0, 0]
    expected = computed(folder).tobytes()
    assert all(np.load(file).tobytes() == expected for file in files)
    records = np.fromfile(kept("index.bin"), fc_cache.RECORD)
    assert len(records) == len(set(records["offset"].tolist())) == SCANS


def test_the_least_recently_used_cohort_makes_room(own_home, monkeypatch):
    monkeypatch.setattr(fc_cache, "ROWS_A_LOOK", 1)
    row = 4 * ROIS * (ROIS - 1) // 2 + fc_cache.RECORD.itemsize
    folders = [write(own_home / "cohorts" / name, seed).path for seed, name in enumerate(("one", "two", "three"))]
    fc.edges(scans(folders[0]))
    first = kept("index.bin").parent
    fc.edges(scans(folders[1]))
    monkeypatch.setattr(fc_cache, "LIMIT", int(2.5 * SCANS * row))
    os.utime(first, (1, 1))
    fc.edges(scans(folders[2]))
    left = {(one / "cohort.txt").read_text() for one in fc_cache._all()}
    assert left == {str(folders[1]), str(folders[2])}


def test_a_cohort_beyond_the_limit_is_kept_in_part(folder, monkeypatch):
    monkeypatch.setattr(fc_cache, "ROWS_A_LOOK", 1)
    monkeypatch.setattr(fc_cache, "LIMIT", 1000)
    expected = computed(folder)
    for _ in range(2):
        anew()
        assert fc.edges(scans(folder)).tobytes() == expected.tobytes()
    assert 0 < kept("edges.bin").stat().st_size <= 1000


@pytest.mark.parametrize("sign", ["a file", "no room"])
def test_where_nothing_can_be_kept_all_is_computed(folder, own_home, monkeypatch, sign):
    if sign == "a file":
        (own_home / "cache").write_text("in the way")
    else:
        monkeypatch.setattr(fc_cache, "SPARED", 1 << 60)
    expected = computed(folder)
    assert fc.edges(scans(folder)).tobytes() == expected.tobytes()
    assert not [file for file in own_home.rglob("edges.bin")]


def test_a_process_that_was_stopped_while_it_wrote_holds_up_nobody(folder, monkeypatch):
    expected = fc.edges(scans(folder), [0, 1])
    monkeypatch.setattr(fc_cache, "TRIES", 3)
    with open(kept("lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        anew()
        found = fc.edges(scans(folder))
    assert found[:2].tobytes() == expected.tobytes()
    assert found.tobytes() == computed(folder).tobytes()
    assert kept("index.bin").stat().st_size == 2 * fc_cache.RECORD.itemsize


def test_series_that_were_copied_for_a_closed_room_are_computed(folder, own_home, tmp_path):
    Cohort.open(folder).items().select(("tr", "frames", "series")).save(tmp_path / "train.parquet", whole=True)
    inside = Scans(Items.load(tmp_path / "train.parquet"), ())
    assert fc.edges(inside).tobytes() == computed(folder).tobytes()
    assert not (own_home / "cache").exists()


def test_other_content_at_the_same_place_is_not_taken_for_the_old(folder):
    old = fc.edges(scans(folder))
    first = kept("index.bin").parent
    write(folder, seed=1)
    new = fc.edges(scans(folder))
    assert new.tobytes() == computed(folder).tobytes() != old.tobytes()
    assert not first.exists()  # nothing stays of scans that are no longer there


def test_nothing_stays_of_a_cohort_from_which_a_person_is_erased(folder):
    fc.edges(scans(folder))
    erase(Cohort.open(folder), "person2")
    assert not fc_cache._all()
    assert len(fc.edges(scans(folder))) == SCANS - 1
