"""Scoring 982 reconstructions of 425 x 425: ours beside notebooks. Run: ``python tests/perf/bench_images.py``.

Every case is a process of its own on one thread, with its peak memory, and reads the same PNG files. What stands
beside ours is written as the field's notebooks are: all images in one tensor, skimage image by image, features of all
images stacked for one corrcoef. Networks: EfficientNet-Lite0 with the weights of its package, and AlexNet with random
ones, on which times do not depend (its last layers are not run, and count for the bound as loaded). The scores of both
must agree. Photos come from the folder BRAINBENCH_SHARED; where there is none, images are made. ``--images N`` takes
fewer, ``--only WORD`` the cases that hold a word; for 982 images the notebook's AlexNet needs about 10 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bounds import bound
from PIL import Image
from tabulate import tabulate
from turns import apart

SIDE, IMAGES = 425, 982
FOLDER = "BRAINBENCH_BENCH_IMAGES"
TOLERANCE = 1e-5
SSIM = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}


def originals(count: int) -> list[Image.Image]:
    """Photos where they are at hand, else smooth noise."""
    shared = Path(os.environ.get("BRAINBENCH_SHARED", Path(__file__).parents[3] / "shared"))
    files = sorted((shared / "data" / "coco-mini").glob("*2017/*.jpg"))[:count]
    rng = np.random.default_rng(0)
    made = rng.integers(0, 256, (0 if files else min(count, 70), 12, 12, 3), dtype=np.uint8)
    return [Image.open(file).convert("RGB") for file in files] + [Image.fromarray(image) for image in made]


def make(folder: Path, count: int) -> None:
    """Write what was seen (other cuts of the same photos) and poor copies of it, as PNG."""
    photos, rng = originals(count), np.random.default_rng(0)
    for row in range(count):
        photo = photos[row % len(photos)]
        side = int(min(photo.size) * rng.uniform(0.5, 1))
        left, top = (int(rng.integers(0, length - side + 1)) for length in photo.size)
        seen = photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))
        small = np.asarray(seen.resize((32, 32)), np.float32)
        noisy = np.clip(small + rng.normal(0, 40, small.shape), 0, 255).astype(np.uint8)
        seen.save(folder / f"seen-{row:04d}.png", compress_level=1)
        Image.fromarray(noisy).resize((SIDE, SIDE)).save(folder / f"found-{row:04d}.png", compress_level=1)


def files(side: str) -> list[Path]:
    """The PNG files of one side, in their order."""
    return sorted(Path(os.environ[FOLDER]).glob(f"{side}-*.png"))


class OnDisk:
    """A stimulus whose image is read when it is asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def image(self) -> np.ndarray:
        return np.asarray(Image.open(self.file))


def ours(*names: str) -> dict[str, float]:
    """Scores through the suite's metrics."""
    from brainbench.benchmark.kinds.pictures import Pictures
    from brainbench.benchmark.registry import load_metric

    truth, found = [OnDisk(file) for file in files("seen")], Pictures(files("found"))
    return {name: load_metric(name).score(truth, found) for name in names}


def tensors(side: str) -> Any:
    """All images at once (n, 3, 256, 256), as the notebooks hold them."""
    import torch
    from torchvision.transforms.functional import resize

    images = [torch.tensor(np.array(Image.open(file))).permute(2, 0, 1) / 255 for file in files(side)]
    return torch.stack([resize(image, [256, 256], antialias=False) for image in images])


def loop_pixels() -> dict[str, float]:
    """PixCorr and both SSIMs, one image after the other."""
    from skimage.color import rgb2gray
    from skimage.metrics import structural_similarity
    from torchvision.transforms.functional import resize

    sides = [tensors(side) for side in ("seen", "found")]
    flat = [resize(side, [SIDE, SIDE], antialias=False).reshape(len(side), -1).numpy() for side in sides]
    correlations = [np.corrcoef(a, b)[0][1] for a, b in zip(*flat, strict=True)]
    del flat
    grey = [rgb2gray(resize(side, [SIDE, SIDE], antialias=False).permute(0, 2, 3, 1).numpy()) for side in sides]
    plain = [structural_similarity(a, b, **SSIM) for a, b in zip(*grey, strict=True)]
    columns = [structural_similarity(a, b, channel_axis=-1, **SSIM) for a, b in zip(*grey, strict=True)]
    found = {"pixcorr": correlations, "ssim": plain, "ssim-legacy-columns": columns}
    return {name: float(np.mean(values)) for name, values in found.items()}


def stacked_two_way(first: np.ndarray, second: np.ndarray) -> float:
    """Two-way identification from one corrcoef of everything."""
    count = len(first)
    block = np.corrcoef(first, second)[:count, count:]
    wins = block < np.diag(block)
    return float(np.mean(wins.sum(0)) / (count - 1))


def in_batches(network: Callable[[Any], Any], images: Any) -> Any:
    """What a network gives for all images, stacked."""
    import torch

    with torch.no_grad():
        return torch.cat([network(images[start : start + 16]).flatten(1) for start in range(0, len(images), 16)])


