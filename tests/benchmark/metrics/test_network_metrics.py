"""Metrics by frozen networks, the whole path: weights with random values are imported, and loops are the reference.

What is checked is which layer is read, at which size, with which resize and colours; published weights are not needed
for that. Heads, which no metric reads, are left out of the files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
models = pytest.importorskip("torchvision.models")
pytest.importorskip("timm")
from PIL import Image  # noqa: E402
from torchvision.transforms import functional as tv  # noqa: E402

from brainbench.benchmark import weights  # noqa: E402
from brainbench.benchmark.cli import app  # noqa: E402
from brainbench.benchmark.errors import Unavailable  # noqa: E402
from brainbench.benchmark.kinds.seen import Stimulus  # noqa: E402
from brainbench.benchmark.nn import encoders  # noqa: E402
from brainbench.benchmark.nn.features import load_encoder  # noqa: E402
from brainbench.benchmark.registry import load_metric  # noqa: E402

N = 5
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
OPENAI = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


@pytest.fixture(autouse=True)
def no_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "_in_hub_cache", lambda repository, file: None)

    def refuse(url, path):
        raise OSError("no network in a test")

    monkeypatch.setattr(weights, "_fetch", refuse)


def pictures() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What was seen at 120 pixels, and a smooth and noisy copy at 64."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (N, 7, 7, 3), dtype=np.uint8)
    seen = [np.asarray(Image.fromarray(image).resize((120, 120), Image.Resampling.BICUBIC)) for image in coarse]
    noisy = [np.clip(image + rng.normal(0, 40, image.shape), 0, 255).astype(np.uint8) for image in seen]
    return seen, [np.asarray(Image.fromarray(image).resize((64, 64))) for image in noisy]


def stimuli(images: list[np.ndarray]) -> list[Stimulus]:
    return [Stimulus(picture=image) for image in images]


def put(name: str, network: torch.nn.Module, folder: Path, heads: tuple[str, ...] = ()) -> None:
    """Import a network's values under a name through the command."""
    state = {key: value for key, value in network.state_dict().items() if not key.startswith(heads or "-")}
    torch.save(state, folder / "given.pth")
    done = CliRunner().invoke(app, ["weights", "import", name, str(folder / "given.pth")])
    assert done.exit_code == 0, done.output


