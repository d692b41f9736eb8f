"""The quadratic systems of the CDRL line of papers: independent rows, no time series."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ...contracts import DatasetCard, Progress
from ...errors import BadData
from .dataset import RecordingsDataset, folder_of, in_order, simulated_part, version_of
from .files import Files
from .parse import read_npy
from .raw import Direction, Group, Layout, RawPart, oriented, same_graph, subject_names

FOLDER = re.compile(r"seed\d+_node(\d+)_n_samples\d+$")
SAMPLES = 10_000
"""Rows of a simulated system before those far from the origin are cut off."""

LAYOUT = Layout(
    "seed42_nodeN_n_samples10000/data*.npy with ground_truth.npy",
    None,
    "nobody says whether a row of ground_truth.npy is the cause or the effect (the generator of CDRL, in "
    "huawei-noah/trustworthyAI, returns rows as effects: target-source; the files of BrainEC-LLM are not documented)",
)


class CDRL(RecordingsDataset):
    """The quadratic systems."""

    name = "cdrl"
    parts = ("quad-5", "quad-7")
    layouts: ClassVar[Mapping[str, Layout]] = {"npy": LAYOUT}
    full = 50
    card = DatasetCard(
        title="CDRL quadratic systems (lingam_quad)",
        summary="Independent samples of acyclic systems of 5 and 7 variables with quadratic effects and "
        "non-Gaussian noise. The rows are no time series: lagged methods have nothing to find.",
        access="not public: the files of BrainEC-LLM are not distributed; the twin follows the generator's recipe",
        licence="unknown",
        expected=f"{LAYOUT.title}, (samples, nodes) and (nodes, nodes); --orientation must be stated",
        citation="Zhu, Ng and Chen 2020, Causal discovery with reinforcement learning, ICLR",
        counts="50 samples of 10000 rows each",
        leaves="ids",
    )

    def find(self, files: Files) -> tuple[list[Group], dict[str, str]]:
        """One group a folder."""
        folders: dict[str, list[str]] = defaultdict(list)
        for name in files.names:
            if name.endswith(".npy") and FOLDER.search(str(folder_of(files.full(name)))):
                folders[str(folder_of(name))].append(name)
        groups, left_out = [], {}
        for folder, names in folders.items():
            hit = FOLDER.search(str(folder_of(files.full(names[0]))))
            assert hit
            series = [name for name in names if name.rpartition("/")[2].startswith("data")]
            truth = next((name for name in names if name.rpartition("/")[2] == "ground_truth.npy"), "")
            if f"quad-{hit[1]}" in self.parts and series:
                groups.append(Group(f"quad-{hit[1]}", "npy", in_order(series), truth))
            else:
                left_out[folder] = f"{hit[1]} nodes and {len(series)} data files: not a known part"
        return groups, left_out

    def read(self, files: Files, group: Group, orientation: Direction, tr: float | None) -> RawPart:
        """One system."""
        if not group.graph:
            raise BadData("no ground_truth.npy beside the data files")
        graph = oriented(read_npy(files.read(group.graph), group.graph), orientation, group.graph)
        series: dict[str, np.ndarray] = {}
        left_out = {}
        names = subject_names([name.rpartition("/")[2].removesuffix(".npy") for name in group.series])
        for subject, file in zip(names, group.series, strict=True):
            try:
                series[subject] = read_npy(files.read(file), file)
            except BadData as error:
                left_out[subject] = error.message
        nodes = tuple(f"X{k + 1}" for k in range(len(graph)))
        part = RawPart(group.part, nodes, math.nan, series, same_graph(graph, series), left_out=left_out)
        part.keep_usable()
        return part

    def generator(self) -> str:
        """What makes the twin."""
        return "cdrl_quad_like of brainbench.benchmark.simulate; not the files of BrainEC-LLM"

    def twin_version(self) -> str:
        """Version of the generator."""
        from ...simulate import quad

        return version_of(self.part, quad)

    def simulate(self, subjects: int, seed: int, progress: Progress) -> RawPart:
        """A quadratic system by the same recipe."""
        from ...simulate.quad import cdrl_quad_like

        progress("simulate", 0, subjects)
        made = cdrl_quad_like(int(self.part.removeprefix("quad-")), subjects, SAMPLES, seed)
        progress("simulate", subjects, subjects)
        return simulated_part(self.part, made.series, made.graphs)
