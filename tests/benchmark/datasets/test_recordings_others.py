"""Feedback networks, CDRL systems and MTL recordings, on files that the test writes."""

from __future__ import annotations

import math
import tarfile

import numpy as np
import pytest
from recordings_files import (
    CASE,
    EDGES,
    NODES,
    cdrl_folder,
    graph_text,
    installed_graph,
    pack,
    recordings,
    sanchez_files,
    table,
    values_of,
    write_files,
)

from brainbench.benchmark import home
from brainbench.benchmark.datasets.recordings.cdrl import CDRL
from brainbench.benchmark.datasets.recordings.importer import import_recordings
from brainbench.benchmark.datasets.recordings.mtl import MTL, REFERENCE
from brainbench.benchmark.datasets.recordings.netsim import NetSim
from brainbench.benchmark.datasets.recordings.sanchez import SanchezRomero, read_edges
from brainbench.benchmark.errors import BadData, BadOption, UnknownName


@pytest.mark.parametrize("packed", [False, True])
def test_feedback_networks(tmp_path, packed):
    files = sanchez_files(empty=2)
    if packed:
        graph = {name: raw for name, raw in files.items() if "ground" in name}
        write_files(tmp_path, graph)
        pack(tmp_path / f"{CASE}.tar.gz", {name: raw for name, raw in files.items() if name not in graph})
    else:
        write_files(tmp_path, files)
    report = import_recordings(SanchezRomero(), tmp_path)
    assert installed_graph(report) == {(int(i[1:]), int(j[1:])) for i, j in EDGES}
    (found,) = report.installed
    assert [subject.name for subject in found.manifest.subjects] == ["sub-01", "sub-03"]
    assert found.manifest.left_out["sub-02"].endswith("the file is empty")
    data = SanchezRomero(CASE).load("real")
    np.testing.assert_allclose(data.items.read("series", 1), recordings(nodes=6)[2], atol=1e-6)
    assert data.items.table["tr"].tolist() == [1.2, 1.2]
    assert data.items.meta == {"nodes": NODES, "truth": "generating network"}


def test_columns_are_found_by_name(tmp_path):
    files = sanchez_files(2)
    turned = table(recordings(2, nodes=6)[1][:, ::-1], NODES[::-1])
    files[f"data/{CASE}/sim-02.{CASE}.continuous.txt"] = turned.encode()
    import_recordings(SanchezRomero(), write_files(tmp_path, files))
    np.testing.assert_allclose(values_of(f"sanchez:{CASE}", 1), recordings(2, nodes=6)[1], atol=1e-6)


def test_node_counts_that_differ(tmp_path):
    files = sanchez_files(3)
    odd = table(recordings(1, nodes=5)[0], NODES[:5])
    files[f"data/{CASE}/sim-03.{CASE}.continuous.txt"] = odd.encode()
    (found,) = import_recordings(SanchezRomero(), write_files(tmp_path, files)).installed
    assert found.manifest.left_out == {"sub-03": "5 nodes (X1, X2, X3, X4, X5); the graph has 6"}


def test_graph_files_that_name_unknown_nodes(tmp_path):
    name = f"ground.truth/{CASE}/{CASE}.ground.truth.graph.txt"
    files = sanchez_files()
    other = {key.replace(CASE, "Network1_amp"): raw for key, raw in sanchez_files().items()}
    files[name] = graph_text([*NODES, "X7"], EDGES).encode()
    report = import_recordings(SanchezRomero(), write_files(tmp_path, {**files, **other}))
    assert [found.manifest.part for found in report.installed] == ["Network1_amp"]
    assert "the graph names unknown nodes: X7" in report.failed[CASE]
    with pytest.raises(BadData, match="the graph names unknown nodes: X9"):
        read_edges(graph_text(NODES, [("X1", "X9")]).encode(), "g")


@pytest.mark.parametrize(
    "text",
    [
        "Graph Edges:\n1. X1 --> X2\n",
        graph_text(["X1", "X1"], []),
        graph_text(["X1", "X2"], [("X1", "X2")]).replace("-->", "---"),
        graph_text(["X1", "X2"], [("X1", "X2")]).replace("-->", "o->"),
        graph_text(["X1", "X2"], []) + "nonsense\n",
    ],
)
def test_graph_files_of_another_kind(text):
    with pytest.raises(BadData):
        read_edges(text.encode(), "g")


def test_arrows_need_no_orientation(tmp_path):
    write_files(tmp_path, sanchez_files())
    with pytest.raises(BadOption, match="nothing to state, the graph files list edges"):
        import_recordings(SanchezRomero(), tmp_path, orientation="target-source")
    left = read_edges(graph_text(["X1", "X2"], [("X1", "X2")]).replace("-->", "<--").encode(), "g")[1]
    assert left.tolist() == [[0, 0], [1, 0]]


