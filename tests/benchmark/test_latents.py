from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.errors import BadData, BadOption, BrainbenchError
from brainbench.benchmark.nn.latents import PCACodec, _repository, load_codec

SHARED = Path(os.environ.get("BRAINBENCH_SHARED", "../shared"))
TAEF2 = SHARED / "data" / "taef2"
needs_taef2 = pytest.mark.skipif(not TAEF2.is_dir(), reason="no published weights of the tiny autoencoder here")


def scenes(count: int, side: int = 40, seed: int = 0) -> list[np.ndarray]:
    """Images that three colours of two halves make: six dimensions in all."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        image = np.empty((side, side, 3), np.uint8)
        image[:, : side // 2], image[:, side // 2 :] = rng.integers(0, 256, (2, 3))
        found.append(image)
    return found


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = np.mean((one.astype(float) - other.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def test_pca_gives_back_images_that_few_components_make() -> None:
    codec = PCACodec(40).fit(scenes(30))
    new = scenes(5, seed=1)
    back = codec.decode(codec.encode(new))
    assert len(back) == 5
    assert back[0].shape == (40, 40, 3)
    assert back[0].dtype == np.uint8
    assert min(psnr(a, b) for a, b in zip(new, back, strict=True)) > 45


def test_pca_latents_keep_distances_and_have_unit_variance_on_average() -> None:
    images = scenes(30)
    codec = PCACodec(40, components=6).fit(images)
    latents = codec.encode(images)
    assert latents.dtype == np.float32
    assert latents.var(axis=0, ddof=1).mean() == pytest.approx(1, rel=1e-3)
    flat = np.stack(images).reshape(30, -1).astype(float)
    ratio = np.linalg.norm(latents[1:] - latents[0], axis=1) / np.linalg.norm(flat[1:] - flat[0], axis=1)
    assert ratio == pytest.approx(ratio[0], rel=1e-3)


def test_pca_resizes_images_of_any_size_and_can_be_restored() -> None:
    codec = load_codec("pca", size=16).fit(scenes(8, side=96))
    assert isinstance(codec, PCACodec)
    other = PCACodec(16).restore(codec.state())
    new = scenes(2, side=50, seed=3)
    assert np.array_equal(codec.encode(new), other.encode(new))
    assert other.decode(codec.encode(new))[1].shape == (16, 16, 3)
    assert "7 principal components" in codec.source()


def test_pca_without_images_says_so() -> None:
    with pytest.raises(BadData, match="seen no image"):
        load_codec("pca").encode(scenes(1))
    with pytest.raises(BadData, match="two or more"):
        load_codec("pca").fit(scenes(1))


@pytest.mark.parametrize("name", ["vae", "kl", "pca:3", ""])
def test_unknown_codecs_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(BadOption, match="no codec") as caught:
        load_codec(name)
    assert "taef2" in caught.value.hint


@needs_taef2
@pytest.mark.parametrize("photo", ["000000012280.jpg", "000000030213.jpg", "000000062554.jpg"])
def test_published_weights_reconstruct_a_photo(photo: str) -> None:
    image_of = pytest.importorskip("PIL.Image")
    file = SHARED / "data" / "coco-mini" / "val2017" / photo
    if not file.exists():
        pytest.skip("no photos here")
    image = np.asarray(image_of.open(file).convert("RGB").resize((256, 256)))
    codec = load_codec(f"taef2:{TAEF2}", size=256)
    latents = codec.fit([image]).encode([image])
    assert latents.shape == (1, 32 * 32 * 32)
    assert psnr(codec.decode(latents)[0], image) >= 25
    assert psnr(codec.decode(np.zeros_like(latents))[0], image) < 15


@needs_taef2
def test_network_latents_do_not_depend_on_the_batch() -> None:
    codec = load_codec(f"taef2:{TAEF2}", size=32)
    images = scenes(18, side=32)
    together = codec.encode(images)
    assert np.allclose(together[17], codec.encode(images[17:])[0], atol=1e-4)
    assert codec.encode([]).shape == (0, together.shape[1])
    assert len(codec.decode(together)) == 18
    with pytest.raises(BadData, match="latents of shape"):
        codec.decode(together[:, :5])


@needs_taef2
def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(BadOption, match="do not divide by 8"):
        load_codec(f"taef2:{TAEF2}", size=50)


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    for half in ("encoder", "decoder"):
        (tmp_path / f"taef2_{half}.pth").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(BrainbenchError, match="cannot be read as weights"):
        load_codec(f"taef2:{tmp_path}")


def test_an_autoencoder_of_diffusers_is_read_from_a_folder(tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    network = diffusers.AutoencoderKL(
        **blocks, block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4, scaling_factor=0.5
    )
    network.save_pretrained(tmp_path)
    codec = load_codec(f"kl:{tmp_path}", size=16)
    images = scenes(2, side=16)
    latents = codec.encode(images)
    assert latents.shape == (2, 4 * 8 * 8)
    pixels = torch.from_numpy(np.stack(images) / 127.5 - 1).float().permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted = network.eval().encode(pixels).latent_dist.mean
        decoded = network.decode(wanted).sample
    assert np.allclose(latents, 0.5 * wanted.flatten(1).numpy(), atol=1e-4)
    shown = np.clip((decoded[0].permute(1, 2, 0).numpy() + 1) * 127.5, 0, 255)
    assert np.abs(codec.decode(latents)[0] - shown).max() <= 1


def test_a_part_of_a_hub_repository_is_told_from_its_name(tmp_path: Path) -> None:
    assert _repository("owner/name/vae") == ("owner/name", "vae")
    assert _repository("owner/name") == ("owner/name", None)
    assert _repository(str(tmp_path)) == (str(tmp_path), None)


def test_an_autoencoder_that_is_nowhere_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BrainbenchError, match="no AutoencoderKL") as caught:
        load_codec(f"kl:{tmp_path / 'nothing'}")
    assert "hf download" in caught.value.hint
