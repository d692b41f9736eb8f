"""The public copies of NetSim and the feedback networks, read whole."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.datasets.recordings.checks import check_recordings
from brainbench.benchmark.datasets.recordings.importer import import_recordings
from brainbench.benchmark.datasets.recordings.netsim import NetSim
from brainbench.benchmark.datasets.recordings.sanchez import SanchezRomero
from brainbench.benchmark.home import cohorts

USABLE = ["1", "2", "3", "4", "5", "10", "11", "12", "14", "15", "17", "18", "21", "23", "25", "26", "27"]
EDGES = {"1": 6, "2": 7, "3": 7, "4": 19, "5": 5, "6": 8, "7": 6, "8": 9, "9": 10}
"""Number of a feedback network -> its edges."""

FRAMES = {"5": 1200, "25": 100, "26": 50, "27": 50}


@pytest.fixture
def netsim(shared: Path) -> Path:
    return shared / "netsim_smith2011"


def test_netsim(netsim):
    start = time.perf_counter()
    report = import_recordings(NetSim(), netsim)
    seconds = time.perf_counter() - start
    assert [found.manifest.part for found in report.installed] == USABLE
    assert list(report.failed) == ["13"]
    assert "its subjects have different graphs" in report.failed["13"]
    assert report.missing == ["6", "7", "8", "9", "16", "19", "20", "22", "24", "28"]
    assert len(report.left_out) == 5
    for found in report.installed:
        manifest = found.manifest
        assert (len(manifest.subjects), len(manifest.graphs), manifest.left_out) == (50, 1, {})
        assert manifest.subjects[-1].frames == FRAMES.get(manifest.part, 200)
    assert seconds < 30


def test_both_copies_of_a_simulation_are_equal(netsim, tmp_path):
    folder = tmp_path / "npy"
    folder.mkdir()
    for file in netsim.glob("fmri_sim[123]*"):
        (folder / file.name).write_bytes(file.read_bytes())
    prints = []
    for source in (netsim / "raw_mat", folder):
        report = import_recordings(NetSim("3"), source)
        prints.append(report.installed[0].manifest.fingerprint)
    assert prints[0] == prints[1]


def test_sim1_as_measured(netsim):
    import_recordings(NetSim("1"), netsim)
    data = NetSim("1").load("real")
    assert [tuple(edge) for edge in np.argwhere(data.items.read("graph", 49))] == [
        (0, 1),
        (0, 4),
        (1, 2),
        (2, 3),
        (3, 4),
    ]
    series = np.stack([data.items.read("series", row) for row in range(50)])
    links = [np.mean([np.corrcoef(values.T)[i, j] for values in series]) for i, j in ((0, 1), (1, 2), (0, 2))]
    assert 0.29 < links[0] < 0.36
    assert 0.29 < links[1] < 0.36
    assert links[2] < 0.2
    facts = check_recordings(cohorts() / "netsim-1").facts
    assert float(facts["SD"].split()[0]) == pytest.approx(2.27, abs=0.01)
    assert float(facts["lag-1 autocorrelation"].split()[0]) == pytest.approx(0.355, abs=0.01)


def test_feedback_networks(shared):
    start = time.perf_counter()
    report = import_recordings(SanchezRomero(), shared / "feedback_sanchezromero2019")
    seconds = time.perf_counter() - start
    assert len(report.installed) == 15
    assert report.missing == ["Network7_cont", "Network8_cont_amp", "Network9_cont_amp"]
    assert not report.failed
    for found in report.installed:
        manifest = found.manifest
        empty = manifest.part == "Network6_amp"
        assert len(manifest.subjects) == 60 - empty
        assert list(manifest.left_out) == ["sub-25"] * empty
        assert {subject.frames for subject in manifest.subjects} == {500}
        assert len(manifest.graphs[0]) == EDGES[manifest.part[7]]
    assert seconds < 30
    facts = check_recordings(cohorts() / "sanchez-Network4_amp").facts
    assert 0.70 < float(facts["lag-1 autocorrelation"].split()[0]) < 0.77
    assert facts["order of nodes"] == "not topological; the graph has cycles"
