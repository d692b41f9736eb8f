"""Training steps beside the authors' own code. Run: ``python tests/perf/bench_references.py [CASE ...]``.

BNT and BrainNetCNN are in bench_networks.py, fMRI-LM is in bench_fmri_lm.py. BRAINBENCH_PEERS names a folder with
clones of the repositories below; those that are there run (SwiFT's needs the packages monai and einops). A step is
forward, backward and the optimiser in float32, the loss the mean square of what comes out: what a method adds to it is
the same on both sides. Each case runs in a process of its own, and the two sides take turns.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tabulate import tabulate
from turns import HEADS, PEERS, in_turn

if TYPE_CHECKING:
    from torch import Tensor, nn

STEPS, ROUNDS = 2, 3
ROIS, BATCH = 450, 16
GRID, FRAMES = 96, 20
DEPTH, CLIP, PATCH, COORDINATES = 2, 160, 16, 30
STREAMS, PARCELS, SUBJECTS, CROP = (5120, 3072, 2048, 1408, 1280), 1000, 4, 64
NODES, RECORDING, LAG, HIDDEN, PROXIMAL = 10, 1000, 2, 10, 100

Step = Callable[[], Any]


class Case(NamedTuple):
    """Repository, what is compared, and how a step of ours and of the authors' is made."""

    repository: str
    told: str
    ours: Callable[[], Step]
    theirs: Callable[[Path], Step]


def stepping(network: nn.Module, inputs: Callable[[], Any], fused: bool) -> Step:
    """Forward, backward and Adam on one batch; ours with the fused kernel that our training uses."""
    import torch

    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimiser = torch.optim.Adam(weights, lr=1e-4, weight_decay=1e-4, fused=fused)
    given = inputs()

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        out = network(*given)
        (out[0] if isinstance(out, tuple) else out).square().mean().backward()
        optimiser.step()

    return step


def stand_in(name: str, *attributes: str) -> None:
    """An empty module where a package is not installed that a step does not need."""
    try:
        importlib.import_module(name)
    except ImportError:
        sys.modules[name] = ModuleType(name)
        for attribute in attributes:
            setattr(sys.modules[name], attribute, dict)


def series_and_fc() -> tuple[Tensor, Tensor]:
    """Series (batch, ROI, 160) and their correlations."""
    import torch

    series = torch.randn(BATCH, ROIS, CLIP)
    return series, torch.stack([torch.corrcoef(one) for one in series])


def fbnetgen_ours() -> Step:
    """Preset published, 450 ROIs."""
    from brainbench.baselines.fbnetgen_network import GraphGenerator, Sizes

    sizes = Sizes(ROIS, CLIP, 2, "gru", 4, 16, 4, 0, False)
    return stepping(GraphGenerator(sizes), series_and_fc, True)


def fbnetgen_theirs(place: Path) -> Step:
    """The later code of FBNETGEN's authors, in the repository of BNT."""
    sys.path.insert(0, str(place))
    stand_in("omegaconf", "DictConfig")
    model = SimpleNamespace(
        extractor_type="gru", graph_generation="product", window_size=4, embedding_size=16, num_gru_layers=4
    )
    data = SimpleNamespace(timeseries_sz=CLIP, node_sz=ROIS, node_feature_sz=ROIS)
    models = importlib.import_module("source.models")
    return stepping(models.FBNETGEN(SimpleNamespace(model=model, dataset=data)), series_and_fc, False)


def swift_ours() -> Step:
    """Preset reference: attention as in the authors' code."""
    import torch

    from brainbench.baselines.swift import SwiFT
    from brainbench.baselines.swift_network import Backbone

    network = Backbone(SwiFT(**SwiFT.presets["reference"]).geometry((GRID, GRID, GRID)))
    return stepping(network, lambda: (torch.randn(1, FRAMES, GRID, GRID, GRID),), True)


def swift_theirs(place: Path) -> Step:
    """SwinTransformer4D at the published sizes."""
    import torch

    sys.path.insert(0, str(place / "project" / "module"))
    network = importlib.import_module("models.swin4d_transformer_ver7").SwinTransformer4D(
        img_size=(GRID, GRID, GRID, FRAMES), in_chans=1, embed_dim=36, window_size=(4, 4, 4, 4),
        first_window_size=(4, 4, 4, 4), patch_size=(6, 6, 6, 1), depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24),
        c_multiplier=2, last_layer_full_MSA=True, to_float=True,
    )  # fmt: skip
    return stepping(network, lambda: (torch.randn(1, 1, GRID, GRID, GRID, FRAMES),), False)


def jepa_ours() -> Step:
    """The encoder's first layers at size S, on all 4,500 tokens of a clip."""
    import torch

    from brainbench.baselines.brain_jepa_network import Encoder

    encoder = Encoder(torch.randn(ROIS, COORDINATES), CLIP, PATCH, 384, DEPTH, 6)
    return stepping(encoder, lambda: (torch.randn(1, ROIS, CLIP),), True)


