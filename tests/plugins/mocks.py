"""A mock task and a trivial method for every kind: the smallest thing that walks the whole path."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from brainbench import Answers, Card, Dataset, DatasetCard, Graphs, Items, Method, Task
from brainbench.benchmark.contracts import Data
from brainbench.benchmark.errors import DataMissing
from brainbench.benchmark.splits import Given, KFold

HERE = __file__
N = 24
CARD = Card("mock", "A trivial method for tests.")


def rng_of(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(map(ord, name)))


class MockDataset(Dataset):
    card = DatasetCard("mock", "made in memory", "none", "CC0", "none")
    kind = ""

    def installed(self) -> bool:
        return False

    def load(self, source, progress=None) -> Data:
        if source == "real":
            raise DataMissing("the mock data are never real", "use --data simulated")
        table = pd.DataFrame(
            {"subject": [f"person-{k // 2}" for k in range(N)]}, index=[f"item-{k:02d}" for k in range(N)]
        )
        table["group"] = table["subject"]
        rng = rng_of(self.kind)
        columns, arrays, meta = self.make(rng)
        return Data(Items(table.assign(**columns), arrays, meta), self.kind, "twin", f"mock-{self.kind}")

    def make(self, rng):
        raise AssertionError("made by a subclass")


def scans(rng, signal):
    """Series of 12 frames x 4 ROIs whose first ROI has mean `signal`."""
    series = [rng.normal(size=(12, 4)).astype(np.float32) for _ in range(N)]
    for values, level in zip(series, signal, strict=True):
        values[:, 0] += level
    atlas = {"name": "mock4", "labels": ["a", "b", "c", "d"], "networks": ["x", "x", "y", "y"]}
    return {"tr": 2.0, "frames": 12}, {"series": series}, {"atlas": atlas}


class ClassificationData(MockDataset):
    kind = "classification"

    def make(self, rng):
        labels = np.arange(N) // 2 % 2
        columns, arrays, meta = scans(rng, 10.0 * labels)
        return {**columns, "site": "here", "zebra": np.where(labels == 1, "stripes", "plain")}, arrays, meta


class RegressionData(MockDataset):
    kind = "regression"

    def make(self, rng):
        value = rng.normal(size=N)
        columns, arrays, meta = scans(rng, value * 5)
        return {**columns, "value": value}, arrays, meta


class ConnectivityData(MockDataset):
    """Two-node graphs, 0 -> 1: the second series is the first, one step later."""

    kind = "connectivity"

    def make(self, rng):
        source = rng.normal(size=(N, 81))
        series = [np.stack([row[1:], row[:-1]], axis=1) for row in source]
        graph = np.array([[0, 1], [0, 0]])
        return {"tr": 2.0, "frames": [[80]] * N}, {"series": series, "graph": [graph] * N}, {}


class CaptioningData(MockDataset):
    kind = "captioning"

    def make(self, rng):
        cat = np.arange(N) // 2 % 2
        response = [np.full(3, 1.0 if one else -1.0, np.float32) for one in cat]
        words = [["a cat", "one cat"] if one else ["a dog", "one dog"] for one in cat]
        return {"references": words}, {"response": response}, {}


class ReconstructionData(MockDataset):
    kind = "reconstruction"

    def make(self, rng):
        images = [rng.integers(0, 255, (16, 16, 3), dtype=np.uint8) for _ in range(N)]
        response = [image.astype(np.float32).ravel() for image in images]
        return {}, {"response": response, "image": images}, {}


class GroundingData(MockDataset):
    kind = "grounding"

    def make(self, rng):
        corner = rng.uniform(0, 0.5, (N, 2))
        boxes = [np.array([[x, y, x + 0.4, y + 0.4]]) for x, y in corner]
        response = [np.array(box[0, :2], np.float32) for box in boxes]
        return {"concept": "cat"}, {"response": response, "area": boxes}, {}


class LocalisationData(MockDataset):
    """The first of twenty voxels says whether there is a cat, the second whether there is a dog."""

    kind = "localisation"

    def make(self, rng):
        cat = np.arange(N) // 2 % 2
        dog = np.maximum(1 - cat, np.arange(N) // 4 % 2)
        response = [np.float32([4 * a, 4 * b, *rng.normal(size=18)]) for a, b in zip(cat, dog, strict=True)]
        shown = zip(cat, dog, strict=True)
        boxes = [json.dumps({name: [] for name, there in (("cat", a), ("dog", b)) if there}) for a, b in shown]
        return {"concept": np.where(cat, "cat", "dog"), "boxes": boxes}, {"response": response}, {}


class EncodingData(MockDataset):
    kind = "encoding"

    def make(self, rng):
        film = [rng.normal(size=(10, 2)).astype(np.float32) for _ in range(N)]
        columns = {"frames:one": 10, "frames:two": 10}
        arrays = {"features/video": film}
        for subject, weight in (("one", 1.0), ("two", -2.0)):
            arrays[f"responses/{subject}"] = [run @ np.array([[weight, 0, 1], [0, 1, 1]], np.float32) for run in film]
        return columns, arrays, {}


class WithheldData(EncodingData):
    """The same films, half of which nobody but the organisers has the responses of."""

    def make(self, rng):
        columns, arrays, meta = super().make(rng)
        here = np.arange(N) // 2 % 2 == 0
        hidden = {
            name: [value if shown else None for value, shown in zip(values, here, strict=True)]
            for name, values in arrays.items()
            if name.startswith("responses/")
        }
        return {**columns, "set": np.where(here, "train", "test")}, {**arrays, **hidden}, meta


class QuestionsData(MockDataset):
    kind = "questions"

    def make(self, rng):
        female = np.arange(N) // 2 % 2
        columns, arrays, meta = scans(rng, 10.0 * female)
        truth = [json.dumps({"sex": "female" if one else "male"}) for one in female]
        return {**columns, "prompt": "What is the sex?", "fields": truth}, arrays, meta


def task(kind: str, dataset: type, target: str, metrics: tuple[str, ...], **more) -> Task:
    return Task(
        name=f"mock-{kind}",
        title=f"mock {kind}",
        family="mock",
        version=1,
        kind=kind,
        dataset=f"{HERE}:{dataset.__name__}",
        target=target,
        split=KFold(2),
        metrics=metrics,
        **more,
    )


CLASSIFICATION = task("classification", ClassificationData, "zebra", ("auc", "accuracy"), classes=("plain", "stripes"))
REGRESSION = task("regression", RegressionData, "value", ("mae", "pearson-r"))
CONNECTIVITY = task("connectivity", ConnectivityData, "graph", ("graph-f1", "shd"))
CAPTIONING = task("captioning", CaptioningData, "references", ("exact-match",))
RECONSTRUCTION = task("reconstruction", ReconstructionData, "image", ("pixcorr",))
GROUNDING = task("grounding", GroundingData, "area", ("grounding-iou",))
LOCALISATION = task("localisation", LocalisationData, "concept", ("deletion",))
ENCODING = task("encoding", EncodingData, "responses", ("encoding-r",))
WITHHELD = replace(task("encoding", WithheldData, "responses", ("encoding-r",)), name="mock-withheld", split=Given())
QUESTIONS = task("questions", QuestionsData, "fields", ("field-accuracy",))


@dataclass
class FirstRoi(Method):
    """Class or value from the mean of the first ROI."""

    gain: float = 1.0
    card = CARD
    supports = ("classification", "regression", "questions")

    def level(self, view) -> np.ndarray:
        return np.array([view.series(row)[:, 0].mean() for row in range(len(view))])

    def fit(self, train, context) -> None:
        context.progress("levels", 1, 1)
        if context.task.kind != "questions":
            self.line = np.polyfit(self.level(train.inputs), train.targets, 1)

    def predict(self, test, context):
        level = self.level(test)
        if context.task.kind == "regression":
            return np.polyval(self.line, level)
        if context.task.kind == "questions":
            return Answers(["sex: female" if value > 5 else "sex: male" for value in level])
        p = np.clip(np.polyval(self.line, level), 0, 1)
        return np.stack([1 - p, p], axis=1)


@dataclass
class Lag(Method):
    """Which of two nodes follows the other by one step."""

    card = CARD
    supports = ("connectivity",)

    def fit(self, train, context) -> None:
        pass

    def predict(self, test, context):
        follows = [np.abs(series[:-1].T @ series[1:]) for network in test for series in network.recordings]
        scores = [np.maximum(one - one.T, 0) for one in follows]
        return Graphs(scores, [score > 0 for score in scores])


@dataclass
class Nearest(Method):
    """The target of the training item with the nearest response."""

    memory: list = field(default_factory=list)
    card = CARD
    supports = ("captioning", "reconstruction", "grounding", "localisation")

    def fit(self, train, context) -> None:
        self.memory = [(train.inputs[k], train.targets[k]) for k in range(len(train.inputs))]

    def predict(self, test, context):
        if context.task.kind == "reconstruction":
            return [test[k].reshape(16, 16, 3).round().astype(np.uint8) for k in range(len(test))]
        if context.task.kind == "localisation":
            return [np.eye(20)[int(concept == "dog")] for concept in test.concepts]
        if context.task.kind == "grounding":
            return [np.array([[*test[k], *(test[k] + 0.4)]]) for k in range(len(test))]
        return [
            min(self.memory, key=lambda one: float(((one[0] - test[k]) ** 2).sum()))[1].references[0]
            for k in range(len(test))
        ]


@dataclass
class Linear(Method):
    """Least squares from the first stream to each subject's parcels."""

    card = CARD
    supports = ("encoding",)

    def fit(self, train, context) -> None:
        film = np.concatenate([train.inputs[k].features["video"] for k in range(len(train.inputs))])
        self.maps = {}
        for subject in train.targets[0]:
            response = np.concatenate([run[subject] for run in train.targets])
            self.maps[subject] = np.linalg.lstsq(film, response, rcond=None)[0]

    def predict(self, test, context):
        return [
            {
                subject: test[k].features["video"][:frames] @ self.maps[subject]
                for subject, frames in test[k].frames.items()
            }
            for k in range(len(test))
        ]
