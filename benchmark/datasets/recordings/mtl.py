"""Resting state of the medial temporal lobe, with a reference graph from the literature."""

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
from .parse import read_table
from .raw import SOURCE_TARGET, Direction, Group, Layout, Origin, RawPart, graph_of, same_graph, subject_names

REFERENCE = {1: (2, 3, 6), 2: (1, 3), 3: (1, 4, 5), 4: (2, 3, 5, 7), 5: (4, 6), 6: (5,), 7: (3, 4)}
"""Region -> regions that it drives, numbered from 1 in file order: 17 edges that BrainEC-LLM scores against, for
both hemispheres. Anatomical literature, not a measured truth."""

FOLDER = re.compile(r"individual_(left|right)_mtl_reduced$")
LAYOUT = Layout(
    "individual_left_mtl_reduced/ and individual_right_mtl_reduced/",
    SOURCE_TARGET,
    "the reference graph is built in",
    arrows=True,
)


class MTL(RecordingsDataset):
    """The medial temporal lobe."""

    name = "mtl"
    parts = ("left", "right")
    layouts: ClassVar[Mapping[str, Layout]] = {"text": LAYOUT}
    origin: ClassVar[Origin] = "real"
    full = 23
    says_tr = False
    card = DatasetCard(
        title="Medial temporal lobe at rest (Shah et al., as reduced by Sanchez-Romero et al. 2019)",
        summary="Resting-state fMRI of 23 people, 7 regions in each hemisphere. Its graph is a reference from "
        "anatomical literature: a score is agreement with it, not correctness.",
        access="on request: github.com/shahpreya/MTLnet holds the original series",
        licence="unknown",
        expected=f"folders {LAYOUT.title}, a table a subject with a header line of 7 labels; state the TR by --tr",
        citation="Sanchez-Romero et al. 2019, Network Neuroscience 3:274",
        counts="23 subjects",
        leaves="ids",
    )

    def find(self, files: Files) -> tuple[list[Group], dict[str, str]]:
        """One group a folder."""
        folders: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in files.names:
            hit = FOLDER.search(str(folder_of(files.full(name))))
            if hit and name.endswith((".txt", ".csv", ".tsv")):
                folders[hit[1], str(folder_of(name))].append(name)
        return [Group(side, "text", in_order(names)) for (side, _), names in folders.items()], {}

    def read(self, files: Files, group: Group, orientation: Direction, tr: float | None) -> RawPart:
        """One hemisphere."""
        assert tr is not None
        tables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
        left_out = {}
        names = subject_names([name.rpartition("/")[2].rpartition(".")[0] for name in group.series])
        for subject, file in zip(names, group.series, strict=True):
            try:
                tables[subject] = read_table(files.read(file), file, header=True)
            except BadData as error:
                left_out[subject] = error.message
        nodes = next((labels for labels, _ in tables.values() if len(labels) == len(REFERENCE)), ())
        series = {}
        for subject, (labels, values) in tables.items():
            if labels == nodes:
                series[subject] = values
            else:
                left_out[subject] = (
                    f"{len(labels)} nodes ({', '.join(labels)}); others have {', '.join(nodes) or 'none'}"
                )
        graph = graph_of([(i - 1, j - 1) for i, targets in REFERENCE.items() for j in targets], len(REFERENCE))
        part = RawPart(group.part, nodes, tr, series, same_graph(graph, series), "reference, not truth", left_out)
        part.keep_usable()
        return part
