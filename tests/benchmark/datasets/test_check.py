"""`check_cohort`: each fault is planted and must be found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench.benchmark.datasets import check as module
from brainbench.benchmark.datasets.check import CheckReport, check_cohort, fingerprint
from brainbench.benchmark.datasets.cohort import Cohort, write_cohort
from brainbench.benchmark.datasets.networks import EDGES, NetworkFit, edge_values, sampled_edges
from brainbench.benchmark.errors import BadData

ROIS = 12
ATLAS = {"name": "x", "labels": [str(k) for k in range(ROIS)], "networks": []}
MANIFEST = {
    "name": "c",
    "dataset": "own",
    "origin": "real",
    "atlas": ATLAS,
    "source": "",
    "importer": {},
    "left_out": {"gone": "too short"},
}


def series(seed: int, frames: int = 80) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(frames, ROIS)) @ rng.normal(size=(ROIS, ROIS))).astype(np.float32)


def row(k: int, **more: object) -> dict:
    return {
        "subject": f"s{k}",
        "site": "AB"[k % 2],
        "age": 10.0,
        "sex": "male",
        "motion": 0.1,
        "tr": 2.0,
        "diagnosis": ("autism", "control")[k % 2],
        **more,
    }


def cohort(path: Path, scans: list[tuple[np.ndarray, dict]], atlas: dict = ATLAS) -> Path:
    with write_cohort(path, rois=len(atlas["labels"])) as writer:
        for k, (values, record) in enumerate(scans):
            writer.add(f"scan{k}", values, record)
        writer.finish({**MANIFEST, "atlas": atlas})
    return path


def sound(count: int = 8) -> list[tuple[np.ndarray, dict]]:
    return [(series(k), row(k)) for k in range(count)]


def texts(report: CheckReport, level: str) -> list[tuple[str, str]]:
    return [(finding.scan, finding.text) for finding in report.findings if finding.level == level]


def test_sound_cohort(tmp_path):
    report = check_cohort(cohort(tmp_path / "c", sound()))
    assert (report.findings, report.errors, report.scans, report.subjects) == ([], 0, 8, 8)
    assert report.left_out == {"gone": "too short"}
    assert report.by_site == [
        {"site": "A", "scans": 4, "subjects": 4, "diagnosis=autism": 4, "diagnosis=control": 0},
        {"site": "B", "scans": 4, "subjects": 4, "diagnosis=autism": 0, "diagnosis=control": 4},
    ]
    json.dumps(report.as_json())


def test_faults_of_single_scans(tmp_path):
    scans = sound()
    scans[0][0][5, 3] = np.nan
    scans[1][0][:, :2] = 4
    scans[2] = (series(2, frames=30), row(2))
    scans[3] = (scans[3][0], row(3, age=np.nan, site=""))
    scans[4] = (scans[4][0], row(4, diagnosis=None))
    scans[5] = (scans[5][0], row(5, flags="interpolated-frames:2"))
    report = check_cohort(cohort(tmp_path / "c", scans))
    assert texts(report, "error") == [("scan0", "NaN or infinity in 1 of 80 frames")]
    assert texts(report, "warning") == [
        ("scan1", "2 of 12 ROIs have zero variance; they correlate 0 with all others"),
        ("scan2", "30 frames, fewer than 50"),
        ("scan3", "site is not known"),
        ("scan3", "age is not known"),
        ("scan4", "no diagnosis"),
        ("scan5", "interpolated-frames:2"),
    ]


def test_what_nobody_has_is_said_once(tmp_path):
    scans = [(values, row(k, tr=np.nan)) for k, (values, _) in enumerate(sound())]
    ((scan, text),) = texts(check_cohort(cohort(tmp_path / "c", scans)), "warning")
    assert (scan, text.startswith("tr (seconds a frame) is not known of any scan")) == ("", True)


def test_same_content_of_two_people_is_an_error(tmp_path):
    scans = sound()
    scans[6] = (scans[2][0], row(6))
    scans[7] = (scans[3][0], row(3))
    report = check_cohort(cohort(tmp_path / "c", scans))
    assert texts(report, "error") == [("scan2", "same content as scan6"), ("scan6", "same content as scan2")]
    assert texts(report, "warning") == [("scan3", "same content as scan7"), ("scan7", "same content as scan3")]
    assert report.highest == ("scan2", "scan6", pytest.approx(1, abs=1e-5))


@pytest.mark.parametrize("block", [1024, 3])
def test_near_duplicates_of_different_people(tmp_path, monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    scans = sound()
    noise = np.random.default_rng(9).normal(size=(80, ROIS))
    scans[7] = ((scans[1][0] * 3 + 0.05 * noise).astype(np.float32), row(7))
    scans[6] = ((scans[0][0] + 0.05 * noise).astype(np.float32), row(0))
    report = check_cohort(cohort(tmp_path / "c", scans))
    ((scan, text),) = texts(report, "warning")
    assert scan == "scan7"
    assert text.startswith("near-duplicate of scan1 (subject s1): FC r = 1.000")
    assert report.highest is not None
    assert set(report.highest[:2]) == {"scan1", "scan7"}
    assert check_cohort(tmp_path / "c", similar=1.0).findings == []


def test_changed_files_are_noticed(tmp_path):
    path = cohort(tmp_path / "c", sound())
    file = path / "series.npy"
    raw = bytearray(file.read_bytes())
    raw[-5] ^= 1
    file.write_bytes(raw)
    report = check_cohort(path)
    assert texts(report, "error")[0][1].startswith("fingerprint")
    assert texts(report, "error")[1] == ("scan7", "the series is not the one that was imported")

    path = cohort(tmp_path / "d", sound())
    table = pd.read_parquet(path / "scans.parquet")
    table.loc["scan0", "diagnosis"] = "control"
    table.to_parquet(path / "scans.parquet")
    ((_, text),) = texts(check_cohort(path), "error")
    assert text.startswith("fingerprint")


def test_truncated_series_are_refused(tmp_path):
    path = cohort(tmp_path / "c", sound())
    file = path / "series.npy"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BadData, match="truncated or replaced"):
        check_cohort(path)


def test_fingerprints_correlate_like_connectivity():
    first, second = series(1), series(2)
    edges = sampled_edges(ROIS)
    a, b = fingerprint(edge_values(first, edges)), fingerprint(edge_values(second, edges))
    upper = np.triu_indices(ROIS, 1)
    expected = np.corrcoef(np.corrcoef(first.T)[upper], np.corrcoef(second.T)[upper])[0, 1]
    assert float(a @ b) == pytest.approx(expected, abs=1e-4)
    assert len(sampled_edges(400)[0]) == EDGES
    assert fingerprint(edge_values(np.zeros((80, ROIS)), edges)) is None
    assert edge_values(np.full((80, ROIS), np.nan), edges) is None


def test_fingerprint_of_a_cohort_survives_the_disk(tmp_path):
    scans = sound()
    scans[0] = (scans[0][0], row(0, diagnosis=None, age=1 / 3, motion=np.nan))
    path = cohort(tmp_path / "c", scans)
    assert check_cohort(path).errors == 0
    again = cohort(tmp_path / "e", scans)
    assert Cohort.open(path).manifest.fingerprint == Cohort.open(again).manifest.fingerprint


def networked(seed: int, networks: list[str]) -> np.ndarray:
    """A series in which ROIs of one network share a signal."""
    rng = np.random.default_rng(seed)
    shared = {name: rng.normal(size=80) for name in sorted(set(networks))}
    return np.stack([shared[name] + 2 * rng.normal(size=80) for name in networks], axis=1).astype(np.float32)


def test_networks_that_do_not_fit_are_noticed(tmp_path):
    right = [name for name in ("Vis", "Default", "Cont") for _ in range(10)]
    shuffled = [str(name) for name in np.random.default_rng(0).permutation(right)]
    scans = [(networked(k, right), row(k)) for k in range(8)]
    atlas = {"name": "x", "labels": [str(k) for k in range(30)], "networks": right}
    assert check_cohort(cohort(tmp_path / "right", scans, atlas)).findings == []
    report = check_cohort(cohort(tmp_path / "wrong", scans, {**atlas, "networks": shuffled}))
    ((scan, text),) = texts(report, "warning")
    assert scan == ""
    assert text.startswith("the atlas's networks do not fit the series: mean r 0.0")
    assert text.endswith("--atlas-table FILE")


def test_mean_fc_within_and_between_networks():
    networks = ["A"] * 12 + ["B"] * 12 + ["Other"] * 4
    series = networked(0, networks)
    fit = NetworkFit(networks)
    fit.add(series)
    fit.add(np.full_like(series, np.nan))
    r = np.corrcoef(series.T)
    blocks = [r[:12, :12][np.triu_indices(12, 1)], r[12:24, 12:24][np.triu_indices(12, 1)]]
    means = fit.means()
    assert means is not None
    assert means == pytest.approx((np.mean(blocks), r[:12, 12:24].mean()), abs=1e-5)
    assert fit.problem() == ""


@pytest.mark.parametrize("networks", [[], ["Other"] * 30, ["A"] * 30, ["A", "B"] * 4])
def test_too_little_to_judge_networks(networks):
    fit = NetworkFit(networks)
    fit.add(np.random.default_rng(0).normal(size=(60, max(len(networks), 5))))
    assert (fit.means(), fit.problem()) == (None, "")
