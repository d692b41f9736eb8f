"""Recordings on disk: whole or refused, the same wherever they lie; twins; checks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark import home
from brainbench.benchmark.datasets.recordings.checks import check_recordings
from brainbench.benchmark.datasets.recordings.dataset import version_of
from brainbench.benchmark.datasets.recordings.netsim import NetSim
from brainbench.benchmark.datasets.recordings.raw import RawPart, edges, graph_of, natural, oriented
from brainbench.benchmark.datasets.recordings.store import Recordings, installed, write
from brainbench.benchmark.errors import BadData, BadOption, DataMissing, UnknownName
from brainbench.benchmark.items import Items
from brainbench.benchmark.registry import load_dataset


def part(subjects: int = 3, nodes: int = 3, tr: float = 2.0) -> RawPart:
    rng = np.random.default_rng(0)
    names = [f"sub-{k + 1:02d}" for k in range(subjects)]
    chain = np.eye(nodes, k=1, dtype=bool)
    return RawPart(
        "1",
        tuple("abcdefgh"[:nodes]),
        tr,
        {name: rng.normal(size=(20 + k, nodes)) for k, name in enumerate(names)},
        {name: chain if k else chain.T for k, name in enumerate(names)},
        left_out={"sub-09": "the file is empty"},
    )


def keep(path: Path, raw: RawPart) -> Recordings:
    how = ("source-target", "the test's")
    return write(path, raw, dataset="netsim", origin="public simulation", source="a test", orientation=how)


def test_what_is_written_is_read(tmp_path):
    raw = part()
    found = keep(tmp_path / "netsim-1", raw)
    data = found.data()
    assert data.items.table["subject"].tolist() == data.items.table["group"].tolist() == list(raw.series)
    assert data.items.table["frames"].tolist() == [[20], [21], [22]]
    for row, name in enumerate(raw.series):
        np.testing.assert_array_equal(data.items.read("series", row), raw.series[name])
        np.testing.assert_array_equal(data.items.read("graph", row), raw.graphs[name])
    assert len(found.manifest.graphs) == 2
    assert (found.path / "series.f64").stat().st_size == (20 + 21 + 22) * 3 * 8
    assert [path.name for path in installed(tmp_path)] == ["netsim-1"]
    items = tmp_path / "items.parquet"
    data.items.save(items)
    np.testing.assert_array_equal(Items.load(items).read("graph", 0), raw.graphs["sub-01"])


def test_a_folder_can_be_moved(tmp_path):
    before = keep(tmp_path / "netsim-1", part()).data()
    shutil.move(tmp_path / "netsim-1", tmp_path / "elsewhere")
    after = Recordings.open(tmp_path / "elsewhere").data()
    assert after.fingerprint == before.fingerprint
    np.testing.assert_array_equal(after.items.read("series", 1), part().series["sub-02"])


def test_the_fingerprint_is_of_the_content(tmp_path):
    prints = {keep(tmp_path / "a", part()).manifest.fingerprint, keep(tmp_path / "b", part()).manifest.fingerprint}
    assert len(prints) == 1
    other = part()
    other.graphs["sub-01"] = other.graphs["sub-02"]
    prints |= {keep(tmp_path / "a", raw).manifest.fingerprint for raw in (other, part(tr=1.0), part(2))}
    assert len(prints) == 4


def edit(path: Path, change) -> None:
    manifest = json.loads((path / "recordings.json").read_text())
    change(manifest)
    (path / "recordings.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m["graphs"][0].append([0, 2]), "edited"),
        (lambda m: m.update(tr=9.0), "edited"),
        (lambda m: m.update(origin="real"), "edited"),
        (lambda m: m["graphs"][0].append([0, 7]), "unknown node or is a loop"),
        (lambda m: m["graphs"][0].append([1, 1]), "unknown node or is a loop"),
        (lambda m: m["subjects"][0].update(frames=19), "do not follow each other"),
        (lambda m: m["subjects"].pop(), "bytes, the manifest says"),
        (lambda m: m["subjects"][1].update(name="sub-01"), "occurs twice"),
        (lambda m: m["subjects"][1].update(graph=5), "has no graph"),
        (lambda m: m.update(extra=1), "not a manifest of recordings"),
        (lambda m: m.update(tr=-1), "not a manifest of recordings"),
        (lambda m: m.update(schema_version=2), "not a manifest of recordings"),
    ],
)
def test_edited_manifests_are_refused(tmp_path, change, reason):
    keep(tmp_path / "netsim-1", part())
    edit(tmp_path / "netsim-1", change)
    with pytest.raises(BadData, match=reason):
        Recordings.open(tmp_path / "netsim-1")


def test_edited_and_truncated_series_are_refused(tmp_path):
    found = keep(tmp_path / "netsim-1", part())
    file = tmp_path / "netsim-1" / "series.f64"
    raw = bytearray(file.read_bytes())
    raw[21 * 3 * 8] ^= 1
    file.write_bytes(raw)
    with pytest.raises(BadData, match="the recording of sub-02 was edited"):
        found.data()
    assert [finding.subject for finding in check_recordings(found.path).findings] == ["sub-02"]
    file.write_bytes(raw[:-8])
    with pytest.raises(BadData, match="truncated or replaced"):
        Recordings.open(found.path)
    (found.path / "recordings.json").write_bytes(b"\xff{")
    with pytest.raises(BadData, match="not a manifest"):
        Recordings.open(found.path)
    with pytest.raises(DataMissing):
        Recordings.open(tmp_path / "nowhere")


def test_a_failed_write_leaves_what_was_there(tmp_path):
    before = keep(tmp_path / "netsim-1", part()).manifest.fingerprint
    broken = part()
    del broken.graphs["sub-03"]
    with pytest.raises(KeyError):
        keep(tmp_path / "netsim-1", broken)
    assert Recordings.open(tmp_path / "netsim-1").data().fingerprint == before
    assert [path.name for path in tmp_path.iterdir()] == ["netsim-1"]


def test_orientation_is_converted_at_the_border():
    weights = np.array([[-1, 0.4, 0], [0, -1, -0.2], [0, 0, -1]])
    assert edges(oriented(weights, "source-target")) == [(0, 1), (1, 2)]
    assert edges(oriented(weights, "target-source")) == [(1, 0), (2, 1)]
    assert edges(graph_of([(2, 0)], 3)) == [(2, 0)]
    for wrong in (np.zeros((2, 3)), np.zeros(4), np.array([[0, np.nan], [0, 0]])):
        with pytest.raises(BadData):
            oriented(wrong, "source-target")
    assert sorted(["sim10", "sim2", "a"], key=natural) == ["a", "sim2", "sim10"]


def test_twins_are_made_once_and_again_when_stale(monkeypatch):
    asked = []
    made = part()

    def simulate(self, subjects, seed, progress):
        asked.append((self.part, subjects, seed))
        return made

    monkeypatch.setattr(NetSim, "simulate", simulate)
    data = NetSim("1").load("simulated")
    assert (data.name, data.origin, data.ceilings) == ("netsim-1-small", "twin", {})
    NetSim("1").load("simulated:small")
    NetSim("1").load("simulated:full")
    NetSim("1").twin("small", seed=3)
    assert asked == [("1", 10, 0), ("1", 50, 0), ("1", 10, 3)]
    names = ["netsim-1-full", "netsim-1-small", "netsim-1-small-seed3"]
    assert sorted(path.name for path in home.twins().iterdir()) == names
    monkeypatch.setattr(NetSim, "twin_version", lambda self: "another")
    NetSim("1").load("simulated")
    assert asked[-1] == ("1", 10, 0)
    file = home.twins() / "netsim-1-small" / "series.f64"
    file.write_bytes(b"\0" * file.stat().st_size)
    NetSim("1").load("simulated")
    assert len(asked) == 5
    for wrong in ("simulated:huge", "real:small", "other"):
        with pytest.raises(BadOption):
            NetSim("1").load(wrong)
    with pytest.raises(DataMissing) as caught:
        NetSim("1").load("real")
    assert "brainbench data get netsim   then  brainbench data import netsim PATH" in caught.value.hint


def test_the_version_follows_settings_and_source():
    versions = [load_dataset(name).twin_version() for name in ("netsim:1", "netsim:1", "netsim:2", "cdrl:quad-5")]
    assert versions[0] == versions[1]
    assert len(set(versions)) == 3
    assert version_of("a", np) != version_of("a", json)


def test_parts_by_name():
    found = load_dataset("netsim:3")
    assert isinstance(found, NetSim)
    assert (found.part, found.folder, found.installed()) == ("3", "netsim-3", False)
    assert load_dataset("netsim").part == ""
    for name in ("netsim:0", "abide1:2", "nets:1"):
        with pytest.raises(UnknownName):
            load_dataset(name)


def test_check_says_what_a_reader_should_know(tmp_path):
    raw = part(4, tr=float("nan"))
    for name in raw.graphs:
        raw.graphs[name] = np.eye(3, k=1, dtype=bool)
    raw.series["sub-02"] = raw.series["sub-01"].copy()
    raw.series["sub-03"][5] = np.nan
    raw.series["sub-04"][:, 1] = 2
    report = check_recordings(keep(tmp_path / "cdrl-quad-5", raw).path)
    assert [(finding.level, finding.subject, finding.text) for finding in report.findings] == [
        ("warning", "sub-01", "the same recording as sub-02"),
        ("error", "sub-03", "NaN or infinity in 1 of 22 frames"),
        ("error", "sub-04", "node b never varies"),
    ]
    assert report.errors == 2
    assert report.facts["edges"] == "2"
    assert report.facts["frames"] == "21.2 (20 to 23)"
    assert report.facts["order of nodes"].startswith("topological")
    assert report.facts["TR"].startswith("none")
    assert report.facts["varsortability"].endswith("variances give the order away: z-score first")
    assert report.left_out == {"sub-09": "the file is empty"}
    cyclic = part(2)
    cyclic.graphs["sub-01"] = np.roll(np.eye(3, dtype=bool), 1, axis=1)
    facts = check_recordings(keep(tmp_path / "netsim-1", cyclic).path).facts
    assert facts["order of nodes"] == "not topological; the graph has cycles"
    assert (facts["distinct graphs"], facts["edges"], facts["TR"]) == (2, "2.5 (2 to 3)", "2 s")


def test_moments_of_a_known_process(tmp_path):
    rng = np.random.default_rng(0)
    raw = part(2)
    for name in raw.series:
        noise = 2 * rng.normal(size=(20_001, 3))
        raw.series[name] = noise[1:] + 0.5 * noise[:-1]
    facts = check_recordings(keep(tmp_path / "netsim-1", raw).path).facts
    assert float(facts["SD"].split()[0]) == pytest.approx(2 * 1.25**0.5, abs=0.03)
    assert float(facts["lag-1 autocorrelation"].split()[0]) == pytest.approx(0.4, abs=0.02)
