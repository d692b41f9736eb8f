"""Readers of networks: every layout on files that the test writes, orientation, and what is left out."""

from __future__ import annotations

import io
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from brainbench.benchmark import home
from brainbench.benchmark.datasets.recordings.cdrl import CDRL
from brainbench.benchmark.datasets.recordings.importer import ImportReport, import_recordings
from brainbench.benchmark.datasets.recordings.mtl import MTL, REFERENCE
from brainbench.benchmark.datasets.recordings.netsim import NetSim, known_graph
from brainbench.benchmark.datasets.recordings.parse import read_mat, read_npy, read_table
from brainbench.benchmark.datasets.recordings.raw import subject_names
from brainbench.benchmark.datasets.recordings.sanchez import SanchezRomero, read_edges
from brainbench.benchmark.errors import BadData, BadOption, UnknownName

UNIT = [(1, 2), (1, 5), (2, 3), (3, 4), (4, 5)]
"""The known graph of simulation 1."""


def matrix(edges: list[tuple[int, int]], nodes: int) -> np.ndarray:
    found = np.zeros((nodes, nodes))
    for i, j in edges:
        found[i - 1, j - 1] = 1
    return found


def recordings(subjects: int = 3, frames: int = 40, nodes: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(subjects, frames, nodes))


def write_mat(path: Path, graphs: np.ndarray, series: np.ndarray) -> Path:
    """A file as FSL has it: subjects below each other, and -1 on the diagonal of every matrix."""
    subjects, frames, nodes = series.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(
        path,
        {
            "ts": series.reshape(-1, nodes),
            "net": graphs * 0.4 - np.eye(nodes),
            "Nsubjects": subjects,
            "Ntimepoints": frames,
            "Nnodes": nodes,
        },
        do_compression=True,
    )
    return path