def jepa_theirs(place: Path) -> Step:
    """The same with the authors' attention for processors: their other one needs a GPU."""
    import torch

    sys.path.insert(0, str(place))
    stand_in("flash_attn", "flash_attn_qkvpacked_func")
    encoder = importlib.import_module("src.models.vision_transformer").VisionTransformer(
        img_size=(ROIS, CLIP), patch_size=PATCH, in_chans=1, embed_dim=384, depth=DEPTH, num_heads=6, qkv_bias=True,
        gradient_pos_embed=torch.randn(1, ROIS, COORDINATES), add_w="mapping",
    )  # fmt: skip
    return stepping(encoder, lambda: (torch.randn(1, 1, ROIS, CLIP),), False)


def medarc_ours() -> Step:
    """Published sizes, five streams."""
    import torch

    from brainbench.methods.medarc.network import Encoder
    from brainbench.methods.medarc.options import Options

    network = Encoder({str(k): (width,) for k, width in enumerate(STREAMS)}, SUBJECTS, PARCELS, Options())
    features = [torch.randn(BATCH, CROP, width) for width in STREAMS]
    return stepping(network, lambda: (features, torch.ones(BATCH, len(STREAMS))), True)


def medarc_theirs(place: Path) -> Step:
    """MultiSubjectConvLinearEncoder at the same sizes."""
    import torch

    sys.path.insert(0, str(place / "src"))
    network = importlib.import_module("models").MultiSubjectConvLinearEncoder(
        SUBJECTS, STREAMS, 192, PARCELS, encoder_kernel_size=45, encoder_causal=False
    )
    return stepping(network, lambda: ([torch.randn(BATCH, CROP, width) for width in STREAMS],), False)


def granger_ours() -> Step:
    """A hundred proximal steps of ten nodes' networks."""
    import torch

    from brainbench.baselines.neural_granger_network import initial, path, windows

    pasts, frames = windows([torch.randn(RECORDING, NODES)], LAG)
    networks = initial(NODES, HIDDEN, LAG, "cpu")
    return lambda: path(networks, pasts, frames, [0.1], PROXIMAL, 0.01, lambda done: None)


def granger_theirs(place: Path) -> Step:
    """The same number of steps of ``train_model_ista``."""
    import torch

    sys.path.insert(0, str(place))
    code = importlib.import_module("models.cmlp")
    network, series = code.cMLP(NODES, LAG, [HIDDEN]), torch.randn(1, RECORDING, NODES)
    return lambda: code.train_model_ista(
        network, series, 0.01, PROXIMAL, lam=0.1, lam_ridge=0.01, penalty="GL", check_every=PROXIMAL, verbose=0
    )


CASES = {
    "FBNETGEN": Case("BrainNetworkTransformer", "450 ROIs, batch 16", fbnetgen_ours, fbnetgen_theirs),
    "SwiFT": Case("SwiFT", "96^3 voxels, 20 frames, batch 1", swift_ours, swift_theirs),
    "Brain-JEPA": Case("Brain-JEPA", "2 of 12 layers of S, 4500 tokens, batch 1", jepa_ours, jepa_theirs),
    "MedARC": Case("algonauts2025", "5 streams, 64 TRs, batch 16", medarc_ours, medarc_theirs),
    "Neural Granger": Case("Neural-GC", "10 nodes, 1000 frames, 100 steps", granger_ours, granger_theirs),
}


def measure(name: str) -> dict[str, float]:
    """Median wall and processor seconds of a step, and the peak memory of this process in GB."""
    import torch

    from brainbench.benchmark.worker import peak_memory

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    torch.manual_seed(0)
    case, _, side = name.partition(", ")
    known = CASES[case]
    step = known.ours() if side == "ours" else known.theirs(Path(os.environ[PEERS]) / known.repository)
    marks = []
    for _ in range(STEPS + 1):
        start = time.perf_counter(), time.process_time()
        step()
        marks.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, processor = np.median(np.array(marks[1:]), axis=0)
    return {"wall": float(wall), "processor": float(processor), "gb": peak_memory() / 1e9}


def main() -> None:
    """Print seconds a step, processor seconds, GB, and how many times ours."""
    if sys.argv[1:2] == ["--case"]:
        print(json.dumps(measure(sys.argv[2])))
        return
    place = Path(os.environ.get(PEERS, ""))
    for name in [name for name in CASES if name in sys.argv[1:]] or list(CASES):
        case, sides = CASES[name], [f"{name}, ours"]
        if PEERS in os.environ and (place / case.repository).is_dir():
            sides.append(f"{name}, reference")
        else:
            print(f"set {PEERS} to a folder with a clone of {case.repository} to run the reference code")
        table = in_turn(__file__, dict.fromkeys(sides, sides[0]), ROUNDS)
        print(f"{name}: {case.told}; medians of {ROUNDS} rounds in turn")
        print(tabulate(table, ["case", *HEADS], floatfmt=".3g"), flush=True)


if __name__ == "__main__":
    main()
