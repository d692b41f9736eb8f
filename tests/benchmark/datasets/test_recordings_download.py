"""Downloads of networks: a local server of the same layout, broken lines, changed files."""

from __future__ import annotations

import http.server
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.io import savemat

from brainbench.benchmark.datasets.fetch import get
from brainbench.benchmark.datasets.recordings.importer import import_recordings
from brainbench.benchmark.datasets.recordings.netsim import NetSim, known_graph
from brainbench.benchmark.datasets.recordings.sanchez import COMMIT, SanchezRomero
from brainbench.benchmark.errors import BadData, BadOption, DataMissing, StoreError

pytest.importorskip("pooch", reason="the extra connectivity is not installed")
PADDING = np.random.default_rng(1).bytes(300_000)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves archives, with parts of them where ``ranges`` allows, and breaks lines after ``stop`` bytes."""

    files: dict[str, bytes] = {}
    asked: list[tuple[str, str]] = []
    stop: list[int] = []
    ranges = True

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.asked.append((self.path, asked))
        raw = self.files.get(self.path)
        hit = re.fullmatch(r"bytes=(\d+)-", asked) if self.ranges else None
        start = int(hit[1]) if hit else 0
        if raw is None or start > len(raw):
            self.send_error(404 if raw is None else 416)
            return
        self.send_response(206 if hit else 200)
        self.send_header("Content-Length", str(len(raw) - start))
        self.end_headers()
        stop = self.stop.pop(0) if self.stop else len(raw)
        self.wfile.write(raw[start : start + stop])


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            packed.addfile(member, io.BytesIO(raw))
    return out.getvalue()


@pytest.fixture
def server() -> Iterator[str]:
    rng = np.random.default_rng(0)
    mat = io.BytesIO()
    net = np.stack([known_graph("1") * 0.4 - np.eye(5)] * 2)
    savemat(mat, {"ts": rng.normal(size=(60, 5)), "net": net, "Nsubjects": 2, "Ntimepoints": 30, "Nnodes": 5})
    rows = "\n".join("\t".join(map(str, row)) for row in rng.normal(size=(30, 2)))
    top = "example-causal-datasets/simulated/feedbacks"
    graph = "Graph Nodes:\nX1,X2\n\nGraph Edges:\n1. X2 --> X1\n"
    Server.files = {
        "/sims.tar.gz": archive({"sims/sim1.mat": mat.getvalue(), "sims/padding": PADDING}),
        f"/{COMMIT}.tar.gz": archive(
            {
                f"{top}/data/Network1_amp/sim-01.Network1_amp.continuous.txt": f"X1\tX2\n{rows}\n".encode(),
                f"{top}/ground.truth/Network1_amp/Network1_amp.ground.truth.graph.txt": graph.encode(),
                "example-causal-datasets/real/other.txt": b"-",
            }
        ),
    }
    Server.asked, Server.stop, Server.ranges = [], [], True
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_download_then_import(tmp_path, server):
    seen: list[tuple[str, int, int]] = []
    folder = get("netsim", tmp_path / "netsim", url=server, progress=lambda *step: seen.append(step))
    assert sorted(path.name for path in folder.iterdir()) == ["checksums.json", "netsim.tar.gz"]
    size = len(Server.files["/sims.tar.gz"])
    assert seen[-1] == ("download (bytes)", size, size)
    report = import_recordings(NetSim(), folder)
    assert [found.manifest.name for found in report.installed] == ["netsim-1"]
    folder = get("sanchez", tmp_path / "sanchez", url=server)
    (found,) = import_recordings(SanchezRomero(), folder).installed
    assert found.manifest.graphs == [[(1, 0)]]


def test_what_is_there_is_not_fetched_again(tmp_path, server):
    get("netsim", tmp_path, url=server)
    get("netsim:1", tmp_path, url=server)
    assert len(Server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_line_is_continued(tmp_path, server, ranges):
    Server.stop, Server.ranges = [100_000, 50_000], ranges
    folder = get("netsim", tmp_path, url=server)
    assert [asked for _, asked in Server.asked] == ["", "bytes=100000-", f"bytes={150_000 if ranges else 50_000}-"]
    assert (folder / "netsim.tar.gz").read_bytes() == Server.files["/sims.tar.gz"]


def test_an_interrupted_download_goes_on_with_the_next_command(tmp_path, server):
    Server.stop = [100_000, 0, 0]
    with pytest.raises(DataMissing, match=r"download of .*/sims.tar.gz failed: 100000 of \d+ bytes arrived") as caught:
        get("netsim", tmp_path, url=server)
    assert "repeat the command to continue" in caught.value.hint
    assert "brainbench data import netsim PATH" in caught.value.hint
    get("netsim", tmp_path, url=server)
    assert Server.asked[-1] == ("/sims.tar.gz", "bytes=100000-")
    assert (tmp_path / "netsim.tar.gz").read_bytes() == Server.files["/sims.tar.gz"]


def test_a_part_that_is_too_long_is_fetched_anew(tmp_path, server):
    (tmp_path / ".netsim.tar.gz.part").write_bytes(b"\0" * 10**6)
    get("netsim", tmp_path, url=server)
    assert (tmp_path / "netsim.tar.gz").read_bytes() == Server.files["/sims.tar.gz"]


def test_a_changed_file_is_noticed(tmp_path, server):
    folder = get("netsim", tmp_path, url=server)
    (note,) = json.loads((folder / "checksums.json").read_text()).values()
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", note)
    (folder / "netsim.tar.gz").unlink()
    Server.files["/sims.tar.gz"] = archive({"sims/other": b"-"})
    with pytest.raises(BadData, match="not the file that was downloaded first"):
        get("netsim", folder, url=server)
    (folder / "checksums.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        get("netsim", folder, url=server)


def test_without_a_network(tmp_path, server):
    for url in ("http://127.0.0.1:9", f"{server}/nowhere"):
        with pytest.raises(DataMissing, match="failed") as caught:
            get("sanchez", tmp_path, url=url)
        assert "brainbench data import sanchez PATH" in caught.value.hint
    assert not (tmp_path / "sanchez.tar.gz").exists()


def test_what_cannot_be_fetched(tmp_path):
    with pytest.raises(BadOption, match="cdrl cannot be fetched"):
        get("cdrl", tmp_path)
    with pytest.raises(BadOption, match="mtl cannot be fetched"):
        get("mtl", tmp_path)
    with pytest.raises(BadOption, match="netsim has no atlas"):
        get("netsim", tmp_path, "cc200")