def write_npy(folder: Path, sim: int, graph: np.ndarray, series: np.ndarray) -> None:
    """Files as GVAR has them: (subject, node, time, 1), rows of the matrix are effects."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"fmri_sim{sim}.npy", series.transpose(0, 2, 1)[..., None])
    off = ~np.eye(len(graph), dtype=bool)
    np.savetxt(folder / f"fmri_sim{sim}_struct.csv", graph.T[off])


def write_text(folder: Path, sim: int, graph: np.ndarray, series: np.ndarray, beside: bool = False) -> None:
    """Files as BrainEC-LLM reads them: a table a subject, rows of the matrix are causes."""
    place = folder / f"sim{sim}"
    place.mkdir(parents=True)
    for k, values in enumerate(series):
        np.savetxt(place / f"{k + 1}.txt", values, delimiter="\t")
    np.savetxt((place if beside else folder) / f"ground_truth{sim}.txt", graph, delimiter="\t")


def graph_text(nodes: list[str], edges: list[tuple[str, str]]) -> str:
    lines = [f"{k + 1}. {source} --> {target}" for k, (source, target) in enumerate(edges)]
    return "\n".join(["Graph Nodes:", ",".join(nodes), "", "Graph Edges:", *lines, ""])


CASE = "Network7_amp"
NODES = [f"X{k}" for k in range(1, 7)]
EDGES = [("X1", "X2"), ("X2", "X3"), ("X3", "X4"), ("X4", "X5"), ("X5", "X2"), ("X5", "X6")]


def table(values: np.ndarray, labels: list[str]) -> str:
    rows = ["\t".join(f"{value:.6f}" for value in row) for row in values]
    return "\n".join(["\t".join(labels), *rows]) + "\n"


def sanchez_files(subjects: int = 3, empty: int = 0) -> dict[str, bytes]:
    files = {}
    for k, values in enumerate(recordings(subjects, nodes=6)):
        text = "" if k + 1 == empty else table(values, NODES)
        files[f"data/{CASE}/sim-{k + 1:02d}.{CASE}.continuous.txt"] = text.encode()
    files[f"ground.truth/{CASE}/{CASE}.ground.truth.graph.txt"] = graph_text(NODES, EDGES).encode()
    return files


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, raw in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return folder


def pack(path: Path, files: dict[str, bytes], *more: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in more:
            archive.addfile(member)
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


def installed_graph(report: ImportReport, row: int = 0, subject: int = 0) -> set[tuple[int, int]]:
    found = report.installed[row]
    return {(int(i) + 1, int(j) + 1) for i, j in np.argwhere(found.graph(found.manifest.subjects[subject]))}


def values_of(name: str, row: int) -> np.ndarray:
    dataset, _, part = name.partition(":")
    return {"netsim": NetSim, "sanchez": SanchezRomero}[dataset](part).load("real").items.read("series", row)


@pytest.mark.parametrize("layout", ["mat", "npy", "text", "text beside"])
def test_three_layouts_of_netsim_give_the_same_network(tmp_path, layout):
    graph, series = matrix(UNIT, 5), recordings()
    if layout == "mat":
        write_mat(tmp_path / "sim1.mat", np.stack([graph] * 3), series)
    elif layout == "npy":
        write_npy(tmp_path, 1, graph, series)
    else:
        write_text(tmp_path / "sims_txt", 1, graph, series, beside=layout != "text")
    report = import_recordings(NetSim(), tmp_path)
    assert installed_graph(report) == set(UNIT)
    manifest = report.installed[0].manifest
    assert manifest.orientation.found == ("target-source" if layout == "npy" else "source-target")
    assert manifest.orientation.how.startswith("documented: ")
    assert report.missing == [str(k) for k in range(2, 29)]
    data = NetSim("1").load("real")
    assert (data.name, data.origin, len(data.items)) == ("netsim-1", "public simulation", 3)
    assert list(data.items.table.index) == ["sub-01", "sub-02", "sub-03"]
    np.testing.assert_allclose(data.items.read("series", 2), series[2], atol=1e-12)
    assert data.items.read("graph", 0)[0, 4] == 1
    assert data.items.table["tr"].tolist() == [3.0] * 3
    assert data.items.table["frames"].tolist() == [[40]] * 3


def test_an_archive_is_read_without_unpacking(tmp_path):
    raw = write_mat(tmp_path / "here" / "sim1.mat", np.stack([matrix(UNIT, 5)] * 3), recordings()).read_bytes()
    out = pack(tmp_path / "sims.tar.gz", {"sims/sim1.mat": raw, "sims/readme.txt": b"-"})
    assert installed_graph(import_recordings(NetSim(), out)) == set(UNIT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "sims.tar.gz"]


@pytest.mark.parametrize(("layout", "wrong"), [("mat", "target-source"), ("npy", "source-target")])
def test_a_wrong_orientation_is_noticed(tmp_path, layout, wrong):
    graph, series = matrix(UNIT, 5), recordings()
    if layout == "mat":
        write_mat(tmp_path / "sim1.mat", np.stack([graph] * 3), series)
    else:
        write_npy(tmp_path, 1, graph, series)
    with pytest.raises(BadData, match="the reverse of simulation 1's known one: the orientation is wrong"):
        import_recordings(NetSim(), tmp_path, orientation=wrong)
    assert not NetSim("1").installed()


def test_a_stated_orientation_reads_a_turned_copy(tmp_path):
    write_mat(tmp_path / "sim1.mat", np.stack([matrix(UNIT, 5).T] * 3), recordings())
    with pytest.raises(BadData, match="the orientation is wrong"):
        import_recordings(NetSim(), tmp_path)
    report = import_recordings(NetSim(), tmp_path, orientation="target-source")
    assert installed_graph(report) == set(UNIT)
    assert report.installed[0].manifest.orientation.how == "stated by --orientation"
    with pytest.raises(BadOption, match="no orientation 'rows'"):
        import_recordings(NetSim(), tmp_path, orientation="rows")


def test_another_graph_is_refused(tmp_path):
    write_mat(tmp_path / "sim1.mat", np.stack([matrix([*UNIT[:-1], (2, 5)], 5)] * 3), recordings())
    with pytest.raises(BadData, match="sub-01: the graph is not the known one of simulation 1"):
        import_recordings(NetSim(), tmp_path)


def test_known_graphs_are_those_of_the_paper():
    def listed(part: int) -> set[tuple[int, int]]:
        return {(int(i) + 1, int(j) + 1) for i, j in np.argwhere(known_graph(str(part)))}

    counts = [int(known_graph(str(k)).sum()) for k in range(1, 29)]
    assert counts == [5, 11, 18, 61, 5, 11, 5, 5, 5, 5, 11, 11, 5, 5, 5, 7, 11, *[5] * 11]
    assert listed(1) == listed(13) == set(UNIT)
    assert listed(14) == {*UNIT, (5, 1)} - {(1, 5)}
    assert listed(16) == {*UNIT, (2, 4), (3, 5)}
    assert listed(2) == {*UNIT, *((i + 5, j + 5) for i, j in UNIT), (3, 8)}
    assert {(3, 8), (3, 13), (8, 13)} < listed(3)


def test_simulation_13_needs_the_graph_of_every_subject(tmp_path):
    own = [matrix(UNIT, 5), matrix([*UNIT, (2, 1)], 5), matrix([*UNIT, (2, 1), (5, 4)], 5)]
    write_npy(tmp_path / "npy", 13, own[0], recordings())
    write_mat(tmp_path / "mat" / "sim13.mat", np.stack(own), recordings())
    with pytest.raises(BadData, match=r"its subjects have different graphs.*sim13.mat"):
        import_recordings(NetSim(), tmp_path / "npy")
    report = import_recordings(NetSim(), tmp_path)
    assert len(report.installed[0].manifest.graphs) == 3
    assert installed_graph(report, subject=2) == {*UNIT, (2, 1), (5, 4)}
    graphs = [NetSim("13").load("real").items.read("graph", row).sum() for row in range(3)]
    assert graphs == [5, 6, 7]
    write_mat(tmp_path / "mat" / "sim13.mat", np.stack([graph.T for graph in own]), recordings())
    with pytest.raises(BadData, match="the orientation is wrong"):
        import_recordings(NetSim(), tmp_path / "mat")


def test_several_simulations_and_the_best_copy_of_each(tmp_path):
    series = recordings(nodes=10)
    edges = [(int(i) + 1, int(j) + 1) for i, j in np.argwhere(known_graph("2"))]
    write_npy(tmp_path, 2, matrix(edges, 10), series)
    write_npy(tmp_path, 10, matrix(UNIT, 5), recordings())
    write_mat(tmp_path / "raw" / "sim2.mat", np.stack([matrix(edges, 10)] * 3), series)
    (tmp_path / "timeseries7.csv").write_text("0,1\n1,2\n")
    report = import_recordings(NetSim(), tmp_path)
    assert [found.manifest.name for found in report.installed] == ["netsim-2", "netsim-10"]
    assert report.installed[0].manifest.source == "simK.mat with ts and net: raw/sim2.mat"
    assert report.notes == ["netsim-2: also found as fmri_sim2.npy, which is not used"]
    assert report.left_out["timeseries7.csv"].startswith("one subject is not a simulation")
    only = import_recordings(NetSim("10"), tmp_path)
    assert ([found.manifest.name for found in only.installed], only.missing) == (["netsim-10"], [])


def test_a_damaged_copy_gives_way_to_another(tmp_path):
    write_npy(tmp_path, 1, matrix(UNIT, 5), recordings())
    mat = write_mat(tmp_path / "sim1.mat", np.stack([matrix(UNIT, 5)] * 3), recordings())
    mat.write_bytes(mat.read_bytes()[:200])
    report = import_recordings(NetSim(), tmp_path)
    assert report.installed[0].manifest.source.endswith("fmri_sim1.npy")
    assert "another copy was used, because sim1.mat: cannot be read as a MATLAB file" in report.notes[0]


def test_subjects_that_cannot_be_used_are_named(tmp_path):
    graph, series = matrix(UNIT, 5), recordings(6)
    series[1, 3:5, 0] = np.nan
    series[2, :, 3] = 7
    write_text(tmp_path, 1, graph, series)
    np.savetxt(tmp_path / "sim1" / "4.txt", series[3, :, :4], delimiter="\t")
    (tmp_path / "sim1" / "5.txt").write_text("1\t2\t3\t4\t5\n1\t2\n")
    np.savetxt(tmp_path / "sim1" / "6.txt", recordings(1, 5, 40)[0], delimiter="\t")
    (found,) = import_recordings(NetSim(), tmp_path).installed
    assert [subject.name for subject in found.manifest.subjects] == ["sub-01"]
    reasons = found.manifest.left_out
    assert reasons["sub-02"] == "NaN or infinity in 2 of 40 frames"
    assert reasons["sub-03"] == "node 4 never varies"
    assert reasons["sub-04"] == "4 nodes, its graph has 5"
    assert reasons["sub-05"].startswith("sim1/5.txt: not a table of numbers")
    assert reasons["sub-06"] == "40 nodes, its graph has 5; it looks transposed: expected (time, node)"


def test_one_subject_is_not_a_simulation(tmp_path):
    write_mat(tmp_path / "sim1.mat", matrix(UNIT, 5)[None], recordings(1))
    with pytest.raises(BadData, match="one subject is not a simulation"):
        import_recordings(NetSim(), tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ts": np.zeros((7, 5))}, "do not fit 3 subjects of 40 frames"),
        ({"net": np.zeros((3, 5, 4))}, "do not fit 3 subjects"),
        ({"net": np.array([[1, "x"]], dtype=object)}, "'net' is no array of numbers"),
        ({"ts": "text"}, "'ts' is no array of numbers"),
        ({"Nsubjects": None}, "no variable 'Nsubjects'"),
        ({"Nsubjects": np.arange(3)}, "not single numbers"),
    ],
)
def test_odd_matlab_files(tmp_path, change, reason):
    good = {"ts": np.ones((120, 5)), "net": np.zeros((3, 5, 5)), "Nsubjects": 3, "Ntimepoints": 40}
    savemat(tmp_path / "sim1.mat", {key: value for key, value in {**good, **change}.items() if value is not None})
    with pytest.raises(BadData, match=reason):
        import_recordings(NetSim(), tmp_path)


def test_object_arrays_are_refused(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BadData, match=r"x\.npy: an array of Python objects, which is refused"):
        read_npy(file.getvalue(), "x.npy")
    write_npy(tmp_path, 1, matrix(UNIT, 5), recordings())
    (tmp_path / "fmri_sim1.npy").write_bytes(file.getvalue())
    with pytest.raises(BadData, match="an array of Python objects"):
        import_recordings(NetSim(), tmp_path)


@pytest.mark.parametrize("fortran", [False, True])
def test_npy_sizes_are_checked_before_anything_is_made(fortran):
    file = io.BytesIO()
    values = np.arange(12, dtype="<f4").reshape(3, 4)
    np.save(file, np.asfortranarray(values) if fortran else values)
    np.testing.assert_array_equal(read_npy(file.getvalue(), "x"), values)
    with pytest.raises(BadData, match="truncated"):
        read_npy(file.getvalue()[:-1], "x")
    huge = file.getvalue().replace(b"(3, 4)", b"(3, 4000000000)")
    with pytest.raises(BadData, match=r"truncated|not a \.npy file"):
        read_npy(huge, "x")
    with pytest.raises(BadData, match=r"not a \.npy file"):
        read_npy(b"PK\x03\x04", "x")


def test_matlab_files_of_any_bytes(tmp_path):
    raw = write_mat(tmp_path / "sim1.mat", np.stack([matrix(UNIT, 5)] * 3), recordings()).read_bytes()
    for cut in range(0, len(raw), 997):
        with pytest.raises(BadData):
            read_mat(raw[:cut], "x", ("ts", "net"))


def test_tables_of_any_style():
    for text in ("a\tb\n1\t2\n3\t4\n", "a,b\n1,2\n3,4\n", '"a" "b"\n1 2\n3 4\n', "\na  b\n1  2\n\n3  4"):
        labels, values = read_table(text.encode(), "x")
        assert labels == ("a", "b")
        assert values.tolist() == [[1, 2], [3, 4]]
    assert read_table(b"1\t2\n3\tnan\n", "x")[0] == ()
    assert read_table(b"1 2\n3 4\n", "x", header=True)[1].tolist() == [[3, 4]]
    for text in (b"", b"a b\n", b"a b\n1 2 3\n", b"a a\n1 2\n", b"1 2\n3\n", b"a b\n1 x\n", b"\xff\xfe\x00"):
        with pytest.raises(BadData):
            read_table(text, "x")


def test_subject_names():
    assert subject_names(["1", "10", "2"]) == ["sub-01", "sub-10", "sub-02"]
    assert subject_names(["data1", "data2"]) == ["sub-01", "sub-02"]
    assert subject_names(["s1_r1", "s2_r1"]) == ["s1_r1", "s2_r1"]
    assert subject_names(["a1", "b1"]) == ["a1", "b1"]


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
    path = pack(tmp_path / "a.tar.gz", sanchez_files(), link, above)
    (found,) = import_recordings(SanchezRomero(), path).installed
    assert [subject.name for subject in found.manifest.subjects] == ["sub-01", "sub-02", "sub-03"]
    assert not list(tmp_path.parent.glob("sim-05*"))


def test_a_truncated_archive_is_named_and_the_rest_goes_on(tmp_path):
    path = pack(tmp_path / "broken.tar.gz", sanchez_files())
    path.write_bytes(path.read_bytes()[:2000])
    other = {key.replace(CASE, "Network1_amp"): raw for key, raw in sanchez_files().items()}
    report = import_recordings(SanchezRomero(), write_files(tmp_path, other))
    assert [found.manifest.part for found in report.installed] == ["Network1_amp"]
    assert report.left_out["broken.tar.gz"].startswith("damaged or truncated archive")


def cdrl_folder(root: Path, nodes: int = 5) -> Path:
    folder = root / f"seed42_node{nodes}_n_samples10000"
    folder.mkdir(parents=True)
    for k, values in enumerate(recordings(11, 60, nodes)):
        np.save(folder / f"data{k + 1}.npy", values)
    np.save(folder / "ground_truth.npy", matrix([(1, 2), (1, 3)], nodes))
    return folder


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
    assert (data.origin, data.items.meta) == ("real", {"nodes": labels, "truth": "reference, not truth"})
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
    with pytest.raises(UnknownName, match="did you mean: Network6_amp"):
        SanchezRomero("Network6_amps")
    with pytest.raises(BadOption, match="netsim has 28 parts"):
        NetSim().load("real")
    assert not home.cohorts().exists()
