"""A small family of networks with a planted graph, and methods that do as they should and as they should not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from brainbench import Card, Dataset, DatasetCard, Graphs, Items, Method
from brainbench.baselines.graph_baseline import Graph, GraphBaseline
from brainbench.benchmark.contracts import Data
from brainbench.benchmark.errors import BadData
from brainbench.tasks.connectivity import declare

SUBJECTS, FRAMES, NODES = 8, 60, 4
EDGES = ((0, 1), (1, 2), (2, 3))
CARD = Card("mock", "A method for tests.")
FAULTS: dict[str, tuple[int, float]] = {}
"""Subject -> (node, value) that its series is overwritten with."""


def true_graph() -> np.ndarray:
    graph = np.zeros((NODES, NODES), np.uint8)
    graph[tuple(np.array(EDGES).T)] = 1
    return graph


class Planted(Dataset):
    """Each node follows its parents by one step, under noise that differs from subject to subject."""

    card = DatasetCard("mock", "made in memory", "none", "CC0", "none")
    graph = true_graph()

    def installed(self) -> bool:
        return False

    def load(self, source, progress=None) -> Data:
        names = [f"sub-{k + 1:02d}" for k in range(SUBJECTS)]
        table = pd.DataFrame(
            {"subject": names, "group": names, "frames": [[FRAMES]] * SUBJECTS, "tr": 2.0}, index=names
        )
        series = [self.record(np.random.default_rng(k)) for k in range(SUBJECTS)]
        for name, (node, value) in FAULTS.items():
            series[names.index(name)][:, node] = value
        return Data(Items(table, {"series": series, "graph": [self.graph] * SUBJECTS}), "planted", "twin", "planted-1")

    def record(self, rng) -> np.ndarray:
        out = rng.normal(size=(FRAMES, NODES)) * 3
        for t in range(1, FRAMES):
            out[t] += 0.25 * true_graph().T @ out[t - 1]
        return out


class Permuted(Planted):
    """The same recordings under another truth."""

    graph = true_graph()[::-1, ::-1]


TASK = replace(declare("planted", f"{__file__}:Planted", "a planted network"), name="planted")
SAME_DATA_OTHER_TRUTH = replace(TASK, dataset=f"{__file__}:Permuted")


@dataclass
class Follows(GraphBaseline):
    """How well a node is told by another, one step before."""

    card = CARD
    multi_group = True

    def graph(self, series, tr, context) -> Graph:
        past, now = series[:-1] - series[:-1].mean(0), series[1:] - series[1:].mean(0)
        return Graph(np.abs(past.T @ now) / len(now))

    def together(self, recordings, tr, context) -> Graph:
        return Graph(np.mean([self.graph(series, tr, context).scores for series in recordings], axis=0))


@dataclass
class Dice(GraphBaseline):
    """Scores from the seed."""

    card = CARD
    multi_group = True
    seeded = True

    def graph(self, series, tr, context) -> Graph:
        return Graph(np.random.default_rng(context.seed).random((series.shape[1],) * 2))

    def together(self, recordings, tr, context) -> Graph:
        return self.graph(recordings[0], tr, context)


@dataclass
class Alone(GraphBaseline):
    """Has no form for several recordings."""

    card = CARD

    def graph(self, series, tr, context) -> Graph:
        return Graph(np.ones((series.shape[1],) * 2))


@dataclass
class Wrong(Method):
    """Returns what no graph is: of another size, not square, negative, or NaN."""

    how: str = "size"
    card = CARD
    supports = ("connectivity",)

    def fit(self, train, context) -> None:
        pass

    def predict(self, test, context):
        made = {
            "size": np.ones((3, 3)),
            "square": np.ones((4, 3)),
            "negative": -np.ones((4, 4)),
            "nan": np.full((4, 4), np.nan),
            "complex": np.full((4, 4), 1j),
        }
        if self.how in made:
            return Graphs([made[self.how] for _ in test])
        native = {"empty": [], "shares": [np.full((4, 4), 0.3)]}
        return Graphs([np.ones((4, 4)) for _ in test], native[self.how])


@dataclass
class Short(GraphBaseline):
    """Finds every recording too short."""

    card = CARD

    def graph(self, series, tr, context) -> Graph:
        raise BadData(f"{len(series)} frames are too few for lag 100", "use a shorter lag")


@dataclass
class SometimesFails(GraphBaseline):
    """Fails where the first node is loud."""

    card = CARD

    def graph(self, series, tr, context) -> Graph:
        if series[0].max() > 5:
            raise BadData("too loud", "turn it down")
        return Graph(np.ones((series.shape[1],) * 2))


@dataclass
class Peeping(GraphBaseline):
    """Keeps what it saw in its object and its folder, to tell when it is shown more than one subject."""

    card = CARD

    def predict(self, test, context):
        self.seen = getattr(self, "seen", 0) + len(test)
        assert self.seen == 1, "shown several subjects"
        assert not any(context.workdir.iterdir()), "found what it left for another subject"
        (context.workdir / "note").write_text("seen")
        return super().predict(test, context)

    def graph(self, series, tr, context) -> Graph:
        return Graph(np.abs(np.corrcoef(series.T)))
