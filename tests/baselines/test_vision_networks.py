"""Networks from voxels to images: layers by hand, planted signals, brains of several sizes, items by themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from brainbench.baselines.brain_rows import Lesson, Standard  # noqa: E402
from brainbench.baselines.cortex2image import Cortex2Image  # noqa: E402
from brainbench.baselines.cortex2image_network import GraphNetwork, average, neighbours  # noqa: E402
from brainbench.baselines.dream import Dream, compose, enlarge, parts  # noqa: E402
from brainbench.baselines.mind_reader import MindReader  # noqa: E402
from brainbench.baselines.mindbridge import MindBridge  # noqa: E402
from brainbench.baselines.mindbridge_network import Bridge, pool  # noqa: E402
from brainbench.baselines.mindeye import MindEye  # noqa: E402
from brainbench.baselines.mindeye2 import MindEye2, some_images  # noqa: E402
from brainbench.baselines.mindeye2_network import SharedNetwork  # noqa: E402
from brainbench.baselines.mindeye_network import HighLevel  # noqa: E402
from brainbench.baselines.onellm import OneLLM  # noqa: E402
from brainbench.baselines.umbrae import Umbrae  # noqa: E402
from brainbench.baselines.umbrae_network import BrainX, Tokenizer  # noqa: E402
from brainbench.benchmark.contracts import Context, TaskInfo, Train  # noqa: E402
from brainbench.benchmark.errors import BadData, BadOption  # noqa: E402
from brainbench.benchmark.kinds.seen import Space, Stimulus  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count  # noqa: E402

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "white": (230, 230, 230)}
NAMES = tuple(COLOURS)
VOXELS = {"subj01": 40, "subj02": 27}
GRID = (5, 5, 4)
SILENT = 8  # last voxels of a brain, which carry nothing
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
    """Linear responses of two brains to the colours of four quarters; (Train, test view, stimuli of the test items)."""
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
    for matrix in weights.values():
        matrix[:, -SILENT:] = 0
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
    assert right > wrong + 0.3


@pytest.mark.parametrize("cls", ALL)
def test_captions_boxes_and_answers_come_from_the_image_that_is_found(cls, context):
    said, truth, _ = found(quick(cls), "captioning", context)
    right = np.mean([text in each.captions for text, each in zip(said, truth, strict=True)])
    assert right > 0.25  # one in sixteen by chance
    boxes, truth, test = found(quick(cls), "grounding", context)
    hits = [
        any(np.allclose(mine[0], box) for box in each.boxes[concept])
        for mine, each, concept in zip(boxes, truth, test.concepts, strict=True)
    ]
    assert np.mean(hits) > 0.5


@pytest.mark.parametrize("cls", ALL)
def test_nothing_is_found_in_noise(cls, context):
    train, test, truth = toy("reconstruction")
    order = np.random.default_rng(1).permutation(len(train.targets) // 2)
    order = np.concatenate([order, order + len(order)])
    method = quick(cls)
    shuffled = Train(train.inputs, [train.targets[row] for row in order], train.groups[order])
    method.fit(shuffled, context("reconstruction"))
    right, wrong = likeness(method.predict(test, context("reconstruction")), truth)
    assert abs(right - wrong) < 0.25


@pytest.mark.parametrize("cls", NETWORKS)
def test_same_seed_same_prediction_and_items_stand_by_themselves(cls, context):
    train, test, _ = toy("reconstruction", images=40)
    few = {"epochs": 3}
    first, second = quick(cls, **few), quick(cls, **few)
    for method in (first, second):
        method.fit(train, context("reconstruction"))
    whole = first.predict(test, context("reconstruction"))
    again = second.predict(test, context("reconstruction", seed=0))
    assert all(np.array_equal(a, b) for a, b in zip(whole, again, strict=True))
    rows = [30, 2, 17]
    alone = [first.predict(test.part([row]), context("reconstruction"))[0] for row in rows]
    for row, picture in zip(rows, alone, strict=True):
        assert np.abs(whole[row].astype(int) - picture).max() <= 1
    facts = first.report()
    assert facts["parameters"] > 0
    assert facts["sources"]["features"].startswith("pixels")


@pytest.mark.parametrize("cls", ALL)
def test_a_brain_without_training_data_is_an_error(cls, context):
    train, test, _ = toy("captioning", images=24)
    rows = train.inputs.rows("subj01")
    method = quick(cls) if cls is Dream else quick(cls, epochs=2)
    mine = Train(train.inputs.part(rows), [train.targets[row] for row in rows], train.groups[rows])
    method.fit(mine, context("captioning"))
    assert len(method.predict(test.part(test.rows("subj01")), context("captioning"))) == 16
    with pytest.raises(BadData, match="subj02"):
        method.predict(test, context("captioning"))


@pytest.mark.parametrize("cls", [cls for cls in NETWORKS if "localisation" in cls.supports])
def test_maps_of_concepts_lie_on_voxels_that_carry_something(cls, context):
    maps, _, test = found(quick(cls), "localisation", context)
    assert [len(each) for each in maps] == [VOXELS[brain] for brain in test.brains]
    assert all((each >= 0).all() and np.isfinite(each).all() for each in maps)
    assert np.mean([each[:-SILENT].mean() > each[-SILENT:].mean() for each in maps]) > 0.8


def test_single_trials_can_be_learned_from(context):
    pictures, truth, _ = found(quick(MindEye, trials=True, epochs=10), "reconstruction", context)
    right, wrong = likeness(pictures, truth)
    assert right > wrong + 0.3


def test_the_picture_of_mindeye_mixes_what_is_decoded_and_found(context):
    train, test, _ = toy("reconstruction", images=40)
    made = {}
    for strength in (0.0, 0.5, 1.0):
        method = quick(MindEye, strength=strength, epochs=5)
        method.fit(train, context("reconstruction"))
        made[strength] = np.stack(method.predict(test, context("reconstruction"))).astype(float)
    inside = (made[0.0] > 2) & (made[0.0] < 253) & (made[1.0] > 2) & (made[1.0] < 253)
    assert np.abs(made[0.5] - (made[0.0] + made[1.0]) / 2)[inside].max() <= 1
    assert np.abs(made[0.0] - made[1.0]).mean() > 3


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (MindEye, {"epochs": 0}), (MindEye, {"strength": 1.5}), (MindEye, {"mixing": -0.1}), (Umbrae, {"tokens": 0}),
        (MindEye2, {"train_fraction": 0.0}), (MindBridge, {"temperature": 0}), (OneLLM, {"tokens": 0}),
    ],
)  # fmt: skip
def test_impossible_options_are_refused(cls, options):
    with pytest.raises(BadOption, match=next(iter(options))):
        cls(**options)


@pytest.mark.parametrize("cls", [*ALL, OneLLM])
def test_presets_are_options_and_the_small_one_is_the_default(cls):
    assert list(cls.presets) == ["small", "paper"]
    assert cls(**cls.presets["small"]) == cls()
    assert cls(**cls.presets["paper"]) != cls()


def test_parameter_counts_at_published_sizes():
    with torch.device("meta"):
        mindeye = HighLevel(15724, 257, 768, 4096, 4, 2048)
        mindeye2 = SharedNetwork({"subj01": 15724}, 256, 1664, 0, 4096, 4, 1664)
        umbrae = BrainX({"subj01": 15724}, 256, 1024, 6, 16, 96, 256 * 1024)
        mindbridge = Bridge(["subj01"], 8192, 2048, 4, 128, 257 * 768, 77 * 768)
    assert parameter_count(mindeye) - parameter_count(mindeye.project) == 940_225_280  # "940M" in the paper
    read = mindeye2.read["subj01"]
    assert parameter_count(read) == 15724 * 4096 + 4096
    # Four blocks of a norm and two layers of 4096; 256 tokens of 1664.
    assert parameter_count(mindeye2.body) == 4 * (2 * 4096 + 2 * (4096**2 + 4096))
    assert parameter_count(mindeye2.out) == 4097 * 256 * 1664
    assert parameter_count(umbrae.tokenizers) == 2 * 256 + 15725 * 1024
    layer = 2 * 2 * 1024 + 4 * 1024 * 16 * 96 + 2 * 1024 + 2 * 4 * 1024**2
    assert parameter_count(umbrae.perceiver) == 256 * 1024 + 6 * layer + 2 * 1024
    assert umbrae.pooled is None
    bottleneck = 8192 * 128 + 128 + 128 * 8192 + 8192
    assert parameter_count(mindbridge.embedders) == bottleneck + 8193 * 2048 + 2 * 2048
    assert parameter_count(mindbridge.builders) == bottleneck + 2049 * 8192 + 2 * 8192


def test_tokens_of_umbrae_are_those_of_two_linear_layers_and_affine_copies():
    torch.manual_seed(0)
    tokenizer = Tokenizer(20, 6, 5).double()
    voxels = torch.randn(3, 20, dtype=torch.double)
    direct = tokenizer.gather(tokenizer.spread(voxels[..., None]).transpose(1, 2))
    torch.testing.assert_close(tokenizer(voxels), direct)
    centred = direct - direct.mean(1, keepdim=True)
    assert all(torch.linalg.matrix_rank(each, atol=1e-9) <= 2 for each in centred)


def test_pooling_takes_the_largest_of_each_stretch_and_follows_the_order_of_voxels():
    voxels = torch.tensor([[1.0, 5.0, 2.0, -1.0, -3.0, 0.0]])
    assert pool(voxels, 3).tolist() == [[5.0, 2.0, 0.0]]
    assert pool(voxels.flip(1), 3).tolist() == [[0.0, 2.0, 5.0]]
    assert pool(voxels[:, [0, 2, 1, 3, 4, 5]], 3).tolist() == [[2.0, 5.0, 0.0]]
    assert pool(torch.tensor([[1.0, 2.0]]), 4).tolist() == [[1.0, 1.0, 2.0, 2.0]]


def test_cycles_through_a_brain_that_changes_nothing_cost_nothing():
    bridge = Bridge(["a", "b"], 6, 6, 1, 2, 3, 3)
    bridge.embedders["b"] = bridge.builders["b"] = torch.nn.Identity()
    shared = torch.randn(4, 6)
    assert bridge.cycle(shared, "b").item() == 0
    assert bridge.cycle(shared, "a").item() > 0


def test_neighbours_are_those_that_touch_within_mask_and_grid():
    # A row of three, one above its middle by an edge, and one at the far end, which touches none.
    places = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 2], [3, 3, 3]])
    index = np.ravel_multi_index(places.T, (4, 4, 4))
    pairs = set(map(tuple, neighbours(index, (4, 4, 4)).T))
    assert pairs == {(0, 1), (1, 0), (1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)}
    rng = np.random.default_rng(0)
    shape = (4, 5, 3)
    index = np.sort(rng.choice(60, 30, replace=False))
    at = np.stack(np.unravel_index(index, shape), 1)
    apart = np.abs(at[:, None] - at[None]).max(2)
    assert set(map(tuple, neighbours(index, shape).T)) == set(zip(*np.nonzero(apart == 1), strict=True))


def test_graph_convolution_is_a_mean_over_neighbours():
    torch.manual_seed(0)
    pairs = np.array([[0, 0, 1, 2], [1, 2, 0, 0]])
    graph = average(pairs, 4)
    dense = torch.tensor([[0, 0.5, 0.5, 0], [1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(graph.to_dense(), dense)
    network = GraphNetwork(graph, 3, 2, 8, 5, 2).eval()
    layer, values = network.layers[1], torch.randn(4, 6, 3)
    expected = layer.own(values) + torch.einsum("vw,wbc->vbc", dense, values) @ layer.around.weight.T
    torch.testing.assert_close(layer(values), expected)
    out = network(torch.randn(6, 4))
    assert out.features.shape == (6, 5)
    assert out.mean.shape == out.log_variance.shape == (6, 2)


def test_mindeye2_takes_a_share_of_images_standardised_by_itself():
    rng = np.random.default_rng(0)
    raw, images = rng.normal(3, 2, (60, 5)).astype(np.float32), np.repeat(np.arange(20), 3)
    standard = Standard.of(raw)
    lesson = Lesson("subj01", standard(raw), images, standard)
    few = some_images(lesson, 0.25, seed=1)
    assert len(few.images) == 15  # five images with their three trials
    assert len(np.unique(few.images)) == 5
    np.testing.assert_allclose(few.responses.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(few.standard.mean, raw[np.isin(images, few.images)].mean(0), rtol=1e-4)
    assert some_images(lesson, 1.0, seed=1) is lesson
    assert len(np.unique(some_images(lesson, 0.001, seed=1).images)) == 2


def test_mindeye2_pretrains_on_the_other_brains(context):
    train, test, truth = toy("reconstruction", images=96)
    scores = {}
    for transfer in (True, False):
        method = quick(MindEye2, train_fraction=0.15, transfer=transfer, strength=0.0)
        method.fit(train, context("reconstruction"))
        scores[transfer] = likeness(method.predict(test, context("reconstruction")), truth)[0]
        assert len(method.networks()) == (2 if transfer else 1)
    assert scores[True] > scores[False]


def quick_words(**options):
    return OneLLM(**{"width": 32, "layers": 1, "heads": 2, "epochs": 20, "rate": 1e-2, "batch": 32, **options})


def test_onellm_says_what_is_there_and_answers_questions(context):
    said, truth, _ = found(quick_words(), "captioning", context)
    assert np.mean([text == each.captions[0] for text, each in zip(said, truth, strict=True)]) > 0.25
    said, truth, test = found(quick_words(), "reasoning", context)
    right = [text == dict(each.dialogue)[asked] for text, each, asked in zip(said, truth, test.questions, strict=True)]
    assert np.mean(right) > 0.5  # one in four by chance


def test_onellm_repeats_itself_and_reads_items_one_by_one(context):
    train, test, _ = toy("description", images=32)
    first, second = quick_words(epochs=4), quick_words(epochs=4)
    for method in (first, second):
        method.fit(train, context("description"))
    whole = first.predict(test, context("description"))
    assert whole == second.predict(test, context("description"))
    assert [first.predict(test.part([row]), context("description"))[0] for row in (20, 3)] == [whole[20], whole[3]]
    assert first.report()["parameters"] > 0


def test_onellm_needs_texts_and_brains_that_it_knows(context):
    train, test, _ = toy("captioning", images=24)
    silent = Train(train.inputs, [Stimulus()] * len(train.targets), train.groups)
    with pytest.raises(BadData, match="text"):
        quick_words().fit(silent, context("captioning"))
    rows = train.inputs.rows("subj01")
    method = quick_words(epochs=1)
    mine = Train(train.inputs.part(rows), [train.targets[row] for row in rows], train.groups[rows])
    method.fit(mine, context("captioning"))
    with pytest.raises(BadData, match="subj02"):
        method.predict(test, context("captioning"))


def test_dream_composes_colours_and_shades_over_its_own_detail():
    rng = np.random.default_rng(0)
    image = stimulus([0, 1, 2, 3]).image().repeat(2, 0).repeat(2, 1)
    assert np.abs(compose(image, *parts(image)).astype(int) - image).max() <= 1
    np.testing.assert_allclose(enlarge(np.full((8, 8, 3), 0.4), 48), 0.4)
    draft = rng.integers(100, 150, (48, 48, 3)).astype(np.uint8)
    other = parts(np.full((48, 48, 3), (180, 90, 60), np.uint8))
    made = compose(draft, *other).astype(float)
    np.testing.assert_allclose(made.mean((0, 1)), (180, 90, 60), atol=1.5)
    assert np.corrcoef((made - made.mean((0, 1))).ravel(), (draft - draft.mean((0, 1))).ravel())[0, 1] > 0.7
