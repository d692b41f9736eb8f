"""NetSim, the 28 simulations of Smith et al. 2011."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ...contracts import DatasetCard
from ...errors import BadData
from .dataset import RecordingsDataset, folder_of, in_order
from .files import Files
from .parse import read_mat, read_npy, read_table
from .raw import (
    SOURCE_TARGET,
    TARGET_SOURCE,
    Direction,
    Group,
    Layout,
    RawPart,
    numbered,
    oriented,
    same_graph,
    subject_names,
)

OWN_GRAPHS = "13"
"""The simulation with backward connections, in which every subject has a graph of its own."""

MAT = re.compile(r"(?:^|.*[/:])sim(\d+)\.mat$")
NPY = re.compile(r"(?:^|.*/)fmri_sim(\d+)\.npy$")
TEXT = re.compile(r"(?:^|.*[/:])sim(\d+)/(?!ground_truth)[^/]+\.txt$")
LONG = re.compile(r"(?:^|.*/)timeseries(\d+)\.csv$")

LAYOUTS = {
    "mat": Layout(
        "simK.mat with ts and net",
        SOURCE_TARGET,
        "element (i, j) of net is the strength of i on j in the simulator of Smith et al. 2011",
    ),
    "text": Layout(
        "simK/SUBJECT.txt with ground_truthK.txt",
        SOURCE_TARGET,
        "the loader of BrainEC-LLM reads its rows as causes",
    ),
    "npy": Layout(
        "fmri_simK.npy with fmri_simK_struct.csv",
        TARGET_SOURCE,
        "the repository GVAR stores the off-diagonal with rows as effects; it is net transposed for sims 1 to 3",
    ),
}


class NetSim(RecordingsDataset):
    """NetSim."""

    name = "netsim"
    parts = tuple(str(k) for k in range(1, 29))
    layouts: ClassVar[Mapping[str, Layout]] = LAYOUTS
    full = 50
    archive = ("https://www.fmrib.ox.ac.uk/datasets/netsim", "sims.tar.gz")
    card = DatasetCard(
        title="NetSim: 28 simulated networks (Smith et al. 2011)",
        summary="Simulated BOLD of networks of 5 to 50 nodes with a known graph, 50 subjects each.",
        access="open: `brainbench data get netsim` takes sims.tar.gz of FMRIB; other copies are data/ of "
        "github.com/zoomrep/MetaCAE (simK.mat, 26 simulations) and datasets/fMRI of github.com/i6092467/GVAR (23)",
        licence="distributed freely by FMRIB without a stated licence; cite the paper",
        expected="; or ".join(layout.title for layout in LAYOUTS.values()),
        citation="Smith et al. 2011, NeuroImage 54:875",
        counts="28 simulations, 50 subjects each, 50 to 5000 frames",
        leaves="ids",
        open=True,
    )

    def find(self, files: Files) -> tuple[list[Group], dict[str, str]]:
        """Groups of the three layouts."""
        groups: list[Group] = []
        left_out: dict[str, str] = {}
        text: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in files.names:
            if hit := MAT.match(name):
                groups.append(Group(str(int(hit[1])), "mat", (name,)))
            elif hit := NPY.match(name):
                groups.append(Group(hit[1], "npy", (name,), f"{name.removesuffix('.npy')}_struct.csv"))
            elif hit := TEXT.match(files.full(name)):
                text[hit[1], str(folder_of(name))].append(name)
            elif hit := LONG.match(name):
                left_out[name] = "one subject is not a simulation: a mean over subjects cannot be had from it"
        for (part, folder), names in text.items():
            truth = f"ground_truth{part}.txt"
            beside = f"{folder}/{truth}".removeprefix("./")
            above = f"{folder_of(folder)}/{truth}".removeprefix("./")
            groups.append(Group(part, "text", in_order(names), beside if beside in files.names else above))
        return groups, left_out

    def read(self, files: Files, group: Group, orientation: Direction, tr: float | None) -> RawPart:
        """One simulation. Its graph is compared with the known one, so that a wrong orientation is noticed."""
        if group.part == OWN_GRAPHS and group.layout != "mat":
            raise BadData(
                "its subjects have different graphs and this copy holds one",
                "sim13.mat holds the graph of every subject",
            )
        readers = {"mat": read_sim_mat, "npy": read_sim_npy, "text": read_sim_text}
        series, graphs, left_out = readers[group.layout](files, group, orientation)
        if len(series) < 2:
            raise BadData("one subject is not a simulation")
        count = len(next(iter(graphs.values())))
        part = RawPart(group.part, tuple(map(str, range(1, count + 1))), _tr(group.part), series, graphs)
        part.left_out.update(left_out)
        check_known(part)
        part.keep_usable()
        return part


Read = tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, str]]
"""Series and graphs by subject, and what was left out."""


def read_sim_mat(files: Files, group: Group, orientation: Direction) -> Read:
    """``ts`` (subjects x time, node), subjects below each other, and ``net`` (subject, node, node)."""
    name = group.series[0]
    found = read_mat(files.read(name), name, ("ts", "net", "Nsubjects", "Ntimepoints"))
    ts, net = found["ts"], found["net"]
    subjects, frames = (_count(found[key], name, key) for key in ("Nsubjects", "Ntimepoints"))
    nodes = ts.shape[-1]
    if ts.shape != (subjects * frames, nodes) or net.shape != (subjects, nodes, nodes):
        raise BadData(
            f"{name}: ts of shape {ts.shape} and net of shape {net.shape} do not fit {subjects} subjects of {frames} "
            "frames"
        )
    names = [numbered(k + 1) for k in range(subjects)]
    series = dict(zip(names, ts.reshape(subjects, frames, nodes), strict=True))
    return series, {key: oriented(net[k], orientation, name) for k, key in enumerate(names)}, {}


def _count(value: np.ndarray, name: str, key: str) -> int:
    """A number of subjects or frames. Raises `BadData` for what counts nothing."""
    if value.size != 1:
        raise BadData(f"{name}: {key} holds {value.size} values, not a single number")
    number = float(value.item())
    if not (number >= 1 and number.is_integer()):
        raise BadData(f"{name}: {key} is {number:g}, not a whole number above 0")
    return int(number)


def read_sim_npy(files: Files, group: Group, orientation: Direction) -> Read:
    """(subject, node, time, 1), and the off-diagonal of one matrix, row by row."""
    name = group.series[0]
    values = read_npy(files.read(name), name)
    if values.ndim != 4 or values.shape[3] != 1:
        raise BadData(f"{name}: an array of shape {values.shape}; expected (subjects, nodes, time, 1)")
    if group.graph not in files.names:
        raise BadData(f"{name}: no {group.graph} beside it", "the graph is in that file")
    _, column = read_table(files.read(group.graph), group.graph, header=False)
    nodes = values.shape[1]
    if column.size != nodes * (nodes - 1):
        raise BadData(f"{group.graph}: {column.size} values; {nodes} nodes have {nodes * (nodes - 1)} off the diagonal")
    matrix = np.zeros((nodes, nodes))
    matrix[~np.eye(nodes, dtype=bool)] = column.ravel()
    series = {numbered(k + 1): recording.T for k, recording in enumerate(values[..., 0])}
    return series, same_graph(oriented(matrix, orientation, group.graph), series), {}


def read_sim_text(files: Files, group: Group, orientation: Direction) -> Read:
    """One table (time, node) a subject, and one matrix."""
    if group.graph not in files.names:
        raise BadData(f"{folder_of(group.series[0])}: no ground_truth{group.part}.txt in it or beside it")
    _, matrix = read_table(files.read(group.graph), group.graph)
    graph = oriented(matrix, orientation, group.graph)
    series, left_out = {}, {}
    names = subject_names([name.rpartition("/")[2].removesuffix(".txt") for name in group.series])
    for subject, file in zip(names, group.series, strict=True):
        try:
            _, series[subject] = read_table(files.read(file), file)
        except BadData as error:
            left_out[subject] = error.message
    return series, same_graph(graph, series), left_out


def _tr(part: str) -> float:
    """Seconds a frame."""
    from ...simulate.network_cases import CASES

    return CASES[f"netsim:{part}"].tr


def known_graph(part: str) -> np.ndarray:
    """(node, node) bool, [source, target]: the edges that all subjects of a simulation share."""
    from ...simulate.network_cases import CASES

    case = CASES[f"netsim:{part}"]
    graph = np.zeros((case.nodes, case.nodes), bool)
    for source, target in case.edges:
        graph[source - 1, target - 1] = True
    return graph


def check_known(part: RawPart) -> None:
    """Raises `BadData` where a subject's graph is not the simulation's known one.

    In simulation 13 a subject has the known edges and, for some of them, the reverse edge too.
    """
    known = known_graph(part.part)
    for subject, graph in part.graphs.items():
        if graph.shape != known.shape:
            raise BadData(f"{len(graph)} nodes; simulation {part.part} has {len(known)}")
        own = graph & ~known.T if part.part == OWN_GRAPHS else graph
        if np.array_equal(own, known):
            continue
        turned = graph.T & ~known.T if part.part == OWN_GRAPHS else graph.T
        if np.array_equal(turned, known):
            raise BadData(
                f"{subject}: the graph is the reverse of simulation {part.part}'s known one: the orientation is wrong",
                "leave out --orientation, or state the other one",
            )
        raise BadData(f"{subject}: the graph is not the known one of simulation {part.part}")
