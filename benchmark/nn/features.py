"""Images as feature vectors of frozen networks, by name, and kept by content.

The same image under the same weights is embedded once on a machine: its features lie under
``$BRAINBENCH_HOME/features``, found by the hash of its pixels.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..contracts import Progress, silent
from ..errors import BadData, StoreError, UnknownName
from ..files import write_bytes
from ..home import home
from ..npy import BROKEN_ZIP, read_member

BATCH = 16
"""Images that are embedded at once."""

SHARD = 1024
"""Feature vectors in one file of the cache, at most."""

KEPT_DIM = 1 << 14
"""Longer vectors are not kept on disk: AlexNet's second layer would take 0.7 GB for 982 images."""

OWN, MINDEYE, BRAIN_DIFFUSER = "own", "mindeye", "brain-diffuser"
PROTOCOLS = (OWN, MINDEYE, BRAIN_DIFFUSER)

NETWORKS = (
    "alexnet-2",
    "alexnet-5",
    "inception-v3",
    "clip-vit-l-14",
    "clip-vit-b-32",
    "efficientnet-b1-v1",
    "efficientnet-b1-v2",
    "swav-resnet50",
    "efficientnet-lite0",
)


class Encoder(ABC):
    """What turns images into vectors.

    Attributes
    ----------
    name
        As asked for.
    dim
        Length of a vector.
    protocol
        How images are brought to the network's size: "own", "mindeye" or "brain-diffuser".
    kept
        Whether `features_of` keeps its vectors on disk.
    """

    name: str
    dim: int
    protocol: str = OWN
    kept: bool = True

    @abstractmethod
    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors (n, dim) float32 of (h, w, 3) uint8 images, all at once. Raises `BadData` for other images."""

    @abstractmethod
    def source(self) -> str:
        """Which weights it works with, and the start of their hash."""


class PixelEncoder(Encoder):
    """Colours of an 8 x 8 grid, and orientation energies of a 4 x 4 grid at two scales. Without weights."""

    name = "pixels"
    side, colours, cells, orientations = 64, 8, 4, 8
    dim = 3 * colours**2 + 2 * orientations * cells**2
    kept = False

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        if not len(images):
            return np.empty((0, self.dim), np.float32)
        small = np.stack([shrink(as_rgb(image).astype(np.float32) / 255, self.side) for image in images])
        colour = _means(small, self.colours).reshape(len(small), -1)
        grey = small.mean(axis=3)
        fine = self._energies(grey)
        coarse = self._energies(_means(grey[..., None], self.side // 2)[..., 0])
        return np.concatenate([colour, fine, coarse], axis=1).astype(np.float32)

    def _energies(self, grey: np.ndarray) -> np.ndarray:
        """(n, orientations * cells**2) mean gradient, shared out between the two nearest orientations."""
        down, right = np.gradient(grey, axis=(1, 2))
        angle = np.mod(np.arctan2(down, right), np.pi) / np.pi * self.orientations
        strength = np.hypot(down, right)
        low = np.floor(angle)
        share = strength * (angle - low)
        first = low.astype(int) % self.orientations
        planes = np.zeros((*grey.shape, self.orientations), np.float32)
        np.put_along_axis(planes, first[..., None], (strength - share)[..., None], axis=3)
        second = (first[..., None] + 1) % self.orientations
        held = np.take_along_axis(planes, second, axis=3)
        np.put_along_axis(planes, second, held + share[..., None], axis=3)
        flat: np.ndarray = _means(planes, self.cells).reshape(len(grey), -1)
        return flat

    def source(self) -> str:
        """No weights."""
        return "pixels (no weights)"


def as_rgb(image: np.ndarray) -> np.ndarray:
    """The image as it is. Raises `BadData` for anything but (h, w, 3) uint8."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise BadData(f"an image of shape {image.shape} and type {image.dtype}; expected (height, width, 3) uint8")
    return image


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """An image (h, w, channels) brought to (side, side, channels) by the mean over the area of each new pixel."""
    height, width, channels = image.shape
    rows = (_areas(height, side) @ image.reshape(height, -1)).reshape(side, width, channels)
    out: np.ndarray = np.einsum("ow,hwc->hoc", _areas(width, side), rows, optimize=True)
    return out


