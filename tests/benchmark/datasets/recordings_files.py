"""Files of networks in every layout, as tests write them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from scipy.io import savemat

from brainbench.benchmark.datasets.recordings.importer import ImportReport
from brainbench.benchmark.datasets.recordings.netsim import NetSim
from brainbench.benchmark.datasets.recordings.sanchez import SanchezRomero

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


def cdrl_folder(root: Path, nodes: int = 5) -> Path:
    folder = root / f"seed42_node{nodes}_n_samples10000"
    folder.mkdir(parents=True)
    for k, values in enumerate(recordings(11, 60, nodes)):
        np.save(folder / f"data{k + 1}.npy", values)
    np.save(folder / "ground_truth.npy", matrix([(1, 2), (1, 3)], nodes))
    return folder
