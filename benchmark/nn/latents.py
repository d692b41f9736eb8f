"""Images as short vectors and back: what a model of the brain predicts, and what its picture is decoded from.

Three codecs share one interface: principal components of the training images (no weights), a tiny convolutional
autoencoder with published weights, and any AutoencoderKL of the diffusers library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import BadData, BadOption, Unavailable, needing
from ..files import digest_file

Images = Sequence[np.ndarray]
"""(h, w, 3) uint8 images, read one at a time."""

BATCH = 16
HOW = "give pca, taef2, taef2:FOLDER, or kl:NAME of an AutoencoderKL (a folder, OWNER/NAME or OWNER/NAME/vae of a hub)"


class Codec(Protocol):
    """What turns images into latents and latents into images.

    Attributes
    ----------
    name
        As asked for.
    size
        Side of the square images that it reads (others are resized) and writes, in pixels.
    """

    name: str
    size: int

    def fit(self, images: Images) -> Codec:
        """Learn from training images; nothing to do where weights are given."""

    def encode(self, images: Images) -> np.ndarray:
        """(n, d) float32 latents."""

    def decode(self, latents: np.ndarray) -> list[np.ndarray]:
        """(size, size, 3) uint8 image of each row of (n, d) latents."""

    def source(self) -> str:
        """Which weights it works with."""


def load_codec(name: str, device: str = "cpu", size: int = 0) -> Codec:
    """The codec ``name``: "pca", "taef2", "taef2:FOLDER" or "kl:HUB-OR-FOLDER".

    Parameters
    ----------
    name
        ``pca`` learns from the images given to ``fit``; ``taef2`` has imported weights, or those of a folder with
        ``taef2_encoder.pth`` and ``taef2_decoder.pth``; ``kl`` is a diffusers AutoencoderKL.
    device
        Torch device of the networks.
    size
        Side of the images in pixels; 0 for the codec's own: 48 (pca), 64 (taef2), 512 (kl, Stable Diffusion's).

    Raises
    ------
    BadOption, Unavailable, ExtraMissing
        An unknown name or size; weights that are not there; a library that is not installed.
    """
    kind, _, place = name.partition(":")
    if kind == "pca" and not place:
        return PCACodec(size or PCACodec.size)
    if kind == "taef2":
        return _tiny(place, device, size or 64)
    if kind == "kl" and place:
        return _kl(place, device, size or 512)
    raise BadOption(f"no codec {name!r}", HOW)


class PCACodec:
    """Principal components of small training images, scaled so that a component's variance is 1 on average.

    One scale serves all components, so distances between latents stay distances between images.

    Parameters
    ----------
    size
        Side in pixels to which images are brought.
    components
        Most components; at most one less than there are training images.
    """

    name = "pca"
    size = 48

    def __init__(self, size: int = 48, components: int = 128) -> None:
        self.size = size
        self.components = components
        self._mean = np.empty(0, np.float32)
        self._axes = np.empty((0, 0), np.float32)
        self._norm = 1.0

    def fit(self, images: Images) -> PCACodec:
        """Learn the components. Raises `BadData` for fewer than two images."""
        from sklearn.decomposition import PCA

        flat = self._flat(images)
        if len(flat) < 2:
            raise BadData(f"{len(flat)} training image(s): principal components need two or more")
        count = min(self.components, len(flat) - 1, flat.shape[1])
        found = PCA(count, svd_solver="randomized", random_state=0).fit(flat)
        scale = float(np.sqrt(found.explained_variance_.mean())) or 1.0
        self._mean = found.mean_.astype(np.float32)
        self._axes = (found.components_ * scale).astype(np.float32)
        self._norm = scale**2
        return self

    def encode(self, images: Images) -> np.ndarray:
        """(n, components) float32."""
        self._check()
        out: np.ndarray = ((self._flat(images) - self._mean) @ self._axes.T / self._norm).astype(np.float32)
        return out

    def decode(self, latents: np.ndarray) -> list[np.ndarray]:
        """The images that the components add up to, cut to 0..255."""
        self._check()
        flat = np.asarray(latents, np.float32) @ self._axes + self._mean
        return list(_bytes(flat.reshape(-1, self.size, self.size, 3)))

    def source(self) -> str:
        """Number of components."""
        return f"{len(self._axes)} principal components of training images at {self.size} x {self.size} px"

    def state(self) -> dict[str, np.ndarray]:
        """What was learned, as arrays."""
        return {"mean": self._mean, "axes": self._axes, "norm": np.array([self._norm])}

    def restore(self, state: dict[str, np.ndarray]) -> PCACodec:
        """Take over what `state` gave."""
        self._mean, self._axes, self._norm = state["mean"], state["axes"], float(state["norm"][0])
        return self

    def _check(self) -> None:
        if not len(self._axes):
            raise BadData("the codec 'pca' has seen no image yet", "call its fit with the training images first")

    def _flat(self, images: Images) -> np.ndarray:
        small = [_resized(image, self.size).reshape(-1) for image in images]
        return np.asarray(small, np.float32).reshape(len(small), self.size**2 * 3)


class NetworkCodec:
    """An autoencoder network, by its two halves on batches of (n, 3, size, size) tensors in 0..1.

    Parameters
    ----------
    encode, decode
        Tensors to latents (n, *shape) and back, without gradients.
    shape
        Of one image's latents; they are flattened in C order.
    """

    def __init__(
        self, name: str, size: int, shape: tuple[int, ...], source: str, device: str,
        encode: Callable[[Any], Any], decode: Callable[[Any], Any],
    ) -> None:  # fmt: skip
        self.name, self.size, self.shape, self.device = name, size, shape, device
        self._source, self._encode, self._decode = source, encode, decode

    def fit(self, images: Images) -> NetworkCodec:
        """Nothing: its weights are given."""
        return self

    def encode(self, images: Images) -> np.ndarray:
        """(n, prod(shape)) float32."""
        import torch

        found = [np.empty((0, int(np.prod(self.shape))), np.float32)]
        for batch in _batches(images):
            pixels = np.stack([_resized(image, self.size) for image in batch]).astype(np.float32) / 255
            with torch.no_grad():
                latents = self._encode(torch.from_numpy(pixels).permute(0, 3, 1, 2).to(self.device))
            found.append(latents.flatten(1).float().cpu().numpy())
        return np.concatenate(found)

    def decode(self, latents: np.ndarray) -> list[np.ndarray]:
        """Images, cut to 0..255. Raises `BadData` for latents of another length."""
        import torch

        given = np.asarray(latents, np.float32)
        if given.ndim != 2 or given.shape[1] != int(np.prod(self.shape)):
            raise BadData(
                f"latents of shape {given.shape}; {self.name} at {self.size} px has {np.prod(self.shape)} each"
            )
        images: list[np.ndarray] = []
        for batch in _batches(given):
            tensor = torch.from_numpy(np.stack(batch).reshape(-1, *self.shape)).to(self.device)
            with torch.no_grad():
                pixels = self._decode(tensor).float().permute(0, 2, 3, 1).cpu().numpy()
            images += list(_bytes(pixels * 255))
        return images

    def source(self) -> str:
        """Where the weights came from, and the hash of their files."""
        return self._source


def _tiny(folder: str, device: str, size: int) -> NetworkCodec:
    """The tiny autoencoder with published weights."""
    _divides(size, 8)
    with needing("torch", "torch", "safetensors"):
        import torch

        from . import tiny_autoencoder as tiny
        from .weights import fill, load_weights

        halves = {"encoder": tiny.encoder(), "decoder": tiny.decoder()}
    hashes = []
    for half, network in halves.items():
        file = _tiny_file(folder, half)
        fill(network, load_weights(file)[0], file)
        network.to(torch.device(device)).eval().requires_grad_(False)
        hashes.append(digest_file(file)[:12])
    shape = (tiny.LATENT_CHANNELS, size // tiny.FACTOR, size // tiny.FACTOR)
    source = f"TAEF2 at {size} x {size} px ({' '.join(hashes)})"
    return NetworkCodec(
        f"taef2:{folder}" if folder else "taef2", size, shape, source, device, halves["encoder"], halves["decoder"]
    )


def _tiny_file(folder: str, half: str) -> Path:
    """Weights of one half: of the folder, or as imported by name."""
    if folder:
        return Path(folder).expanduser() / f"taef2_{half}.pth"
    from ..weights import find

    return find(f"taef2-{half}")


def _kl(place: str, device: str, size: int) -> NetworkCodec:
    """A diffusers AutoencoderKL; latents are the means, scaled to unit variance as in latent diffusion."""
    with needing("diffusion", "diffusers", "torch"):
        import torch
        from diffusers import AutoencoderKL
        from diffusers.utils import logging

        from .language import hub_reached
    logging.disable_progress_bar()  # they would break ours
    library: Any = AutoencoderKL
    where, inside = _repository(place)
    offline = Path(where).is_dir() or not hub_reached()
    try:
        network = library.from_pretrained(where, subfolder=inside, local_files_only=offline)
    except (OSError, ValueError) as error:
        raise _unavailable(place, error) from None
    network.to(torch.device(device)).eval().requires_grad_(False)
    factor = 2 ** (len(network.config.block_out_channels) - 1)
    _divides(size, factor)
    shape = (int(network.config.latent_channels), size // factor, size // factor)
    scale = float(network.config.scaling_factor)

    def encode(pixels: Any) -> Any:
        return network.encode(pixels * 2 - 1).latent_dist.mean * scale

    def decode(latents: Any) -> Any:
        return network.decode(latents / scale).sample / 2 + 0.5

    return NetworkCodec(f"kl:{place}", size, shape, f"AutoencoderKL {place} at {size} px", device, encode, decode)


def _repository(place: str) -> tuple[str, str | None]:
    """A folder as it is; OWNER/NAME/INSIDE of the hub as OWNER/NAME and what lies inside."""
    folder = Path(place).expanduser()
    if folder.is_dir():
        return str(folder), None
    parts = place.split("/")
    return "/".join(parts[:2]), "/".join(parts[2:]) or None


def _unavailable(place: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"no AutoencoderKL {place!r} could be loaded ({str(error).splitlines()[0]})",
        f"fetch it where there is a network:  hf download {place}   or give the folder that holds it (kl:FOLDER)",
    )


def _divides(size: int, factor: int) -> None:
    if size < factor or size % factor:
        raise BadOption(f"images of {size} px do not divide by {factor}", f"give a multiple of {factor}")


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) uint8."""
    if image.shape[:2] == (size, size):
        return image
    with needing("vision", "PIL"):
        from PIL import Image
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))


def _bytes(pixels: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return out


def _batches(items: Sequence[np.ndarray] | np.ndarray) -> Iterator[list[np.ndarray]]:
    """Lists of at most so many items, read as they are asked for."""
    for start in range(0, len(items), BATCH):
        yield [items[row] for row in range(start, min(start + BATCH, len(items)))]
