"""What features that nothing was learned for can do: the test of whether pretraining did anything.

A Gaussian random projection of connectivity, or the untrained, frozen encoder of a trained network,
and the same probe on top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from ..benchmark import fc
from ..benchmark.contracts import Card, Context, Method, TaskInfo, Train
from ..benchmark.errors import BadOption
from .probe import fit_probe

PROJECTION = "projection"
BLOCK = 32
ENCODERS = (PROJECTION, "brain-jepa", "brainmass", "brainlm")


@dataclass
class RandomFeatures(Method):
    """A probe on random features; every seed is another initialisation.

    Attributes
    ----------
    encoder
        "projection", or the name of a network whose encoder keeps its first weights: "brain-jepa",
        "brainmass" or "brainlm". A checkpoint is never read.
    width
        Number of random projections (768: the width of Brain-JEPA's and of a base-size encoder).
    size
        Preset of the encoder, where it is a network.
    """

    encoder: str = PROJECTION
    width: int = 768
    size: str = "small"

    card: ClassVar[Card] = Card(
        title="Random features",
        summary="A probe on a Gaussian random projection of Fisher-z connectivity, or on an untrained, frozen encoder.",
        parameters="width + 1 for two classes",
        notes="Run it with five seeds or more: each draws other weights. The probe is that of the pretrained networks. "
        "Networks start from their published random weights, never as readers of connectivity; what pretraining adds "
        "to a preset that does is seen by running it with pretrain_epochs=0.",
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression")
    reads: ClassVar[tuple[str, ...]] = ("series",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {name: {"encoder": name} for name in ENCODERS}

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise BadOption(f"encoder={self.encoder!r} is not known", f"choose one of: {', '.join(ENCODERS)}")
        if self.width < 1:
            raise BadOption(f"width={self.width} is not positive", "give a number such as 768")

    def skip(self, task: TaskInfo) -> str | None:
        """As the encoder does."""
        return None if self.encoder == PROJECTION else self._untrained().skip(task)

    def fit(self, train: Train, context: Context) -> None:
        """Draw the weights, compute features, fit the probe."""
        if self.encoder != PROJECTION:
            self._network = self._untrained()
            self._network.fit(train, replace(context, checkpoint=None))
            return
        rois = train.inputs.series(0).shape[1]
        edges = rois * (rois - 1) // 2
        rng = np.random.default_rng(context.seed)
        self._projection = rng.standard_normal((edges, self.width), dtype=np.float32) / np.float32(np.sqrt(self.width))
        features = self._project(train.inputs, context, BLOCK)
        self._probe = fit_probe(features, train.targets, train.groups, context.task, context.seed, context.progress)

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), or values (n,)."""
        if self.encoder != PROJECTION:
            found: np.ndarray = self._network.predict(test, replace(context, checkpoint=None))
            return found
        return self._probe.predict(self._project(test, context, 1))

    def report(self) -> dict[str, Any]:
        """What the probe, or the network with its probe, reports."""
        facts = self._network.report() if self.encoder != PROJECTION else self._probe.facts() | {"width": self.width}
        return {"encoder": self.encoder} | facts

    def _project(self, scans: Any, context: Context, block: int) -> np.ndarray:
        """Features (n, width) float32, as many scans in memory as a block has."""
        out = np.empty((len(scans), self.width), np.float32)
        for start in range(0, len(scans), block):
            rows = range(start, min(start + block, len(scans)))
            out[start : rows.stop] = fc.edges(scans, rows) @ self._projection
            context.progress("random features", rows.stop, len(scans))
        return out

    def _untrained(self) -> Method:
        """The network with its published random weights and a probe on top."""
        from . import METHODS

        module, _, name = METHODS[self.encoder].partition(":")
        network: type[Method] = getattr(import_module(f".{module}", __package__), name)
        options = dict(network.presets[self.size]) | {"tuning": "probe", "pretrain_epochs": 0}
        if hasattr(network, "init"):  # a start as a reader of connectivity is no random one
            options["init"] = "published"
        return network(**options)
