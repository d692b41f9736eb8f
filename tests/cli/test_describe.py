"""``brainbench describe``: scans of cohorts and files, beside a cohort, with a figure."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.datasets.cohort import Cohort, write_cohort
from brainbench.benchmark.errors import BrainbenchError
from support import reseal

ROIS = 48
NETWORKS = ("Vis", "SomMot", "Cont", "Default")


def series_of(k: int, rois: int = ROIS) -> np.ndarray:
    """A noisy scan whose networks share slow signals; every fifth person's visual network is loud in FC."""
    rng = np.random.default_rng(k)
    shared = np.cumsum(rng.normal(size=(90, 4)), axis=0)
    shared -= shared.mean(axis=0)
    own = 8 * rng.normal(size=(90, rois))
    return (shared[:, np.arange(rois) % 4] + own + 500).astype(np.float32)


def cohort(home: Path, name: str = "lab", rois: int = ROIS, people: int = 12, labels: str = "roi") -> Path:
    """A cohort of scans, two of them of the first person."""
    with write_cohort(home / "cohorts" / name, rois=rois) as writer:
        for k in range(people):
            writer.add(
                f"scan{k:02}", series_of(k, rois), {"subject": f"p{max(k, 1)}", "tr": 2.0, "diagnosis": "autism"}
            )
        writer.finish({
            "name": name, "dataset": "own", "origin": "real", "source": "a test", "importer": {}, "left_out": {},
            "atlas": {"name": f"test{rois}", "labels": [f"{labels}{k}" for k in range(rois)],
                      "networks": [NETWORKS[k % 4] for k in range(rois)]},
        })  # fmt: skip
    return home / "cohorts" / name


def describe(*arguments: object) -> tuple[str, str]:
    """What is printed, and what is said on standard error."""
    done = CliRunner().invoke(app, ["describe", *map(str, arguments)])
    if done.exception:
        raise done.exception
    return done.stdout, done.stderr


def described(*arguments: object) -> dict:
    return json.loads(describe(*arguments, "--json")[0])


@pytest.fixture
def home(own_home: Path) -> Path:
    cohort(own_home)
    return own_home


def test_a_scan_is_described_beside_the_others_of_its_cohort(home):
    text, said = describe("lab:scan03")
    assert text.startswith("Functional connectivity. Highest: ")
    assert all(lead in text for lead in ("Gradients. ", "Graph measures. ", "Signals. "))
    assert "lab:scan03 beside 11 scans of lab" in text
    assert "as the same person's: scan03" in said


def test_z_scores_are_of_the_other_peoples_scans(home):
    found = described("lab:scan00", "--family", "fc")
    others = np.stack([series_of(k) for k in range(2, 12)])  # scan01 is the same person's
    visual = np.arange(0, ROIS, 4)

    def within(series: np.ndarray) -> float:
        r = np.corrcoef(series[:, visual].T)
        return np.arctanh(r[np.triu_indices(len(visual), 1)]).mean()

    means = np.array([within(series) for series in others])
    measure = next(row for row in found["measures"] if row["name"] == "fc: within visual")
    assert found["reference_scans"] == 10
    assert measure["value"] == pytest.approx(within(series_of(0)), abs=1e-4)
    assert measure["z"] == pytest.approx((within(series_of(0)) - means.mean()) / means.std(), abs=1e-2)
    assert len(found["measures"]) == 10


@pytest.mark.parametrize("ending", [".npy", ".npz", ".1D", ".tsv", ".csv", ".txt"])
def test_a_file_is_the_same_scan(home, tmp_path, ending):
    path, series = tmp_path / f"mine{ending}", series_of(40)
    if ending == ".npy":
        np.save(path, series)
    elif ending == ".npz":
        np.savez(path, timeseries=series)
    else:
        mark = {".tsv": "\t", ".csv": ","}.get(ending, " ")
        pd.DataFrame(series, columns=[f"roi{k}" for k in range(ROIS)]).to_csv(path, sep=mark, index=False)
    found = described(path, "--cohort", "lab", "--family", "fc")
    assert any("nothing names the file's columns" in note for note in found["notes"]) == (ending in (".npy", ".npz"))
    np.save(tmp_path / "same.npy", series)
    plain = described(tmp_path / "same.npy", "--cohort", "lab", "--family", "fc", "--tr", "2")
    assert [row["z"] for row in found["measures"]] == pytest.approx([row["z"] for row in plain["measures"]], abs=1e-3)
    assert found["reference_scans"] == 12


