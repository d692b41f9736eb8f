"""The simulated feedback networks of Sanchez-Romero et al. 2019."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from ...contracts import DatasetCard
from ...errors import BadData
from .dataset import RecordingsDataset, folder_of, in_order
from .files import Files
from .parse import read_table
from .raw import SOURCE_TARGET, Direction, Group, Layout, RawPart, numbered, oriented, same_graph

TR = 1.2
CASES = (
    *(f"Network{k}_amp" for k in range(1, 6)),
    *("Network5_cont", "Network5_cont_p3n7", "Network5_cont_p7n3", "Network6_amp", "Network6_cont"),
    *("Network7_amp", "Network7_cont", "Network8_amp_amp", "Network8_amp_cont", "Network8_cont_amp"),
    *("Network9_amp_amp", "Network9_amp_cont", "Network9_cont_amp"),
)
TABLE = re.compile(r"(?:^|.*[/:])sim-(\d+)\.(Network\w+)\.continuous\.txt$")
GRAPH = re.compile(r"(?:^|.*[/:])(Network\w+)\.ground\.truth\.graph\.txt$")
EDGE = re.compile(r"\s*\d+\.\s*(\S+)\s+(\S+)\s+(\S+)\s*$")

LAYOUT = Layout(
    "sim-NN.CASE.continuous.txt with CASE.ground.truth.graph.txt",
    SOURCE_TARGET,
    "the graph files list edges as `X1 --> X2`",
    arrows=True,
)
COMMIT = "a23adc349a23fc34d258193b45c60522ca6355b4"


class SanchezRomero(RecordingsDataset):
    """The feedback networks."""

    name = "sanchez"
    parts = CASES
    layouts: ClassVar[Mapping[str, Layout]] = {"text": LAYOUT}
    full = 60
    archive = ("https://github.com/cmu-phil/example-causal-datasets/archive", f"{COMMIT}.tar.gz")
    card = DatasetCard(
        title="Feedback networks (Sanchez-Romero et al. 2019)",
        summary="Simulated BOLD of 9 cyclic networks of 5 to 10 nodes, with amplifying and controlling variants.",
        access="open: `brainbench data get sanchez` takes the repository cmu-phil/example-causal-datasets",
        licence="CC0-1.0",
        expected="sim-NN.CASE.continuous.txt, a table a subject with node names in its header, and "
        "CASE.ground.truth.graph.txt, in folders or .tar.gz archives",
        citation="Sanchez-Romero et al. 2019, Network Neuroscience 3:274",
        counts="18 cases, 60 subjects each (59 of Network6_amp: one file is empty at the source), 500 frames",
        leaves="ids",
        open=True,
    )

    def find(self, files: Files) -> tuple[list[Group], dict[str, str]]:
        """One group for each case and folder."""
        graphs = {hit[1]: name for name in files.names if (hit := GRAPH.match(name))}
        tables: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in files.names:
            if hit := TABLE.match(name):
                tables[hit[2], str(folder_of(name))].append(name)
        groups = [Group(case, "text", in_order(names), graphs.get(case, "")) for (case, _), names in tables.items()]
        have = {group.part for group in groups}
        return groups, {name: "no recordings of this case" for case, name in graphs.items() if case not in have}

    def read(self, files: Files, group: Group, orientation: Direction, tr: float | None) -> RawPart:
        """One case."""
        if not group.graph:
            raise BadData(
                f"no {group.part}.ground.truth.graph.txt", "give the folder that holds the tables and the graph files"
            )
        nodes, matrix = read_edges(files.read(group.graph), group.graph)
        tables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
        left_out: dict[str, str] = {}
        for file in group.series:
            hit = TABLE.match(file)
            assert hit
            try:
                tables[numbered(int(hit[1]))] = read_table(files.read(file), file.rpartition("/")[2], header=True)
            except BadData as error:
                left_out[numbered(int(hit[1]))] = error.message
        check_nodes(nodes, [labels for labels, _ in tables.values()], group.graph)
        series = {}
        for subject, (labels, values) in tables.items():
            if set(labels) == set(nodes):
                series[subject] = values[:, [labels.index(node) for node in nodes]]
            else:
                left_out[subject] = f"{len(labels)} nodes ({', '.join(labels)}); the graph has {len(nodes)}"
        part = RawPart(
            group.part, nodes, TR, series, same_graph(oriented(matrix, orientation), series), left_out=left_out
        )
        part.keep_usable()
        return part


def check_nodes(nodes: Sequence[str], headers: Sequence[Sequence[str]], name: str) -> None:
    """Raises `BadData` when the graph file names nodes that no recording has."""
    known = {label for header in headers for label in header}
    if headers and (unknown := [node for node in nodes if node not in known]):
        raise BadData(
            f"{name}: the graph names unknown nodes: {', '.join(unknown)}", "is it the graph of another case?"
        )


def read_edges(raw: bytes, name: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Node names and the matrix [source, target] of a list of edges ``1. X1 --> X2``.

    Raises `BadData` for other kinds of edges, edges with a node that is not listed, and other text.
    """
    try:
        lines = [line.strip() for line in raw.decode().splitlines()]
    except UnicodeDecodeError:
        raise BadData(f"{name}: not a text file") from None
    if "Graph Nodes:" not in lines or "Graph Edges:" not in lines:
        raise BadData(f"{name}: no lists of nodes and edges", "expected the lines `Graph Nodes:` and `Graph Edges:`")
    listed = next((line for line in lines[lines.index("Graph Nodes:") + 1 :] if line), "")
    nodes = tuple(node.strip() for node in re.split("[,;]", listed))
    if len(nodes) < 2 or len(set(nodes)) != len(nodes) or not all(nodes):
        raise BadData(f"{name}: {listed!r} is no list of different nodes")
    matrix = np.zeros((len(nodes), len(nodes)))
    for line in filter(None, lines[lines.index("Graph Edges:") + 1 :]):
        hit = EDGE.match(line)
        if not hit or hit[2] not in ("-->", "<--"):
            raise BadData(f"{name}: {line!r} is no directed edge", "expected such as `1. X1 --> X2`")
        source, target = (hit[1], hit[3]) if hit[2] == "-->" else (hit[3], hit[1])
        if unknown := [node for node in (source, target) if node not in nodes]:
            raise BadData(f"{name}: the graph names unknown nodes: {', '.join(unknown)}", f"its nodes are {listed}")
        matrix[nodes.index(source), nodes.index(target)] = 1
    return nodes, matrix
