"""Downloads: nilearn's fetcher against a local server of the same layout."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.datasets.fetch import CHECKSUMS, get
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.errors import BadData, BadOption, DataMissing, UnknownName

pytest.importorskip("nilearn", reason="the extra neuro is not installed")
IDS = [f"Pitt_{50003 + k:07d}" for k in range(4)]
QC = "qc_rater_1,qc_anat_rater_2,qc_func_rater_2,qc_anat_rater_3,qc_func_rater_3"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, notes what was asked for, and says nothing."""

    asked: list[str] = []

    def log_message(self, *args: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    root = tmp_path / "server"
    place = root / "Outputs" / "cpac" / "filt_global" / "rois_cc400"
    place.mkdir(parents=True)
    rows = [f"PITT,{50003 + k},{name},{1 + k % 2},10,1,OK,OK,OK,OK,OK" for k, name in enumerate(IDS)]
    rows.append("PITT,50099,no_filename,1,10,1,OK,OK,OK,OK,OK")
    rows.append("PITT,50098,Pitt_0050098,1,10,1,fail,OK,OK,OK,OK")
    (root / "Phenotypic_V1_0b_preprocessed1.csv").write_text(
        "\n".join([f"SITE_ID,SUB_ID,FILE_ID,DX_GROUP,AGE_AT_SCAN,SEX,{QC}", *rows]) + "\n"
    )
    for k, name in enumerate(IDS):
        values = np.random.default_rng(k).normal(size=(60, 3))
        np.savetxt(place / f"{name}_rois_cc400.1D", values, delimiter="\t", header="#1\t#2\t#3", comments="")
    Quiet.asked = []
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(root)))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_download_then_import(tmp_path, server):
    seen: list[tuple[str, int, int]] = []
    folder = get("abide1", tmp_path / "abide", url=server, progress=lambda *step: seen.append(step))
    assert seen[-1] == ("download", 4, 4)
    report = import_cohort("abide1", folder)
    assert (report.format, list(report.cohort.scans().index)) == ("abide-1d", IDS)
    assert report.rows_without_scan == ["50099", "Pitt_0050098"]
    assert len(json.loads((folder / CHECKSUMS).read_text())) == 5


def test_repeating_fetches_only_what_is_missing(tmp_path, server):
    folder = get("abide1", tmp_path / "abide", url=server)
    (gone,) = folder.rglob(f"{IDS[2]}*")
    gone.unlink()
    Quiet.asked.clear()
    get("abide1", folder, url=server)
    assert [path.rpartition("/")[2] for path in Quiet.asked] == [f"{IDS[2]}_rois_cc400.1D"]


def test_a_changed_file_is_noticed(tmp_path, server):
    folder = get("abide1", tmp_path / "abide", url=server)
    (file,) = folder.rglob(f"{IDS[1]}*")
    file.write_text(file.read_text().replace("1", "2"))
    with pytest.raises(BadData, match="not the file that was downloaded first"):
        get("abide1", folder, url=server)


def test_without_a_network(tmp_path):
    with pytest.raises(DataMissing, match="download failed") as caught:
        get("abide1", tmp_path / "abide", url="http://127.0.0.1:9")
    assert "brainbench data import abide1 PATH" in caught.value.hint


def test_an_interrupted_download_says_what_it_has(tmp_path):
    import pandas as pd

    calls = []

    def fetcher(**options: object) -> dict:
        calls.append(options)
        if options.get("SUB_ID") == 2:
            raise ConnectionError("reset by peer")
        return {"phenotypic": pd.DataFrame({"SUB_ID": [1, 2, 3]})}

    with pytest.raises(DataMissing, match="reset by peer") as caught:
        get("abide1", tmp_path, fetcher=fetcher)
    assert "1 of 3 scans have arrived and stay" in caught.value.hint
    assert [call.get("SUB_ID") for call in calls] == [None, 1, 2, 2, 2]
    assert calls[1]["derivatives"] == ["rois_cc400"]


def test_what_cannot_be_fetched(tmp_path):
    with pytest.raises(BadOption, match="abide2 cannot be fetched"):
        get("abide2", tmp_path)
    with pytest.raises(BadOption, match="no atlas 'aal'"):
        get("abide1", tmp_path, "aal")
    with pytest.raises(UnknownName):
        get("abide3", tmp_path)