def test_a_file_that_is_in_the_cohort_is_not_compared_with_itself(home, tmp_path):
    np.save(tmp_path / "copy.npy", series_of(5))
    found = described(tmp_path / "copy.npy", "--cohort", "lab", "--family", "fc")
    assert found["reference_scans"] == 11


def test_of_a_large_cohort_scans_are_taken_evenly_and_it_is_said(home, monkeypatch):
    monkeypatch.setattr("brainbench.benchmark.describe.reference.MOST", 6)
    text, said = describe("lab:scan03", "--family", "fc")
    assert "beside 6 scans of lab" in text
    assert "of 11 scans of lab, 6 are taken evenly" in said


def test_without_a_tr_the_bands_are_left_out_and_said(home, tmp_path):
    np.save(tmp_path / "mine.npy", series_of(40))
    text, said = describe(tmp_path / "mine.npy", "--cohort", "lab", "--family", "components")
    assert "Slow to fast power: not known. " in text
    assert "the TR is not known (give it with  --tr SECONDS)" in said
    with_tr, quiet = describe(tmp_path / "mine.npy", "--cohort", "lab", "--family", "components", "--tr", "2")
    assert "not known" not in with_tr + quiet
    unknown = described(tmp_path / "mine.npy", "--cohort", "lab", "--family", "components")
    nothing = {row["name"] for row in unknown["measures"] if row["z"] is None}
    assert nothing == {row["name"] for row in unknown["measures"] if "fALFF" in row["name"] or "slow" in row["name"]}


def test_a_twin_takes_the_place_of_a_data_set_that_is_not_installed(own_home):
    with pytest.raises(BrainbenchError, match=r"abide1-small has no scan 'x'"):
        describe("abide1:x")
    name = Cohort.open(own_home / "twins" / "abide1-small").scans().index[4]
    found = described(f"abide1:{name}", "--family", "fc")
    assert found["notes"][0] == "abide1 is not installed: its simulated twin is used, which is no brain"
    assert found["scan"] == f"abide1-small:{name}"
    assert described(f"abide1-small:{name}", "--family", "fc")["measures"] == found["measures"]


def test_labels_and_covariates_do_not_matter(home):
    before = described("lab:scan03", "--family", "fc")["measures"]
    table = pd.read_parquet(home / "cohorts" / "lab" / "scans.parquet")
    table["diagnosis"], table["age"] = "control", 99
    table.to_parquet(home / "cohorts" / "lab" / "scans.parquet")
    reseal(home / "cohorts" / "lab")
    assert described("lab:scan03", "--family", "fc")["measures"] == before


