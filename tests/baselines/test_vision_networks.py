"""Networks from voxels to images: layers by hand, planted signals, brains of several sizes, no word among test items."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from brainbench.baselines.cortex2image import Cortex2Image  # noqa: E402
from brainbench.baselines.dream import Dream  # noqa: E402
from brainbench.baselines.mind_reader import MindReader  # noqa: E402
from brainbench.baselines.mindbridge import MindBridge  # noqa: E402
from brainbench.baselines.mindeye import MindEye  # noqa: E402
from brainbench.baselines.mindeye2 import MindEye2  # noqa: E402
from brainbench.baselines.umbrae import Umbrae  # noqa: E402
from brainbench.benchmark.contracts import Context, TaskInfo, Train  # noqa: E402
from brainbench.benchmark.kinds.seen import Space, Stimulus  # noqa: E402

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "white": (230, 230, 230)}
NAMES = tuple(COLOURS)
VOXELS = {"subj01": 40, "subj02": 27}
GRID = (5, 5, 4)
PICTURE = {"features": "pixels"}


@dataclass
class View:
    """Responses of several brains."""

    brains: list[str]
    responses: list[np.ndarray]
    spaces: dict[str, Space]
    questions: list[str] = field(default_factory=list)
    concepts: list[str] = field(default_factory=list)

    def __len__(self):
        return len(self.brains)

    def __getitem__(self, row):
        return self.responses[row].mean(0)

    def trials(self, row):
        return self.responses[row]

    def rows(self, brain):
        return np.flatnonzero(np.array(self.brains) == brain)

    def matrix(self, rows):
        return np.stack([self[row] for row in rows])

    def part(self, rows):
        return View(*([values[row] for row in rows] for values in (self.brains, self.responses)), self.spaces,
                    *([values[row] for row in rows] for values in (self.questions, self.concepts)))  # fmt: skip


def stimulus(corners):
    """A picture of four coloured quarters, and what is said of it."""
    image = np.zeros((32, 32, 3), np.uint8)
    boxes = {}
    for place, colour in enumerate(corners):
        row, column = divmod(place, 2)
        image[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = COLOURS[NAMES[colour]]
        corner = [column / 2, row / 2, column / 2 + 0.5, row / 2 + 0.5]
        boxes.setdefault(NAMES[colour], []).append(corner)
    left, right = NAMES[corners[0]], NAMES[corners[1]]
    text = f"a {left} square beside a {right} square"
    return Stimulus(
        captions=(text,),
        description=f"{text} .",
        boxes={name: np.array(found) for name, found in boxes.items()},
        dialogue=(("what is left ?", left), ("what is right ?", right)),
        references=(text,),
        picture=image,
    )


def toy(kind, images=96, test=16, noise=0.3, seed=0):
    """Linear responses of two brains to four colours; (Train, test view, stimuli of the test items)."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 4, (images + test, 4))
    seen = [stimulus(row) for row in corners]
    codes = np.eye(4)[corners].reshape(len(corners), -1)
    spaces = {}
    for brain, voxels in VOXELS.items():
        index = np.sort(rng.choice(np.prod(GRID), voxels, replace=False))
        spaces[brain] = Space(GRID, 1.8, index, {"nsdgeneral": np.ones(voxels, bool)})
    views, targets, groups = {}, {}, {}
    weights = {brain: rng.normal(size=(codes.shape[1], voxels)) for brain, voxels in VOXELS.items()}
    for part, rows in (("train", range(images)), ("test", range(images, images + test))):
        made = [(brain, row) for brain in VOXELS for row in rows]
        responses = [
            (5 + 2 * (codes[row] @ weights[brain] + noise * rng.normal(size=(3, VOXELS[brain])))).astype(np.float32)
            for brain, row in made
        ]
        questions = [seen[row].dialogue[row % 2][0] if kind == "reasoning" else "" for _, row in made]
        concepts = [NAMES[corners[row][0]] for _, row in made]
        views[part] = View([brain for brain, _ in made], responses, spaces, questions, concepts)
        targets[part] = [seen[row] for _, row in made]
        groups[part] = np.array([row for _, row in made])
    return Train(views["train"], targets["train"], groups["train"]), views["test"], targets["test"]


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path / "home"))

    def make(kind, seed=0):
        return Context(TaskInfo("toy", kind, "image"), seed, tmp_path)

    return make


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def found(method, kind, context, **options):
    train, test, truth = toy(kind, **options)
    method.fit(train, context(kind))
    return method.predict(test, context(kind)), truth, test


def likeness(images, truth):
    """Mean correlation of pictures with what was seen, and the same with another item's."""

    def flat(image):
        side = len(image)
        return image.reshape(2, side // 2, 2, side // 2, 3).mean((1, 3)).ravel()

    pictures, seen = [flat(image) for image in images], [flat(each.image()) for each in truth]
    right = [np.corrcoef(a, b)[0, 1] for a, b in zip(pictures, seen, strict=True)]
    wrong = [np.corrcoef(a, b)[0, 1] for a, b in zip(pictures, seen[3:] + seen[:3], strict=True)]
    return np.mean(right), np.mean(wrong)


def quick(cls, **options):
    """Tiny settings."""
    small = {
        MindEye: {"hidden": 64, "blocks": 1, "projected": 64, "epochs": 25},
        MindEye2: {"hidden": 64, "blocks": 1, "epochs": 15},
        MindBridge: {"pooled": 32, "hidden": 64, "blocks": 1, "rank": 8, "epochs": 60, "rate": 3e-3},
        Umbrae: {"epochs": 60, "width": 32, "tokens": 4, "layers": 1, "rate": 3e-3},
        MindReader: {"hidden": 64, "blocks": 1, "epochs": 40},
        Cortex2Image: {"hidden": 64, "layers": 1, "epochs": 40, "rate": 3e-3},
        Dream: {},
    }[cls]
    return cls(**{**PICTURE, **small, **options})


NETWORKS = (MindEye, MindEye2, MindBridge, Umbrae, MindReader, Cortex2Image)
ALL = (*NETWORKS, Dream)


@pytest.mark.parametrize("cls", ALL)
def test_a_planted_signal_makes_the_picture(cls, context):
    pictures, truth, _ = found(quick(cls), "reconstruction", context)
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in pictures)
    right, wrong = likeness(pictures, truth)
    print(cls.__name__, right, wrong)
    assert right > wrong + 0.3
