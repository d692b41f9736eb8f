"""Small films with a planted linear response, for tests of encoding models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brainbench.benchmark.contracts import Context, TaskInfo, Train
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.encoding import Encoding, Measured, Runs

STREAMS = {"vjepa2/norm": (40,), "whisper/fc2": (3, 24), "llama/layer": (30,)}
SUBJECTS = ("sub-01", "sub-02", "sub-03")
PARCELS, LAG, TRAINED, LONGER = 15, 3, 12, 2
INFO = TaskInfo("toy", "encoding", "responses")


@dataclass
class Films:
    """Training films, tested ones (the last is silent and has no text), and what was measured."""

    train: Train
    test: Runs
    truth: Measured
    context: Context

    def r(self, prediction: list[dict[str, np.ndarray]], silent: bool = False) -> float:
        """Mean over runs (or of the silent one), subjects and parcels of Pearson r; 0 for a constant prediction."""
        found, last = [], len(prediction) - 1
        for row, run in [(last, prediction[last])] if silent else list(enumerate(prediction))[:last]:
            for subject, values in run.items():
                a, b = (x - x.mean(axis=0) for x in (values.astype(float), self.truth.read(row, subject)))
                norm = np.sqrt((a**2).sum(0) * (b**2).sum(0))
                found.append(np.divide((a * b).sum(0), norm, out=np.zeros(len(norm)), where=norm > 1e-9).mean())
        return float(np.mean(found))


def film(rng: np.random.Generator, frames: int) -> dict[str, np.ndarray]:
    """Streams with their own autocorrelation, scale and mean; one constant column, one that is not a number at once."""
    out = {}
    for number, (name, shape) in enumerate(STREAMS.items()):
        slow = rng.normal(size=(frames, 4))
        for t in range(1, frames):
            slow[t] += 0.5 * slow[t - 1]
        mixed = slow @ np.random.default_rng(number).normal(size=(4, shape[-1])) + 0.3 * rng.normal(
            size=(frames, shape[-1])
        )
        values = (mixed * (number + 1) + 5)[:, None] if len(shape) == 2 else mixed * (number + 1) + 5
        out[name] = np.broadcast_to(values, (frames, *shape)).astype(np.float16)
    out["llama/layer"][:, 7] = 1
    return out


def respond(rng: np.random.Generator, streams: dict[str, np.ndarray], noise: float) -> dict[str, np.ndarray]:
    """Responses `LONGER` TRs longer than the film: the features `LAG` TRs before, through each subject's map."""
    joined = [values.mean(axis=1) if values.ndim == 3 else values for values in streams.values()]
    features = np.concatenate([(part - 5).astype(float) / (k + 1) for k, part in enumerate(joined)], axis=1)
    frames = len(features) + LONGER
    out = {}
    for number, subject in enumerate(SUBJECTS):
        weights = np.random.default_rng(100 + number).normal(size=(features.shape[1], PARCELS)) / 20
        values = noise * rng.normal(size=(frames, PARCELS))
        values[LAG:] += features[: frames - LAG] @ weights
        out[subject] = values.astype(np.float32)
    return out


def make_films(folder: Path, noise: float = 0.3, tested: int = 3, seed: int = 0) -> Films:
    """`TRAINED` training runs, two of one stimulus, of which sub-02 lacks the first; the same maps in test runs."""
    rng = np.random.default_rng(seed)
    shown: list[dict[str, np.ndarray]] = []
    measured: list[dict[str, np.ndarray]] = []
    for row in range(TRAINED + tested):
        streams = film(rng, int(rng.integers(50, 80))) if row != 1 else shown[0]
        responses = respond(rng, streams, noise)
        if row == TRAINED + tested - 1:
            streams = {name: values for name, values in streams.items() if name != "llama/layer"}
        if row == 0:
            del responses["sub-02"]
        shown.append(streams)
        measured.append(responses)
    table = pd.DataFrame(
        {
            "series": "friends",
            "movie": [f"s{row % 4}" for row in range(len(shown))],
            "stimulus": [f"film-{max(row, 1)}" for row in range(len(shown))],
            "showing": [1 + (row == 1) for row in range(len(shown))],
            **{f"frames:{name}": [len(run.get(name, ())) for run in measured] for name in SUBJECTS},
        },
        index=[f"run-{row}" for row in range(len(shown))],
    )
    arrays = {f"features/{name}": [run.get(name) for run in shown] for name in STREAMS}
    arrays |= {f"responses/{name}": [run.get(name) for run in measured] for name in SUBJECTS}
    meta = {"tr": 1.49, "subjects": list(SUBJECTS), "parcels": [str(k) for k in range(PARCELS)], "networks": []}
    items, kind = Items(table, arrays, meta), Encoding()
    parts = [items.take(range(TRAINED)), items.take(range(TRAINED, len(shown)))]
    inputs, targets = zip(*((kind.view(part, INFO), kind.targets(part, INFO)) for part in parts), strict=True)
    groups, _ = pd.factorize(table["stimulus"][:TRAINED])
    return Films(Train(inputs[0], targets[0], groups), inputs[1], targets[1], Context(INFO, 0, folder))