def test_archives_with_tricks(tmp_path):
    link = tarfile.TarInfo(f"data/{CASE}/sim-04.{CASE}.continuous.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    above = tarfile.TarInfo(f"../../sim-05.{CASE}.continuous.txt")
    hard = tarfile.TarInfo("hard.txt")
    hard.type, hard.linkname = tarfile.LNKTYPE, link.name
    pipe = tarfile.TarInfo("pipe")
    pipe.type = tarfile.FIFOTYPE
    path = pack(tmp_path / "a.tar.gz", sanchez_files(), link, above, hard, pipe)
    report = import_recordings(SanchezRomero(), path)
    (found,) = report.installed
    assert [subject.name for subject in found.manifest.subjects] == ["sub-01", "sub-02", "sub-03"]
    for member in (link, hard):
        assert report.left_out[f"a.tar.gz:{member.name}"].startswith("a link, which is not followed")
    assert report.left_out["a.tar.gz:pipe"] == "no regular file"
    assert not list(tmp_path.parent.glob("sim-05*"))


def test_a_truncated_archive_is_named_and_the_rest_goes_on(tmp_path):
    path = pack(tmp_path / "broken.tar.gz", sanchez_files())
    path.write_bytes(path.read_bytes()[:2000])
    other = {key.replace(CASE, "Network1_amp"): raw for key, raw in sanchez_files().items()}
    report = import_recordings(SanchezRomero(), write_files(tmp_path, other))
    assert [found.manifest.part for found in report.installed] == ["Network1_amp"]
    assert report.left_out["broken.tar.gz"].startswith("damaged or truncated archive")


def test_cdrl_files_have_no_known_orientation(tmp_path):
    folder = cdrl_folder(tmp_path)
    with pytest.raises(BadOption, match="orientation not stated") as caught:
        import_recordings(CDRL(), tmp_path)
    assert "--orientation source-target" in caught.value.hint
    assert installed_graph(import_recordings(CDRL(), tmp_path, orientation="source-target")) == {(1, 2), (1, 3)}
    report = import_recordings(CDRL(), folder, orientation="target-source")
    assert installed_graph(report) == {(2, 1), (3, 1)}
    data = CDRL("quad-5").load("real")
    assert (data.name, data.origin) == ("cdrl-quad-5", "public simulation")
    assert math.isnan(data.items.table["tr"].iloc[0])
    assert list(data.items.table.index)[-2:] == ["sub-10", "sub-11"]
    np.testing.assert_array_equal(data.items.read("series", 10), recordings(11, 60)[10])


def test_cdrl_folders_of_other_sizes(tmp_path):
    cdrl_folder(tmp_path, 5)
    cdrl_folder(tmp_path, 6)
    report = import_recordings(CDRL(), tmp_path, orientation="target-source")
    assert report.missing == ["quad-7"]
    assert report.left_out == {"seed42_node6_n_samples10000": "6 nodes and 11 data files: not a known part"}


def test_mtl_is_scored_against_a_reference(tmp_path):
    labels = ["CA1", "CA23DG", "SUB", "ERC", "BA35", "BA36", "PHC"]
    for side in ("left", "right"):
        files = {
            f"individual_{side}_mtl_reduced/subj_{k}.txt": table(values, labels).encode()
            for k, values in enumerate(recordings(4, nodes=7))
        }
        write_files(tmp_path, files)
    odd = table(recordings(1, nodes=7)[0], [*labels[:6], "other"])
    write_files(tmp_path, {"individual_left_mtl_reduced/subj_9.txt": odd.encode()})
    with pytest.raises(BadOption, match="TR not stated: the files of mtl do not say it"):
        import_recordings(MTL(), tmp_path)
    with pytest.raises(BadOption, match="a TR of 1000 s"):
        import_recordings(MTL(), tmp_path, tr=1000)
    with pytest.raises(BadOption, match="the TR of netsim is known"):
        import_recordings(NetSim(), tmp_path, tr=3)
    report = import_recordings(MTL(), tmp_path, tr=1.0)
    assert [found.manifest.name for found in report.installed] == ["mtl-left", "mtl-right"]
    assert installed_graph(report) == {(i, j) for i, targets in REFERENCE.items() for j in targets}
    data = MTL("left").load("real")
    reference = "reference, not truth"
    assert data.origin == "real"
    assert data.items.meta == {"nodes": labels, "truth": reference, "reference": reference}
    assert list(data.items.table.index) == ["sub-00", "sub-01", "sub-02", "sub-03"]
    assert list(report.installed[0].manifest.left_out) == ["sub-09"]


def test_the_reference_has_17_edges_and_six_pairs():
    edges = {(i, j) for i, targets in REFERENCE.items() for j in targets}
    assert len(edges) == 17
    pairs = {(i, j) for i, j in edges if (j, i) in edges and i < j}
    assert pairs == {(1, 2), (1, 3), (3, 4), (4, 5), (4, 7), (5, 6)}


def test_what_is_not_there(tmp_path):
    with pytest.raises(BadData, match=r"nowhere: neither a folder nor a \.tar\.gz archive"):
        import_recordings(NetSim(), tmp_path / "nowhere")
    with pytest.raises(BadData, match="no files of netsim:2") as caught:
        import_recordings(NetSim("2"), tmp_path)
    assert "simK.mat with ts and net" in caught.value.hint
    with pytest.raises(UnknownName, match="netsim has no part '29'"):
        NetSim("29")
    with pytest.raises(UnknownName, match=r"did you mean .*'Network6_amp'"):
        SanchezRomero("Network6_amps")
    with pytest.raises(BadOption, match="netsim has 28 parts"):
        NetSim().load("real")
    assert not home.cohorts().exists()
