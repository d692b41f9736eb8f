"""Recordings on disk: a manifest and one file of numbers.

Layout of a folder::

    recordings.json    manifest: names, TR, subjects, graphs, orientation as found, fingerprint
    series.f64         all recordings below each other, (total time, node), little-endian float64

Subject ``k`` is rows ``start`` to ``start + frames``. Whatever is read is compared with the digests of
the manifest first, so that an edited graph or series is never scored.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...contracts import Data
from ...errors import BadData
from ...files import whole_folder
from ...items import ArrayRef, Items
from ..manifest_file import AGAIN, read_manifest, refuse_sizes
from .raw import Direction, Origin, RawPart, Truth, edges, graph_of

MANIFEST, SERIES = "recordings.json", "series.f64"
DTYPE = np.dtype("<f8")


class Subject(BaseModel):
    """One recording: its rows in the file, the SHA-256 of its bytes, and the index of its graph."""

    model_config = ConfigDict(extra="forbid")

    name: str
    frames: int = Field(gt=0)
    start: int = Field(ge=0)
    digest: str
    graph: int = Field(ge=0)


class Orientation(BaseModel):
    """How entry [row, column] was read from the source, and who says so. Here it is [source, target]."""

    model_config = ConfigDict(extra="forbid")

    found: Direction
    how: str


class Manifest(BaseModel):
    """The content of recordings.json.

    Attributes
    ----------
    name, dataset, part
        Name of the folder, and what it holds.
    origin
        Where the numbers come from.
    source
        The files or the generator, in words.
    nodes, tr
        Node labels; seconds a frame, None where the rows are no time series.
    graphs
        Edge lists (source, target) by node index: one, or as many as differ between subjects.
    truth
        "generating network", or "reference, not truth".
    left_out
        Subject or file -> reason.
    twin
        Generator version, size and seed of a simulated twin.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    dataset: str
    part: str
    origin: Origin
    source: str
    orientation: Orientation
    nodes: list[str] = Field(min_length=2)
    tr: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    subjects: list[Subject] = Field(min_length=1)
    graphs: list[list[tuple[int, int]]] = Field(min_length=1)
    truth: Truth
    left_out: dict[str, str]
    fingerprint: str
    twin: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        """Rows follow each other, names are unique, edges are between nodes."""
        starts = np.cumsum([0, *(subject.frames for subject in self.subjects)])
        if [subject.start for subject in self.subjects] != starts[:-1].tolist():
            raise ValueError("the rows of the subjects do not follow each other")
        if len({subject.name for subject in self.subjects}) != len(self.subjects):
            raise ValueError("a subject occurs twice")
        if any(subject.graph >= len(self.graphs) for subject in self.subjects):
            raise ValueError("a subject has no graph")
        count = range(len(self.nodes))
        if any(i not in count or j not in count or i == j for graph in self.graphs for i, j in graph):
            raise ValueError("an edge names an unknown node or is a loop")
        return self

    @property
    def frames(self) -> int:
        """Rows of the file."""
        return self.subjects[-1].start + self.subjects[-1].frames

    def content(self) -> str:
        """Hash of what a result depends on; not of where the files came from."""
        facts = {
            "what": [self.dataset, self.part, self.origin, self.truth, self.nodes, self.tr],
            "subjects": [[subject.name, subject.frames, subject.digest, subject.graph] for subject in self.subjects],
            "graphs": self.graphs,
        }
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Recordings:
    """Recordings in a folder. `open` trusts sizes only; `verify` compares every byte."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Recordings:
        """Open a folder. Raises `DataMissing`, or `BadData` when the files do not fit each other."""
        file = path / MANIFEST
        manifest = read_manifest(file, Manifest, "recordings")
        refuse_sizes(path, {SERIES: manifest.frames * len(manifest.nodes) * DTYPE.itemsize})
        if manifest.content() != manifest.fingerprint:
            raise BadData(f"{file}: edited after it was written", AGAIN)
        return cls(path, manifest)

    def _ref(self, subject: Subject) -> ArrayRef:
        row = len(self.manifest.nodes) * DTYPE.itemsize
        shape = (subject.frames, len(self.manifest.nodes))
        return ArrayRef(str((self.path / SERIES).resolve()), subject.start * row, shape, DTYPE.str)

    def series(self, subject: Subject) -> np.ndarray:
        """(time, node) float64 of a subject, as stored."""
        return self._ref(subject).read()

    def graph(self, subject: Subject) -> np.ndarray:
        """(node, node) bool, [source, target], of a subject."""
        return graph_of(self.manifest.graphs[subject.graph], len(self.manifest.nodes))

    def changed(self) -> list[str]:
        """Subjects whose series is not the one that was written."""
        return [
            subject.name
            for subject in self.manifest.subjects
            if hashlib.sha256(self.series(subject).tobytes()).hexdigest() != subject.digest
        ]

    def verify(self) -> None:
        """Raises `BadData` when a series was edited."""
        if edited := self.changed():
            raise BadData(
                f"{self.path / SERIES}: the recording of {edited[0]} was edited after it was written",
                AGAIN,
            )

    def data(self) -> Data:
        """All recordings as a task gets them. Raises `BadData` when something was edited."""
        import pandas as pd

        self.verify()
        manifest = self.manifest
        names = [subject.name for subject in manifest.subjects]
        table = pd.DataFrame(
            {
                "subject": names,
                "group": names,
                "frames": [[subject.frames] for subject in manifest.subjects],
                "tr": np.full(len(names), math.nan if manifest.tr is None else manifest.tr),
                "digest": [subject.digest for subject in manifest.subjects],
            },
            index=pd.Index(names, name="recording"),
        )
        arrays: dict[str, list[Any]] = {
            "series": [self._ref(subject) for subject in manifest.subjects],
            "graph": [self.graph(subject).astype(np.uint8) for subject in manifest.subjects],
        }
        meta = {"nodes": list(manifest.nodes), "truth": manifest.truth}
        if manifest.truth != "generating network":
            meta["reference"] = manifest.truth
        items = Items(table, arrays, meta)
        return Data(items, manifest.name, manifest.origin, manifest.fingerprint)


def write(
    path: Path,
    part: RawPart,
    *,
    dataset: str,
    origin: Origin,
    source: str,
    orientation: tuple[Direction, str],
    twin: dict[str, Any] | None = None,
) -> Recordings:
    """Write a folder whole or not at all; one that exists is replaced. ``orientation`` is (as found, who says so)."""
    graphs: list[list[tuple[int, int]]] = []
    subjects: list[Subject] = []
    start = 0
    with whole_folder(path) as folder:
        with open(folder / SERIES, "wb") as file:
            for name, values in part.series.items():
                raw = np.ascontiguousarray(values, DTYPE).tobytes()
                file.write(raw)
                listed = edges(part.graphs[name])
                if listed not in graphs:
                    graphs.append(listed)
                digest, graph = hashlib.sha256(raw).hexdigest(), graphs.index(listed)
                subjects.append(Subject(name=name, frames=len(values), start=start, digest=digest, graph=graph))
                start += len(values)
        manifest = Manifest(
            name=path.name,
            dataset=dataset,
            part=part.part,
            origin=origin,
            source=source,
            orientation=Orientation(found=orientation[0], how=orientation[1]),
            nodes=list(part.nodes),
            tr=None if math.isnan(part.tr) else part.tr,
            subjects=subjects,
            graphs=graphs,
            truth=part.truth,
            left_out=part.left_out,
            fingerprint="",
            twin=twin,
        )
        manifest.fingerprint = manifest.content()
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1))
    return Recordings.open(path)


def installed(folder: Path) -> list[Path]:
    """Folders of recordings inside a folder, sorted by name; unfinished ones begin with a dot."""
    return sorted(path.parent for path in folder.glob(f"[!.]*/{MANIFEST}"))