@lru_cache(maxsize=64)
def _areas(size: int, wanted: int) -> np.ndarray:
    """(wanted, size) share of each old pixel in each new one; rows sum to 1."""
    edges = np.linspace(0, size, wanted + 1)
    left, right = edges[:-1, None], edges[1:, None]
    pixels = np.arange(size)
    overlap = np.clip(np.minimum(right, pixels + 1) - np.maximum(left, pixels), 0, None)
    shares: np.ndarray = (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _means(images: np.ndarray, cells: int) -> np.ndarray:
    """Means (n, cells, cells, channels) over blocks of (n, side, side, channels)."""
    n, side, _, channels = images.shape
    step = side // cells
    out: np.ndarray = images.reshape(n, cells, step, cells, step, channels).mean(axis=(2, 4))
    return out


def load_encoder(name: str, device: str = "cpu", protocol: str = OWN) -> Encoder:
    """The encoder ``name``: "pixels" or one of `NETWORKS`.

    Parameters
    ----------
    name
        Network, and layer where several are in use.
    device
        Torch device.
    protocol
        How an image is brought to the network's size; see `brainbench.benchmark.nn.encoders`.

    Raises `UnknownName`; `Unavailable` where the weights are not to be had; `ExtraMissing`.
    """
    if name == PixelEncoder.name:
        return PixelEncoder()
    if name not in NETWORKS:
        raise UnknownName(f"no encoder {name!r}", f"the encoders are: pixels, {', '.join(NETWORKS)}")
    if protocol not in PROTOCOLS:
        raise UnknownName(f"no protocol {protocol!r}", f"the protocols are: {', '.join(PROTOCOLS)}")
    from ..errors import needing

    with needing("vision", "torch", "torchvision", "timm", "open_clip", "PIL"):
        from .encoders import NetworkEncoder

        return NetworkEncoder(name, device, protocol)


def features_of(encoder: Encoder, images: Sequence[np.ndarray], progress: Progress = silent) -> np.ndarray:
    """Features (n, dim) float32 of (h, w, 3) uint8 images; each is read once, and few are held at a time.

    What was embedded before on this machine, with the same weights and protocol, is not embedded again.
    """
    out = np.empty((len(images), encoder.dim), np.float32)
    cache = Cache(encoder)
    keys: list[bytes] = []
    new: dict[bytes, int] = {}
    waiting: list[tuple[int, np.ndarray]] = []

    def embed() -> None:
        if waiting:
            out[[row for row, _ in waiting]] = encoder.embed([image for _, image in waiting])
            waiting.clear()

    for row in range(len(images)):
        image = as_rgb(images[row])
        keys.append(content_key(image))
        if keys[row] not in cache and keys[row] not in new:
            new[keys[row]] = row
            waiting.append((row, image))
        if len(waiting) == BATCH:
            embed()
        progress(f"features {encoder.name}", row + 1, len(images))
    embed()
    if not cache.fill(out, keys):
        return features_of(encoder, images, progress)
    for row, key in enumerate(keys):
        if key in new:
            out[row] = out[new[key]]
    cache.add(list(new), out[list(new.values())])
    return out


def content_key(image: np.ndarray) -> bytes:
    """32 bytes that tell an image by its pixels."""
    return hashlib.sha256(str(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()


class Cache:
    """Vectors of one encoder on disk: files of keys and values, written whole. Damaged ones count as absent."""

    def __init__(self, encoder: Encoder) -> None:
        self._dim = encoder.dim
        self._kept = encoder.kept and encoder.dim <= KEPT_DIM
        mark = hashlib.sha256(f"{encoder.name}|{encoder.protocol}|{encoder.source()}".encode()).hexdigest()[:16]
        self._folder = home() / "features" / f"{encoder.name}-{mark}"
        self._where: dict[bytes, tuple[Path, int]] = {}
        for file in sorted(self._folder.glob("*.npz")) if self._kept else []:
            for row, key in enumerate(_read_shard(file, "keys", (32,), np.uint8)):
                self._where[key.tobytes()] = (file, row)

    def __contains__(self, key: bytes) -> bool:
        return key in self._where

    def fill(self, out: np.ndarray, keys: Sequence[bytes]) -> bool:
        """Write the vectors of known keys into their rows; False where a damaged file was met, and removed."""
        wanted: dict[Path, list[tuple[int, int]]] = {}
        for row, key in enumerate(keys):
            if key in self._where:
                file, place = self._where[key]
                wanted.setdefault(file, []).append((row, place))
        for file, pairs in wanted.items():
            rows, places = zip(*pairs, strict=True)
            values = _read_shard(file, "values", (self._dim,), np.float32)
            if not len(values):
                file.unlink(missing_ok=True)
                return False
            out[list(rows)] = values[list(places)]
        return True

    def add(self, keys: Sequence[bytes], values: np.ndarray) -> None:
        """Keep new vectors; a folder that cannot be written is passed over, since nothing depends on it."""
        if not self._kept:
            return
        for start in range(0, len(keys), SHARD):
            part = slice(start, start + SHARD)
            packed = np.frombuffer(b"".join(keys[part]), np.uint8).reshape(-1, 32)
            buffer = io.BytesIO()
            np.savez(buffer, keys=packed, values=values[part])
            name = hashlib.sha256(packed.tobytes()).hexdigest()[:16]
            with suppress(StoreError):
                write_bytes(self._folder / f"{name}.npz", buffer.getvalue())


def _read_shard(file: Path, name: str, shape: tuple[int, ...], kind: type) -> np.ndarray:
    """One array of a file of the cache; empty where the file is damaged."""
    with suppress(KeyError, *BROKEN_ZIP), zipfile.ZipFile(file) as held:
        found, keys = read_member(held, name), read_member(held, "keys")
        if found.shape[1:] == shape and found.dtype == kind and keys.shape == (len(found), 32):
            return found
    return np.empty((0, *shape), kind)
