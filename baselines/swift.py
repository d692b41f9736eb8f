"""SwiFT (Kim et al. 2023): a Swin transformer that reads 4-D images without an atlas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadData, BadOption
from .network_baseline import Stored, TrainedNetwork, training_loop
from .swift_windows import RandomWindows, every_window, pieces, read, refuse_short, two_apart

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.nn.training import Recipe
    from .swift_network import Backbone, Geometry

PUBLISHED = {
    "patches": 16, "width": 36, "depths": (2, 2, 6, 2), "heads": (3, 6, 12, 24), "windows": 60,
    "epochs": 10, "batch": 8, "rate": 5e-5, "weight_decay": 0.01, "patience": 10,
}  # fmt: skip

LIGHTNING = ("state_dict.model.", "model.")
"""What stands before the names of the backbone's weights in the authors' checkpoints."""


@dataclass
class SwiFT(TrainedNetwork):
    """Attention within 4-D windows of patches, on windows of frames; a scan's logits are averaged over its windows.

    Images are taken as the cohort holds them: normalised over all voxels of the brain when they were imported.

    Attributes
    ----------
    frames
        Length of a window of the scan.
    windows
        Windows of each scan in one epoch, each at a random place.
    patches
        Patches along each axis of space: 16 patches of 6 voxels in the paper.
    width, depths, heads
        Channels of the first stage, and blocks and heads of each stage.
    window
        Patches (and frames) along each axis within which attention is confined.
    four_frame_global
        The reference's: the last stage attends over all of space, but over ``window`` frames only.
    unused_norm
        The reference's: the final LayerNorm is never applied.
    pretrain_epochs, temperature, local_weight
        Of contrastive pretraining. The reference sums the local loss over a batch where it averages the other: a
        weight of the batch's size.
    cumulative_views
        The reference's: an augmentation changes the window in place, so that the next view starts from it.
    """

    epochs: int = 20
    batch: int = 4
    rate: float = 1e-3
    patience: int = 20
    weight_decay: float = 0.01
    frames: int = 20
    windows: int = 1
    patches: int = 4
    width: int = 24
    depths: tuple[int, ...] = (2, 2)
    heads: tuple[int, ...] = (1, 2)
    window: int = 4
    four_frame_global: bool = False
    unused_norm: bool = False
    pretrain_epochs: int = 10
    temperature: float = 0.1
    local_weight: float = 1.0
    cumulative_views: bool = False

    reads: ClassVar[tuple[str, ...]] = ("volume",)
    takes_checkpoint: ClassVar[bool] = True
    card: ClassVar[Card] = Card(
        title="SwiFT",
        summary="Swin transformer on windows of 20 frames of 4-D images, attention within shifted 4-D windows.",
        paper="Kim et al., NeurIPS 2023 (arXiv 2307.05916)",
        parameters="4,315,212 and a head of 289 (preset published, two classes)",
        notes="The last stage attends over all tokens, and the final LayerNorm is applied; the "
        "authors' code confines it to four frames and leaves the norm out (preset reference, which their weights "
        "need). Windows are drawn at random places, 60 a scan and epoch, where the authors cut 1,200 frames into 60. "
        "The epoch is chosen on validation scans only. In pretraining the views of the local loss serve the instance "
        "loss as well. Preset small has 4 patches along an axis, whatever the grid, and two stages.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "published": PUBLISHED,
        "reference": {**PUBLISHED, "four_frame_global": True, "unused_norm": True, "cumulative_views": True},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.depths, self.heads = tuple(self.depths), tuple(self.heads)
        sizes = ("frames", "windows", "patches", "width", "window", "pretrain_epochs", "temperature")
        for name in (*sizes, "depths", "heads"):
            if np.min(getattr(self, name), initial=1) <= 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")

    def geometry(self, grid: tuple[int, ...]) -> Geometry:
        """Sizes of the network for images of this many voxels. Raises `BadOption` where they do not fit together."""
        from .swift_network import Geometry

        x, y, z = grid
        found = Geometry(
            (x, y, z), self.patches, self.frames, self.width, self.depths, self.heads, self.window,
            self.four_frame_global, self.unused_norm,
        )  # fmt: skip
        if problem := found.problem():
            raise BadOption(problem, "change them with --set, or import the images on another grid (--grid)")
        return found

    def recipe(self) -> Recipe:
        """AdamW at a constant rate."""
        from ..benchmark.nn.training import Recipe

        return Recipe(
            self.epochs, self.batch, self.rate, schedule="constant", optimiser="adamw",
            weight_decay=self.weight_decay, patience=self.patience, precision=self.precision,
        )  # fmt: skip

    def build(self, shapes: tuple[tuple[int, ...], ...], outputs: int, context: Context) -> nn.Module:
        """See `swift_network.SwiftNetwork`."""
        from .swift_network import Backbone, SwiftNetwork

        backbone = Backbone(self.geometry(shapes[0][1:]))
        if context.checkpoint:
            self._start_from(backbone, context.checkpoint)
        return SwiftNetwork(backbone, outputs)

    def _start_from(self, backbone: Backbone, place: Path) -> None:
        """Load what `pretrain` wrote, or the backbone of the authors' checkpoints.

        Those are ``contrastive_pretrained.ckpt`` and ``hcp_sex_classification.ckpt``; their heads are left.
        """
        from ..benchmark.nn.weights import fill, load_weights

        state, settings = load_weights(place)
        if not settings:
            if not (self.four_frame_global and self.unused_norm):
                raise BadOption(
                    f"{place}: weights of the authors' code, which attends and norms in another way",
                    "add  --preset reference",
                )
            state = backbone_state(state, place)
        fill(backbone, state, place)

    def _store(self, scans: Any, context: Context) -> Sequence[Stored]:
        return [RandomWindows(scans, self.frames, context.seed)]

    def _epoch(self, rows: np.ndarray) -> np.ndarray:
        return np.repeat(rows, self.windows)

    def _validate(self, store: Sequence[Stored], rows: np.ndarray, context: Context) -> np.ndarray:
        (windows,) = store
        assert isinstance(windows, RandomWindows)
        return self._averaged(windows.scans, rows, context, "validate")

    def _averaged(self, scans: Any, rows: np.ndarray, context: Context, label: str) -> np.ndarray:
        """Outputs (n, outputs) of scans: the mean over all windows of a scan, which are read a batch at a time."""
        import torch

        order = {row: k for k, row in enumerate(rows.tolist())}
        windows = every_window(scans, rows, self.frames)
        outputs = []
        for part in pieces(windows, self.batch):
            volumes = torch.as_tensor(read(scans, part, self.frames)).to(context.device)
            outputs.append(self._outputs((volumes,)))
            context.progress(label, order[part[-1][0]], len(rows))
        of_scan = np.array([order[row] for row, _ in windows])
        total = np.zeros((len(rows), outputs[0].shape[1]))
        np.add.at(total, of_scan, np.concatenate(outputs))
        return total / np.bincount(of_scan)[:, None]

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), or values (n,)."""
        import torch

        refuse_short(test, self.frames)
        with training_loop().reproducible(context), torch.no_grad():
            self._network.eval()
            return self._objective.predict(self._averaged(test, np.arange(len(test)), context, "predict"))

    def pretrain(self, cohorts: Sequence[Any], context: Context) -> None:
        """Contrastive learning on two windows of each scan; scans count as different people.

        Raises `BadData` where cohorts differ in their grid, hold ROI series, or scans too short for two windows.
        """
        training = training_loop()
        import torch

        from ..benchmark.nn.weights import save_weights
        from .swift_contrast import ContrastNetwork, contrast_loss
        from .swift_network import Backbone

        grid = shared_grid(cohorts)
        for scans in cohorts:
            refuse_short(scans, 2 * self.frames)
        places = [(scans, row) for scans in cohorts for row in range(len(scans))]
        rng = np.random.default_rng(context.seed)

        def load(rows: np.ndarray) -> Tensor:
            pairs = [self._pair(scans, row, rng) for scans, row in (places[k] for k in rows.tolist())]
            return torch.as_tensor(np.stack(pairs, axis=1)).to(context.device)

        def loss(windows: Tensor) -> Tensor:
            return contrast_loss(network, windows, self.temperature, self.local_weight, self.cumulative_views)

        with training.reproducible(context):
            network = ContrastNetwork(Backbone(self.geometry(grid))).to(context.device)
            if context.checkpoint:
                self._start_from(network.backbone, context.checkpoint)
            training.train(network, loss, np.arange(len(places)), self._pretraining(), context, load=load)
        assert context.save is not None
        save_weights(context.save, network.backbone.state_dict(), asdict(network.backbone.geometry))

    def _pretraining(self) -> Recipe:
        from dataclasses import replace

        return replace(self.recipe(), epochs=self.pretrain_epochs, patience=None)

    def _pair(self, scans: Any, row: int, rng: np.random.Generator) -> np.ndarray:
        """(2, time, x, y, z): two windows of a scan that do not overlap."""
        first, second = two_apart(int(scans.frames[row]), self.frames, rng)
        return read(scans, [(row, first), (row, second)], self.frames)


def backbone_state(state: Mapping[str, Tensor], place: Path) -> dict[str, Tensor]:
    """The backbone's weights of an authors' checkpoint, by their names here. Raises `BadData`."""
    for prefix in LIGHTNING:
        found = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if found:
            return found
    raise BadData(f"{place}: no weights under model.", "give a checkpoint of SwiFT")


def shared_grid(cohorts: Sequence[Any]) -> tuple[int, int, int]:
    """The grid of all cohorts. Raises `BadData`."""
    grids = {scans.grid for scans in cohorts}
    if None in grids:
        raise BadData("a cohort holds ROI series, not 4-D images", "import images with  --format volumes")
    if len(grids) > 1:
        shown = ", ".join(" x ".join(map(str, grid)) for grid in sorted(grids))
        raise BadData(f"cohorts differ in their grid: {shown}", "import them with one --grid")
    grid: tuple[int, int, int] = grids.pop()
    return grid
