"""Small films with the names and the thousand parcels of the challenge: real (truth withheld) and simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from brainbench import Card, Dataset, DatasetCard, Items, Method, Task
from brainbench.benchmark.contracts import Ceiling, Data
from brainbench.benchmark.splits import Given

HERE = __file__
SUBJECTS = ("sub-01", "sub-02", "sub-03", "sub-05")
PARCELS = 1000
NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")
GAIN = {name: gain for name, gain in zip(NETWORKS, (1.0, 0.6, 0.5, 0.3, 0.0, 0.2, 0.4), strict=True)}
RUNS = (
    ("friends", "s1", "s01e01a"), ("friends", "s1", "s01e01b"), ("friends", "s6", "s06e01a"),
    ("movie10", "life", "life01"), ("friends", "s7", "s07e01a"), ("friends", "s7", "s07e01b"),
    ("ood", "chaplin", "chaplin1"), ("ood", "wot", "wot1"),
)  # fmt: skip
TESTED = {"val": ("s6", "life"), "friends": ("s7",), "ood": ("chaplin", "wot")}


def parcels() -> tuple[list[str], list[str]]:
    """Names and networks of the parcels: the left half first, in each the networks one after the other."""
    networks = [NETWORKS[k % 500 * len(NETWORKS) // 500] for k in range(PARCELS)]
    return [f"{'LH' if k < 500 else 'RH'}_{name}_{k}" for k, name in enumerate(networks)], networks


class Films(Dataset):
    """Each parcel follows the mean of the film's one stream with its network's gain."""

    card = DatasetCard("films", "made in memory", "none", "CC0", "none")

    def installed(self) -> bool:
        return False

    def load(self, source, progress=None) -> Data:
        rng = np.random.default_rng(0)
        names, networks = parcels()
        gain = np.array([GAIN[name] for name in networks])
        maps = {subject: gain * rng.uniform(0.5, 1.5, PARCELS) for subject in SUBJECTS}
        rows, arrays = [], {f"responses/{subject}": [] for subject in SUBJECTS} | {"features/toy/one": []}
        for number, (series, movie, run) in enumerate(RUNS):
            time = 130 + number
            film = rng.normal(size=(time, 1)).astype(np.float32)
            arrays["features/toy/one"].append(film)
            row = {
                "id": run,
                "subject": run,
                "group": run,
                "series": series,
                "movie": movie,
                "stimulus": run,
                "showing": 1,
            }
            withheld = source == "real" and (series == "ood" or movie == "s7")
            for subject in SUBJECTS:
                values = film * maps[subject] + rng.normal(size=(time, PARCELS))
                arrays[f"responses/{subject}"].append(None if withheld else values.astype(np.float32))
                row[f"frames:{subject}"] = time
            rows.append(row)
        meta = {"tr": 1.49, "subjects": list(SUBJECTS), "parcels": names, "networks": networks}
        items = Items(pd.DataFrame(rows).set_index("id"), arrays, meta)
        real = source == "real"
        ceilings = {} if real else {"responses": Ceiling("encoding-r", 0.4, 0.0)}
        return Data(items, "films", "real" if real else "twin", f"films-{source}", ceilings)


def cut(which, items: Items) -> Items:
    tested = items.table["movie"].isin(TESTED[which])
    learned = items.table["series"].isin(("friends", "movie10")) & (items.table["movie"] == "s1")
    part = np.where(tested, "test", np.where(learned, "train", ""))
    chosen = items.take(np.flatnonzero(part != ""))
    return Items(chosen.table.assign(set=part[part != ""]), chosen.arrays, {**chosen.meta, "subjects": 4})


def task(which: str) -> Task:
    from functools import partial

    return Task(
        name=f"algonauts2025-{which}", title="films", family="mock", version=1, kind="encoding",
        dataset=f"{HERE}:Films", target="responses", split=Given(), metrics=("encoding-r", "encoding-r:Vis"),
        parts="movie", derive=partial(cut, which),
    )  # fmt: skip


VAL, FRIENDS, OOD = task("val"), task("friends"), task("ood")
OTHER = replace(OOD, name="mock-films")


@dataclass
class Slope(Method):
    """Least squares of each parcel on the mean of the first stream."""

    lie: float = 0.0
    card = Card("slope", "A trivial method for tests.")
    supports = ("encoding",)

    def fit(self, train, context) -> None:
        self.maps = {}
        for subject in train.inputs.subjects:
            x = np.concatenate([self.film(run) for run in train.inputs])
            y = np.concatenate([run[subject] for run in train.targets])
            self.maps[subject] = x[:, 0] @ y / (x[:, 0] @ x[:, 0])

    def film(self, run) -> np.ndarray:
        return run.read(run.streams[0]).mean(axis=1, keepdims=True)

    def predict(self, test, context):
        rng = np.random.default_rng(context.seed)
        return [
            {
                subject: (self.film(run) * self.maps[subject] + self.lie * rng.normal(size=(frames, PARCELS)))
                for subject, frames in run.frames.items()
            }
            for run in test
        ]