def test_wordings_differ_and_keep_the_numbers(home):
    texts = [described("lab:scan03", "--family", "fc", "--wording", n)["text"] for n in range(4)]
    numbers = [re.findall(r"[+-]\d+\.\d", text) for text in texts]
    assert len(set(texts)) > 1
    assert all(found == numbers[0] for found in numbers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lab:scan3",), "no scan 'scan3'.*did you mean .*scan03"),
        (("lab:",), "which scan of lab.*scan00"),
        (("lap:scan03",), "no cohort 'lap'.*did you mean 'lab'"),
        (("../lab:scan03",), "no cohort '../lab'"),
        (("lab:scan03", "--cohort", "nowhere"), "no cohort 'nowhere'"),
        (("lab:scan03", "--cohort", "wide"), "48 columns; wide has 24 ROIs"),
        (("lab:scan03", "--cohort", "tiny"), "tiny has 3 scans of other people; z-scores need 5"),
        (("lab:scan03", "--family", "ica"), "no family of descriptors 'ica'.*families are: fc"),
        (("lab:scan03", "--tr", "2000"), "--tr 2000: no repetition time"),
        (("lab:scan03", "--out", "x.pdf"), "the figure is a PNG"),
        (("lab",), "lab: no such file.*COHORT:SCAN"),
        (("missing.npy",), "missing.npy: no such file"),
        (("netsim-1:sub1",), "no cohort 'netsim-1'"),
    ],
)
def test_errors_say_what_to_type(home, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cohort(home, "wide", rois=24)
    cohort(home, "tiny", people=3)
    with pytest.raises(BrainbenchError, match=f"(?s){message}"):
        describe(*arguments)


def test_wrong_files_are_told(home, tmp_path):
    def fails(name: str, content: bytes | np.ndarray, message: str) -> None:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.save(path, content)
        with pytest.raises(BrainbenchError, match=message):
            describe(path, "--cohort", "lab")

    fails("short.npy", series_of(0)[:10], "10 frames, fewer than 20")
    fails("flat.npy", np.ones((60, ROIS)), "no ROI varies")
    fails("turned.npy", series_of(0).T, r"turned.npy has 90 columns; lab has 48 ROIs")
    fails("cube.npy", np.zeros((4, 5, 6)), "cube.npy")
    fails("broken.npz", b"PK\x03\x04rubbish", "broken.npz")
    fails("words.csv", b"a,b\nc,d\n", "words.csv")
    fails("scan.nii.gz", b"", "no file of a series by its ending")
    fails("evil.npy", np.array([{"a": 1}], dtype=object), "evil.npy")
    with pytest.raises(BrainbenchError, match="a folder"):
        describe(tmp_path, "--cohort", "lab")
    good = tmp_path / "good.npy"
    np.save(good, series_of(0))
    with pytest.raises(BrainbenchError, match=r"says nothing of a cohort(?s:.*)--cohort COHORT"):
        describe(good)


def test_columns_in_another_order_are_refused(home, tmp_path):
    frame = pd.DataFrame(series_of(40), columns=[f"roi{k}" for k in range(ROIS)])
    frame.iloc[:, ::-1].to_csv(tmp_path / "turned.csv", index=False)
    with pytest.raises(BrainbenchError, match="column 1 is 'roi47'; in lab it is 'roi0'"):
        describe(tmp_path / "turned.csv", "--cohort", "lab")


def test_figure(home, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "scan.png"
    found = described("lab:scan03", "--out", path)
    assert found["figure"] == str(path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    one = tmp_path / "one.png"
    describe("lab:scan03", "--family", "graph", "--out", one)
    width = [int.from_bytes(file.read_bytes()[16:20], "big") for file in (path, one)]
    assert width[0] == pytest.approx(2 * width[1], abs=2)


def test_figure_shows_the_same_z(home, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    drawn = []
    real = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), real(self, *a, **k)))
    found = {row["name"]: row["z"] for row in described("lab:scan03", "--out", tmp_path / "x.png")["measures"]}
    panels = {axes.get_title(): axes for axes in drawn[0].axes}
    matrix = panels["connectivity within and between networks"].images[0].get_array()
    names = ["visual", "somatomotor", "frontoparietal control", "default mode"]
    assert matrix[0, 0] == pytest.approx(found["fc: within visual"])
    assert matrix[3, 1] == matrix[1, 3] == pytest.approx(found["fc: between somatomotor and default mode"])
    signals = panels["signals of the networks"].images[0].get_array()
    assert signals[2, 5] == pytest.approx(found["components: fALFF of frontoparietal control"])
    bars = panels["graph of the strongest 10% of the edges"].patches
    shown = [bar.get_width() for bar in bars]
    expected = [found[f"graph: {name}"] for name in ("global efficiency", "weighted global efficiency")]
    assert shown[:2] == pytest.approx(np.clip(expected, -3, 3))
    told = [label.get_text() for label in panels["connectivity within and between networks"].get_yticklabels()]
    assert told == names


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from brainbench.benchmark.cli import app\n"
        "assert 'describe' in CliRunner().invoke(app, ['--help']).output\n"
        "CliRunner().invoke(app, ['describe', '--help'])\n"
        "print([name for name in ('torch', 'scipy', 'networkx', 'matplotlib', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_describing_needs_no_torch(home):
    code = (
        "import sys; from brainbench.benchmark.cli import app; from typer.testing import CliRunner\n"
        "done = CliRunner().invoke(app, ['describe', 'lab:scan03', '--json'])\n"
        "assert not done.exception, done.exception\n"
        "print([name for name in ('torch', 'networkx', 'nilearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
