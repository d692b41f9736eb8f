"""Training step and memory of BrainNetCNN and BNT beside dense peers. Run: ``python tests/perf/bench_networks.py``.

A step is forward, backward and Adam (ours in the fused kernel that our training uses) in float32 on a batch of 16
with 2 threads. Each case runs in a process of its own, so that its peak memory is its own, and cases take turns for
several rounds. With BRAINBENCH_PEERS set to a folder that holds a clone of Wayfear/BrainNetworkTransformer, its code
runs in the same rounds.
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
from typing import TYPE_CHECKING, Any

import numpy as np
from tabulate import tabulate
from turns import HEADS, PEERS, in_turn

from brainbench.benchmark.contracts import Context, TaskInfo

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCH, THREADS, ROUNDS, STEPS = 16, 2, 3, 2
REPOSITORY = "BrainNetworkTransformer"


def ours(name: str, rois: int) -> nn.Module:
    """The network of a baseline's published preset."""
    from brainbench.benchmark.registry import load_method

    method: Any = load_method(name)[0]
    context = Context(TaskInfo("bench", "classification", "label", ("a", "b")), 0, Path())
    network: nn.Module = method(**method.presets["published"]).build(((rois, rois),), 2, context)
    return network


def dense_brainnetcnn(rois: int) -> nn.Module:
    """BrainNetCNN as its layer list says it: convolutions over rows and columns, maps of (ROI, ROI)."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class EdgeToEdge(nn.Module):
        def __init__(self, inward: int, outward: int) -> None:
            super().__init__()
            self.row, self.column = nn.Conv2d(inward, outward, (1, rois)), nn.Conv2d(inward, outward, (rois, 1))

        def forward(self, x: Tensor) -> Tensor:
            return F.leaky_relu(self.row(x).expand(-1, -1, -1, rois) + self.column(x).expand(-1, -1, rois, -1), 0.33)

    def dense(inward: int, outward: int) -> list[nn.Module]:
        return [nn.Linear(inward, outward), nn.LeakyReLU(0.33)]

    return nn.Sequential(
        nn.Unflatten(1, (1, rois)), EdgeToEdge(1, 32), EdgeToEdge(32, 64),
        nn.Conv2d(64, 1, (1, rois)), nn.LeakyReLU(0.33), nn.Conv2d(1, 256, (rois, 1)), nn.LeakyReLU(0.33),
        nn.Flatten(), nn.Dropout(0.5), *dense(256, 128), nn.Dropout(0.5), *dense(128, 30), nn.Dropout(0.5),
        *dense(30, 2),
    ).to(torch.float32)  # fmt: skip


def dense_bnt(rois: int, heads: int) -> nn.Module:
    """BNT as its layer list says it: two encoder layers, the clustering, dense layers."""
    import torch
    from torch import nn

    class Clusters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            size = rois * rois
            self.encoder = nn.Sequential(
                nn.Linear(size, 32), nn.LeakyReLU(), nn.Linear(32, 32), nn.LeakyReLU(), nn.Linear(32, size)
            )
            self.centres = nn.Parameter(nn.init.orthogonal_(torch.empty(100, rois)), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            x = self.encoder(x.flatten(1)).view_as(x)
            share = torch.softmax((x @ self.centres.T) ** 2 / self.centres.norm(dim=1), dim=-1)
            return share.transpose(1, 2) @ x

    layers = [nn.TransformerEncoderLayer(rois, heads, 1024, batch_first=True) for _ in range(2)]
    return nn.Sequential(
        *layers, Clusters(), nn.Linear(rois, 8), nn.LeakyReLU(), nn.Flatten(),
        nn.Linear(800, 256), nn.LeakyReLU(), nn.Linear(256, 32), nn.LeakyReLU(), nn.Linear(32, 2),
    )  # fmt: skip


def reference(name: str, rois: int) -> nn.Module:
    """A model of the reference repository, called with matrices alone."""
    from torch import nn

    sys.path.insert(0, str(Path(os.environ[PEERS]) / REPOSITORY))
    try:
        importlib.import_module("omegaconf")
    except ImportError:
        sys.modules["omegaconf"] = ModuleType("omegaconf")
        sys.modules["omegaconf"].DictConfig = dict  # type: ignore[attr-defined]
    models = importlib.import_module("source.models")
    layers = importlib.import_module("source.models.BNT.components").InterpretableTransformerEncoder
    attend = layers._sa_block
    # The code is older than the argument that torch now passes.
    layers._sa_block = lambda self, x, mask, padding, is_causal=False: attend(self, x, mask, padding)
    config = SimpleNamespace(
        dataset=SimpleNamespace(node_sz=rois),
        model=SimpleNamespace(
            sizes=[rois, 100], pooling=[False, True], pos_encoding="none", pos_embed_dim=rois, orthogonal=True,
            freeze_center=True, project_assignment=True,
        ),
    )  # fmt: skip

    class Matrices(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = getattr(models, name)(config)

        def forward(self, matrix: Tensor) -> Tensor:
            found: Tensor = self.model(None, matrix)
            return found

    return Matrices()


CASES: dict[str, tuple[int, Callable[[], Any]]] = {
    "BrainNetCNN 450, ours": (450, lambda: ours("brainnetcnn", 450)),
    "BrainNetCNN 450, dense peer": (450, lambda: dense_brainnetcnn(450)),
    "BrainNetCNN 450, reference": (450, lambda: reference("BrainNetCNN", 450)),
    "BNT 448, ours": (448, lambda: ours("bnt", 448)),
    "BNT 448, dense peer": (448, lambda: dense_bnt(448, 4)),
    "BNT 448, reference": (448, lambda: reference("BrainNetworkTransformer", 448)),
    "BNT 450, ours": (450, lambda: ours("bnt", 450)),
    "BNT 450, dense peer": (450, lambda: dense_bnt(450, 3)),
}
"""Case -> number of ROIs, and how its network is built. 450 does not divide by the reference's four heads."""


def measure(case: str) -> dict[str, float]:
    """Median wall and processor seconds of a step, and the peak memory of this process in GB."""
    import torch
    from torch.nn import functional as F

    from brainbench.benchmark.worker import peak_memory

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    rois, build = CASES[case]
    network = build()
    weights = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(weights, lr=1e-4, weight_decay=1e-4, fused=case.endswith("ours"))
    matrices = torch.stack([torch.corrcoef(torch.randn(rois, 160)) for _ in range(BATCH)])
    labels = torch.arange(BATCH) % 2
    wall, processor = [], []
    for _ in range(STEPS + 1):
        start = time.perf_counter(), time.process_time()
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(network(matrices), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        wall.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])
    return {
        "wall": float(np.median(wall[1:])),
        "processor": float(np.median(processor[1:])),
        "gb": peak_memory() / 1e9,
    }


def main() -> None:
    """Print seconds a step, processor seconds, GB, and how many times ours."""
    if sys.argv[1:2] == ["--case"]:
        print(json.dumps(measure(sys.argv[2])))
        return
    cases = [case for case in CASES if "reference" not in case or PEERS in os.environ]
    if PEERS not in os.environ:
        print(f"set {PEERS} to a folder with a clone of {REPOSITORY} to run the reference code")
    table = in_turn(__file__, {case: case.partition(",")[0] + ", ours" for case in cases}, ROUNDS)
    print(f"one training step, batch {BATCH}, {THREADS} threads, medians of {ROUNDS} rounds in turn")
    print(tabulate(table, ["case", *HEADS], floatfmt=".3g"))


if __name__ == "__main__":
    main()
