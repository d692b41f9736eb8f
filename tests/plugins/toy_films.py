"""The toy films as a task: learned from five, tested on two others."""

from __future__ import annotations

import numpy as np
from film_toy import toy_items

from brainbench import Dataset, DatasetCard, Task
from brainbench.benchmark.contracts import Data
from brainbench.benchmark.splits import Given

HERE = __file__
TESTED = ("life", "s9")
MOVIES = ("s1", "s2", "s3", "figures", "bourne", *TESTED)


class ToyFilms(Dataset):
    """See `film_toy.toy_items`."""

    card = DatasetCard("toy films", "made in memory", "none", "CC0", "none")

    def installed(self) -> bool:
        return False

    def load(self, source, progress=None) -> Data:
        items = toy_items(MOVIES, stimuli=2)
        tested = items.table["movie"].isin(TESTED)
        return Data(
            type(items)(items.table.assign(set=np.where(tested, "test", "train")), items.arrays, items.meta),
            "toy-films", "twin", "toy-films",
        )  # fmt: skip


TOY = Task(
    name="toy-films", title="toy films", family="mock", version=1, kind="encoding", dataset=f"{HERE}:ToyFilms",
    target="responses", split=Given(), metrics=("encoding-r",), parts="movie",
)  # fmt: skip