def random_network(build: Callable[..., torch.nn.Module], **options: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(**options).eval()


def mindeye(images: list[np.ndarray], side: int, colours: tuple = IMAGENET) -> torch.Tensor:
    """The notebook's way: floats, 256 first, no antialiasing."""
    batch = [torch.tensor(image).permute(2, 0, 1)[None] / 255 for image in images]
    first = [tv.resize(image, [256, 256], antialias=False) for image in batch]
    return tv.normalize(torch.cat([tv.resize(image, [side, side], antialias=False) for image in first]), *colours)


def diffuser(images: list[np.ndarray], colours: tuple = IMAGENET) -> torch.Tensor:
    """The script's way: 8-bit images by Pillow to 224, for every network."""
    small = [tv.resize(Image.fromarray(image), [224, 224]) for image in images]
    return tv.normalize(torch.stack([tv.to_tensor(image) for image in small]), *colours)


def tapped(network: torch.nn.Module, layer: str, batch: torch.Tensor) -> np.ndarray:
    """Values that a layer gives while the network runs, flattened."""
    held = []
    handle = network.get_submodule(layer).register_forward_hook(lambda _, __, out: held.append(out.clone()))
    with torch.no_grad():
        network(batch)
    handle.remove()
    return held[0].flatten(1).numpy()


def identified(seen: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Loops over np.corrcoef: by columns and by rows."""
    matrix = np.array([[np.corrcoef(a, b)[0, 1] for b in found] for a in seen])
    pairs = [(i, j) for j in range(N) for i in range(N) if i != j]
    columns = np.mean([matrix[i, j] < matrix[j, j] for i, j in pairs])
    return float(columns), float(np.mean([matrix[i, j] < matrix[i, i] for i, j in pairs]))


def distance(seen: np.ndarray, found: np.ndarray) -> float:
    return float(np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(seen, found, strict=True)]))


def test_alexnet_reads_conv2_and_conv5_before_pooling(tmp_path):
    network = random_network(models.alexnet)
    put("alexnet", network, tmp_path, ("classifier",))
    seen, found = pictures()
    truth = stimuli(seen)
    for name, layer in {"alexnet-2": "features.4", "alexnet-5": "features.11"}.items():
        for part, prepare in {"": lambda images: mindeye(images, 256), ":brain-diffuser": diffuser}.items():
            first, second = (tapped(network, layer, prepare(images)) for images in (seen, found))
            assert load_encoder(name, protocol=part[1:] or "mindeye").dim == first.shape[1]
            columns, rows = identified(first, second)
            by_rows = f"{name}:{(part[1:] + ',') * bool(part)}row-wise"
            assert load_metric(name + part).score(truth, found) == pytest.approx(columns, abs=1e-12)
            assert load_metric(by_rows).score(truth, found) == pytest.approx(rows, abs=1e-12)
            if not part:
                embedded = load_encoder(name, protocol="mindeye").embed(seen)
                np.testing.assert_allclose(embedded, first, atol=1e-5)


def test_alexnet_runs_once_for_both_layers_and_reads_each_image_once(tmp_path, monkeypatch):
    put("alexnet", random_network(models.alexnet), tmp_path, ("classifier",))
    seen, found = pictures()
    calls = []
    whole = encoders.NetworkEncoder.layers

    def counted(self, images, names):
        calls.append(len(images))
        return whole(self, images, names)

    monkeypatch.setattr(encoders.NetworkEncoder, "layers", counted)
    truth, same = stimuli(seen), [found[0]] * N
    assert load_metric("alexnet-2").score(truth, same) == pytest.approx(0.5, abs=1e-12)
    assert load_metric("alexnet-5").score(truth, same) == pytest.approx(0.5, abs=1e-12)
    assert load_metric("alexnet-5:row-wise").score(truth, same) == 0
    assert calls == [N, 1]  # the images that were seen, and the one image that was drawn for all


def test_inception_reads_its_pool_with_the_input_transform_of_its_weights(tmp_path):
    torch.manual_seed(0)
    network = models.inception_v3(transform_input=True, init_weights=False).eval()
    put("inception-v3", network, tmp_path, ("fc",))
    seen, found = pictures()
    first, second = (tapped(network, "avgpool", mindeye(images, 342)) for images in (seen, found))
    assert first.shape == (N, 2048)
    score = load_metric("inception").score(stimuli(seen), found)
    assert score == pytest.approx(identified(first, second)[0], abs=1e-12)
    embedded = load_encoder("inception-v3", protocol="brain-diffuser").embed(seen[:1])
    np.testing.assert_allclose(embedded, tapped(network, "avgpool", diffuser(seen[:1])), atol=1e-5)


def test_effnet_b_takes_other_weights_under_each_protocol(tmp_path):
    seen, found = pictures()
    truth = stimuli(seen)
    for seed, (part, name) in enumerate({"": "efficientnet-b1-v2", ":brain-diffuser": "efficientnet-b1-v1"}.items()):
        torch.manual_seed(seed)
        network = models.efficientnet_b1().eval()
        with pytest.raises(Unavailable, match=name):
            load_metric("effnet-b" + part).score(truth, found)
        put(name, network, tmp_path, ("classifier",))
        prepare = diffuser if part else lambda images: mindeye(images, 255)
        first, second = (tapped(network, "avgpool", prepare(images)) for images in (seen, found))
        metric = load_metric("effnet-b" + part)
        assert metric.score(truth, found) == pytest.approx(distance(first, second), abs=1e-5)
        assert f"{name} (sha256" in metric.made_with(truth)
        assert "not the published file" in metric.made_with(truth)


def test_swav_reads_the_pool_of_a_file_without_head(tmp_path):
    torch.manual_seed(0)
    network = models.resnet50().eval()
    state = {f"module.{key}": value for key, value in network.state_dict().items() if not key.startswith("fc")}
    torch.save(state, tmp_path / "swav.pth.tar")
    weights.import_file("swav-resnet50", tmp_path / "swav.pth.tar")
    seen, found = pictures()
    first, second = (tapped(network, "avgpool", mindeye(images, 224)) for images in (seen, found))
    assert load_metric("swav").score(stimuli(seen), found) == pytest.approx(distance(first, second), abs=1e-5)


@pytest.fixture
def tiny_clip(tmp_path, monkeypatch):
    """A CLIP of the same interface and another size, imported under the large one's name."""
    open_clip = pytest.importorskip("open_clip")

    def build():
        image = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 56, "image_size": 224}
        text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
        return open_clip.model.CLIP(768, image, text, quick_gelu=True)

    monkeypatch.setitem(
        encoders.NETWORKS, "clip-vit-l-14", encoders.Network(build, colours=OPENAI, ignore="input_resolution$")
    )
    torch.manual_seed(0)
    network = build().eval()
    put("clip-vit-l-14", network, tmp_path)
    return network


def test_clip_reads_projected_embeddings_in_its_own_colours(tiny_clip):
    seen, found = pictures()
    with torch.no_grad():
        first, second = (tiny_clip.encode_image(mindeye(images, 224, OPENAI)).numpy() for images in (seen, found))
    score = load_metric("clip").score(stimuli(seen), found)
    assert score == pytest.approx(identified(first, second)[0], abs=1e-12)
    texts = load_encoder("clip-vit-l-14").text(["a dog", "a dog", "a kite"])
    assert texts.shape == (3, 768)
    np.testing.assert_allclose(texts[0], texts[1], atol=1e-6)
    assert np.abs(texts[0] - texts[2]).max() > 1e-3


def test_retrieval_scores_300_images_in_both_directions(tiny_clip):
    rng = np.random.default_rng(0)
    seen = list(rng.integers(0, 256, (310, 16, 16, 3), dtype=np.uint8))
    found = [np.clip(image + rng.normal(0, 120, image.shape), 0, 255).astype(np.uint8) for image in seen]
    truth = stimuli(seen)
    with torch.no_grad():
        first, second = (tiny_clip.encode_image(mindeye(images, 224, OPENAI)).numpy() for images in (seen, found))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    for part, matrix in {"": second @ first.T, ":brain-given-image": first @ second.T}.items():
        draws = np.random.default_rng(0)
        rates = []
        for _ in range(30):
            rows = draws.choice(310, 300, replace=False)
            rates.append(np.mean(matrix[np.ix_(rows, rows)].argmax(axis=1) == np.arange(300)))
        metric = load_metric("retrieval-300" + part)
        assert metric.score(truth, found) == pytest.approx(np.mean(rates), abs=1e-3)
        assert 0.02 < np.mean(rates) < 0.98
        counts = np.random.default_rng(1).multinomial(310, np.full(310, 1 / 310), 50)
        spread = metric.resample(truth, found, counts)
        assert spread.mean() == pytest.approx(np.mean(rates), abs=0.02)
        assert "310 images" in metric.made_with(truth)


@pytest.mark.parametrize(("backbone", "name"), [("alex", "alexnet"), ("squeeze", "squeezenet1.1")])
@pytest.mark.filterwarnings("ignore")
def test_lpips_equals_its_package_with_the_same_backbone(backbone, name, tmp_path, monkeypatch):
    lpips = pytest.importorskip("lpips")
    torch.manual_seed(0)
    network = {"alexnet": models.alexnet, "squeezenet1.1": models.squeezenet1_1}[name]().eval()
    put(name, network, tmp_path, ("classifier",))
    module = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False).eval()
    for key, value in module.net.state_dict().items():
        value.copy_(network.state_dict()[f"features.{key.split('.', 1)[1]}"])
    seen, found = (images[:3] for images in pictures())
    sides = [mindeye(images, 256, ([0.5] * 3, [0.5] * 3)) for images in (seen, found)]
    with torch.no_grad():
        expected = module(*sides).mean().item()
    metric = load_metric(f"lpips:{backbone}")
    assert metric.score(stimuli(seen), found) == pytest.approx(expected, rel=1e-4)
    assert metric.score(stimuli(seen), seen) == pytest.approx(0, abs=1e-7)
    assert f"{name} (sha256" in metric.made_with(stimuli(seen))


def test_metrics_without_weights_are_unavailable_and_their_names_stay_free():
    seen, found = pictures()
    truth = stimuli(seen)
    for name in ("alexnet-2", "alexnet-5", "inception", "clip", "effnet-b", "swav", "lpips"):
        metric = load_metric(name)
        with pytest.raises(Unavailable) as error:
            metric.score(truth, found)
        assert "brainbench weights import" in error.value.hint
        assert "sha256" not in metric.made_with(truth)


def test_new_weights_are_used_at_once(tmp_path):
    pytest.importorskip("lpips")
    seen, found = (images[:1] for images in pictures())
    truth, scores = stimuli(seen), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        put("squeezenet1.1", models.squeezenet1_1(), tmp_path, ("classifier",))
        scores.append(load_metric("lpips:squeeze").score(truth, found))
    assert scores[0] != scores[1]
