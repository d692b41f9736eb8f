"""NetSim in three layouts, on files that the test writes: orientation, known graphs, and what is left out."""

from __future__ import annotations

import io

import numpy as np
import pytest
from recordings_files import UNIT, installed_graph, matrix, pack, recordings, write_mat, write_npy, write_text
from scipy.io import savemat

from brainbench.benchmark.datasets.recordings import files, parse
from brainbench.benchmark.datasets.recordings.importer import import_recordings
from brainbench.benchmark.datasets.recordings.netsim import NetSim, known_graph
from brainbench.benchmark.datasets.recordings.parse import read_mat, read_npy, read_table
from brainbench.benchmark.datasets.recordings.raw import subject_names
from brainbench.benchmark.errors import BadData, BadOption


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
        ({"Nsubjects": np.arange(3)}, "Nsubjects holds 3 values, not a single number"),
        ({"Nsubjects": np.nan}, "Nsubjects is nan, not a whole number above 0"),
        ({"Ntimepoints": np.inf}, "Ntimepoints is inf, not a whole number"),
        ({"Nsubjects": 2.5}, "Nsubjects is 2.5, not a whole number"),
        ({"Nsubjects": -3, "Ntimepoints": -40}, "Nsubjects is -3, not a whole number"),
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


def test_a_broken_count_does_not_stop_the_other_simulations(tmp_path):
    write_npy(tmp_path, 1, matrix(UNIT, 5), recordings())
    savemat(tmp_path / "sim2.mat", {"ts": np.ones((9, 5)), "net": np.ones(9), "Nsubjects": np.nan, "Ntimepoints": 3})
    report = import_recordings(NetSim(), tmp_path)
    assert [found.manifest.part for found in report.installed] == ["1"]
    assert "Nsubjects is nan" in report.failed["2"]


def test_files_of_other_versions_say_what_to_do():
    for raw in (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n"):
        with pytest.raises(BadData, match=r"version 7\.3") as error:
            read_mat(raw + bytes(99), "x.mat", ("ts",))
        assert "-v7'" in error.value.hint
    for version, size in ((b"\x01", b"\xff\xff"), (b"\x02", b"\xff\xff\xff\0")):
        with pytest.raises(BadData, match="a header of") as error:
            read_npy(b"\x93NUMPY" + version + b"\0" + size + b" " * 2**17, "x.npy")
        assert "pickle" not in f"{error.value.message} {error.value.hint}"


def test_links_in_a_folder_are_not_followed(tmp_path):
    folder, other = tmp_path / "copy", tmp_path / "other"
    folder.mkdir()
    write_npy(folder, 1, matrix(UNIT, 5), recordings())
    write_mat(other / "sim2.mat", np.stack([known_graph("2")] * 3), recordings(nodes=10))
    (folder / "sim2.mat").symlink_to(other / "sim2.mat")
    (folder / "more").symlink_to(other)
    report = import_recordings(NetSim(), folder)
    assert [found.manifest.part for found in report.installed] == ["1"]
    assert {"sim2.mat", "more"} == set(report.left_out)
    assert "a link, which is not followed" in report.left_out["sim2.mat"]
    # The folder that a person gives may be a link.
    (tmp_path / "here").symlink_to(folder)
    assert import_recordings(NetSim(), tmp_path / "here").installed


def test_what_is_too_large_is_not_read(tmp_path, monkeypatch):
    raw = write_mat(tmp_path / "sim1.mat", np.stack([matrix(UNIT, 5)] * 3), recordings()).read_bytes()
    packed = pack(tmp_path / "sims.tar.gz", {"sim1.mat": raw, "more": b"-"})
    monkeypatch.setattr(parse, "MAX_FILE", 1000)
    with pytest.raises(BadData, match=r"ts of shape \(120, 5\) is larger than any known file's"):
        read_mat(raw, "x", ("ts", "net"))
    monkeypatch.setattr(files, "MAX_FILE", 1000)
    for path in (tmp_path, packed):
        with pytest.raises(BadData, match="more than any known file has"):
            import_recordings(NetSim(), path)
    for limit in ("MAX_MEMBERS", "MAX_ARCHIVE"):
        with monkeypatch.context() as patch:
            patch.setattr(files, limit, 1)
            with pytest.raises(BadData, match="more files or bytes than any known copy has"):
                import_recordings(NetSim(), packed)


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


@pytest.mark.parametrize(("place", "byte"), [(177, 2), (180, 200)])
def test_a_matlab_file_that_would_end_the_process_is_refused(place, byte):
    """The type of an array's values, and their size, where SciPy looks up and reads what is not there."""
    file = io.BytesIO()
    savemat(file, {"ts": np.zeros((60, 3), np.float32)})
    raw = bytearray(file.getvalue())
    raw[place] = byte
    with pytest.raises(BadData, match=r"which is none of numbers|truncated"):
        read_mat(bytes(raw), "x.mat", ("ts",))