def loop_lite0() -> dict[str, float]:
    """Identification and distance by EfficientNet-Lite0."""
    from scipy.spatial.distance import correlation
    from torchvision.transforms.functional import normalize, resize

    from brainbench.benchmark.nn.encoders import LITE, load_network

    network = load_network("efficientnet-lite0")
    inputs = [normalize(resize(tensors(side), [224, 224], antialias=False), *LITE) for side in ("seen", "found")]
    first, second = (in_batches(network, side).numpy() for side in inputs)
    apart = [correlation(a, b) for a, b in zip(first, second, strict=True)]
    return {"lite0-identification": stacked_two_way(first, second), "lite0-distance": float(np.mean(apart))}


def loop_alexnet() -> dict[str, float]:
    """Identification by two layers of AlexNet, one layer after the other."""
    from torchvision.models.feature_extraction import create_feature_extractor
    from torchvision.transforms.functional import normalize

    from brainbench.benchmark.nn.encoders import IMAGENET, load_network

    out = {}
    inputs = [normalize(tensors(side), *IMAGENET) for side in ("seen", "found")]
    for name, layer in {"alexnet-2": "features.4", "alexnet-5": "features.11"}.items():
        tap = create_feature_extractor(load_network("alexnet"), [layer])
        run = lambda batch, tap=tap, layer=layer: tap(batch)[layer]  # noqa: E731
        first, second = (in_batches(run, side).numpy() for side in inputs)
        out[name] = stacked_two_way(first, second)
    return out


CASES: dict[str, Callable[[], dict[str, float]]] = {
    "ours, pixels": lambda: ours("pixcorr", "ssim", "ssim-legacy-columns"),
    "notebook, pixels": loop_pixels,
    "ours, lite0": lambda: ours("lite0-identification", "lite0-distance"),
    "ours, lite0 again": lambda: ours("lite0-identification", "lite0-distance"),
    "notebook, lite0": loop_lite0,
    "ours, alexnet": lambda: ours("alexnet-2", "alexnet-5"),
    "notebook, alexnet": loop_alexnet,
}


def give_alexnet(home: Path) -> None:
    """Import random weights under AlexNet's name, into the benchmark's own home."""
    import torch
    from torchvision.models import alexnet

    from brainbench.benchmark.weights import import_file

    torch.manual_seed(0)
    state = {name: value for name, value in alexnet().state_dict().items() if not name.startswith("classifier")}
    torch.save(state, home / "alexnet.pth")
    import_file("alexnet", home / "alexnet.pth")


def case(name: str) -> None:
    """Print scores, seconds, processor seconds and peak memory of one case."""
    import torch

    torch.set_num_threads(1)
    start, busy = time.perf_counter(), time.process_time()
    scores = CASES[name]()
    wall, processor = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"wall": wall, "processor": processor, "gb": peak, "bound": least(name), **scores}))


def least(name: str) -> float:
    """The bound of a case: all images read once from memory, or the operations of its network on each of them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from brainbench.benchmark.nn.encoders import load_network

    images = len(files("seen")) + len(files("found"))
    if name.endswith("pixels"):
        return bound(moved=3 * images * SIDE**2)
    network, side = ("efficientnet-lite0", 224) if "lite0" in name else ("alexnet", 256)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        load_network(network)(torch.zeros(1, 3, side, side))
    return bound(done=images * counter.get_total_flops())


def table(wanted: Sequence[str]) -> tuple[list[list[Any]], float]:
    """A row a case, and the largest difference between a score of ours and a notebook's."""
    rows, known, worst = [], {}, 0.0
    for name in wanted:
        found = apart(__file__, name)
        scores = {key: found[key] for key in found if key not in ("wall", "processor", "gb", "bound")}
        for key, value in scores.items():
            worst = max(worst, abs(value - known.setdefault(key, value)))
        told = ", ".join(f"{key} {value:.5f}" for key, value in scores.items())
        share = found["bound"] / found["wall"]
        rows.append([name, found["wall"], found["processor"], found["gb"], found["bound"], share, told])
        print(f"{name}: done", flush=True)
    return rows, worst


def main() -> None:
    """Print a table; the exit status says whether the scores agree."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--case")
    parser.add_argument("--only", default="", help="cases that hold this word")
    told = parser.parse_known_args()[0]
    if told.case:
        case(told.case)
        return
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BRAINBENCH_HOME"], os.environ[FOLDER] = folder, folder
        make(Path(folder), told.images)
        give_alexnet(Path(folder))
        rows, worst = table([name for name in CASES if told.only in name])
    print(f"{told.images} images of {SIDE} x {SIDE}; largest difference of a score {worst:.1e}")
    heads = ["case", "seconds", "processor s", "peak GB", "bound s", "share of bound", "scores"]
    print(tabulate(rows, heads, floatfmt=".3g"))
    raise SystemExit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
