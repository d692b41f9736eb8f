"""Brain-JEPA (Dong et al., NeurIPS 2024): a ViT over ROI series, pretrained by predicting hidden features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadData, BadOption
from ..benchmark.preprocess import Fitted, to_frames, variant
from .brain_jepa_masks import draw_batch
from .encoder_baseline import EncoderBaseline, Joined, same_rois
from .gradients import diffusion_map, mean_fc, read_gradients
from .network_baseline import Arrays

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.kinds.scans import Scan
    from ..benchmark.nn.training import Recipe
    from .brain_jepa_network import Encoder

COORDINATES = 30
PUBLISHED_KEY = "target_encoder."
PUBLISHED_HEADS = {384: 6, 768: 12, 1024: 16}
FINAL_RATE = 1e-6
SIZES = {
    "S": {"width": 384, "depth": 12, "heads": 6},
    "B": {"width": 768, "depth": 12, "heads": 12},
    "L": {"width": 1024, "depth": 24, "heads": 16},
}
PUBLISHED = {
    "frames": 160, "patch": 16, "init": "published", "preprocess": "brain-jepa-tuning",
    "pretrain_preprocess": "brain-jepa", "predictor_width": 384, "predictor_depth": 6, "pretrain_epochs": 300,
    "pretrain_batch": 512, "pretrain_parts": 32, "pretrain_rate": 1e-3, "momentum": 0.996, "tuning": "full",
    "epochs": 50, "batch": 16, "rate": 1e-3 * 16 / 256, "weight_decay": 0.05, "patience": 50,
}  # fmt: skip


@dataclass
class BrainJEPA(EncoderBaseline):
    """A ViT whose tokens are (ROI, time patch), placed by sinusoids and by the ROIs' connectivity gradients.

    Attributes
    ----------
    width, depth, heads
        Of the encoder.
    frames, patch
        Frames of the input, and of a patch.
    gradients
        CSV file of the ROIs' gradient coordinates, one row a ROI, without header; "" computes 30 gradients
        from the mean connectivity of the scans that the encoder is pretrained on.
    init
        "published" (truncated normal 0.02), or "connectivity": the first block starts as a reader of
        functional connectivity [ours].
    preprocess, pretrain_preprocess
        Names of the preprocessing of the scans that are told apart, and of those of the pretraining.
    predictor_width, predictor_depth
        Of the predictor.
    pretrain_parts
        A batch of the pretraining is worked through in so many parts. The pretraining: AdamW, warm-up from a
        twentieth of the rate over 40 of 300 epochs, weight decay 0.04 to 0.4.
    momentum
        Share of itself that the target network keeps at the first step: 0.996 as published. It rises to 1.
    layer_decay
        Fine-tuning: each block learns with this share of the next one's rate. In the reference the names of the
        layers are not recognised, and all learn alike: 1.
    """

    batch: int = 8
    width: int = 256
    depth: int = 1
    heads: int = 4
    frames: int = 160
    patch: int = 160
    gradients: str = ""
    init: Literal["published", "connectivity"] = "connectivity"
    preprocess: str = "z-score"
    pretrain_preprocess: str = "z-score"
    predictor_width: int = 64
    predictor_depth: int = 1
    pretrain_epochs: int = 2
    pretrain_batch: int = 8
    pretrain_parts: int = 1
    pretrain_rate: float = 1e-4
    momentum: float = 0.9
    layer_decay: float = 0.75

    card: ClassVar[Card] = Card(
        title="Brain-JEPA",
        summary="A ViT over (ROI, time patch) tokens, pretrained to predict the features of hidden ROIs and times.",
        paper="Dong et al., NeurIPS 2024; layers as in Eric-LRL/Brain-JEPA",
        pretraining=("UKB",),
        parameters="encoder 21,306,816 (preset S), 85,080,960 (published: B), 302,344,704 (L) at 450 ROIs",
        notes="Without --checkpoint it is pretrained on the training scans. The published weights (UK Biobank) "
        "need the authors' table of gradients: --set gradients=FILE. Gradients are otherwise a diffusion map of the "
        "scans' mean connectivity, and the repeat of ROI positions follows the number of patches. Scans of a batch are "
        "cut to one number of tokens at random (the reference leaves out the last ROIs). The layer decay of "
        "fine-tuning works (in the reference it does not: layer_decay=1). Preset small starts as a reader of "
        "connectivity (init=connectivity, ours), has one block and tokens of a whole scan, so that only hidden ROIs "
        "are predicted, few epochs, and a linear probe on the frozen mean token.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "published": {**PUBLISHED, **SIZES["B"]},
        "S": {**PUBLISHED, **SIZES["S"]},
        "L": {**PUBLISHED, **SIZES["L"]},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "depth", "heads", "patch", "predictor_width", "predictor_depth", "pretrain_parts",
                     "layer_decay"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")
        if self.frames < self.patch:
            raise BadOption(f"frames={self.frames} is less than a patch of {self.patch}", "give more frames")
        for name in ("width", "predictor_width"):
            if getattr(self, name) % self.heads or getattr(self, name) % 4:
                raise BadOption(
                    f"{name}={getattr(self, name)} does not divide by 4 and by heads={self.heads}",
                    "change one (--set heads=...)",
                )
        if not 0 <= self.momentum <= 1:
            raise BadOption(f"momentum={self.momentum} is no share", "give a momentum from 0 to 1")
        if self.init not in ("published", "connectivity"):
            raise BadOption(f"init={self.init!r}", "one of: published, connectivity")
        for name in (self.preprocess, self.pretrain_preprocess):
            variant(name)

    # Where the encoder comes from

    def pretrained(self, scans: Joined, context: Context) -> tuple[nn.Module, dict[str, Any]]:
        """An encoder trained by masked prediction of features; as it starts with pretrain_epochs=0."""
        from ..benchmark.nn.training import train, without_decay
        from .brain_jepa_network import Pretraining

        encoder = self._new(self._coordinates(scans, context), self.width, self.depth, self.heads, self.patch)
        if not self.pretrain_epochs:
            return encoder, {"pretraining_scans": 0}
        network = Pretraining(encoder, self.predictor_width, self.predictor_depth, self.momentum).to(context.device)
        fitted = replace(variant(self.pretrain_preprocess), frames=None).fit(scans, context.progress)
        rng = np.random.default_rng([context.seed, 1])

        def load(part: np.ndarray) -> list[Tensor]:
            return [tensor.to(context.device) for tensor in self._masked(scans, part, fitted, encoder.steps, rng)]

        def loss(loaded: list[Tensor]) -> Tensor:
            return network.loss(*loaded)

        history = train(
            network, loss, np.arange(len(scans)), self._pretraining(), context, None, without_decay(network),
            network.follow, load,
        )  # fmt: skip
        losses = [round(value, 4) for value in history.losses]
        return network.target, {"pretraining_scans": len(scans), "pretraining_losses": losses}

    def _new(self, coordinates: np.ndarray, width: int, depth: int, heads: int, patch: int) -> Encoder:
        import torch

        from .brain_jepa_network import Encoder, start_as_connectivity

        encoder = Encoder(torch.as_tensor(coordinates), self.frames, patch, width, depth, heads)
        if self.init == "connectivity":
            start_as_connectivity(encoder)
        return encoder

    def _coordinates(self, scans: Joined, context: Context) -> np.ndarray:
        if self.gradients:
            return read_gradients(Path(self.gradients).expanduser(), scans.rois)
        return diffusion_map(mean_fc(scans, context.progress), COORDINATES)

    def _masked(
        self, scans: Joined, rows: np.ndarray, fitted: Fitted, steps: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Random clips (batch, roi, frames) of scans, and the tokens that are seen and hidden."""
        import torch

        clips = []
        for row in rows:
            values = fitted(scans[row])
            start = int(rng.integers(max(len(values) - self.frames, 0) + 1))
            clips.append(to_frames(values[start:], self.frames).T)
        seen, hidden = draw_batch(len(rows), scans.rois, steps, rng)
        return torch.as_tensor(np.stack(clips)), torch.as_tensor(seen), torch.as_tensor(hidden)

    def _pretraining(self) -> Recipe:
        from ..benchmark.nn.training import Recipe

        return Recipe(
            self.pretrain_epochs, self.pretrain_batch, self.pretrain_rate, FINAL_RATE, warmup=40 / 300,
            first_rate=self.pretrain_rate / 20, optimiser="adamw", weight_decay=0.04, final_decay=0.4,
            parts=self.pretrain_parts, precision=self.precision,
        )  # fmt: skip

    def settings(self, encoder: Encoder) -> dict[str, Any]:
        """Sizes that the weights do not tell."""
        return {"method": "brain-jepa", "heads": encoder.heads}

    def loaded(self, place: Path, scans: Joined) -> nn.Module:
        """The encoder of a folder that `pretrain` wrote, or of a published file (key target_encoder).

        Sizes are read from the weights. A published file holds no gradients: they must be given.
        """
        from ..benchmark.nn.weights import fill, load_weights

        found, settings = load_weights(place)
        state = self._state(found, place, scans)
        try:
            width, patch = state["patch.weight"].shape
            coordinates = state["gradients"].numpy()
        except KeyError as error:
            raise BadData(
                f"{place}: not the weights of Brain-JEPA: {error.args[0]} is missing",
                "give a folder of `brainbench pretrain --method brain-jepa`, or a published .pth.tar file",
            ) from None
        same_rois(place, len(coordinates), scans.rois)
        if patch > self.frames:
            raise BadOption(
                f"{place}: these weights read patches of {patch} frames, frames={self.frames}",
                f"give a multiple of {patch} (--set frames=...)",
            )
        depth = len({name.split(".")[2] for name in state if name.startswith("blocks.blocks.")})
        heads = int(settings.get("heads", PUBLISHED_HEADS.get(width, self.heads)))
        encoder = self._new(coordinates, width, depth, heads, patch)
        fill(encoder, state, place)
        return encoder

    def _state(self, found: Mapping[str, Tensor], place: Path, scans: Joined) -> dict[str, Tensor]:
        """The encoder's tensors under our names, and the gradients."""
        import torch

        from .brain_jepa_network import from_published

        published = {
            name.removeprefix(PUBLISHED_KEY).removeprefix("module."): value
            for name, value in found.items()
            if name.startswith(PUBLISHED_KEY)
        }
        if not published:
            return dict(found)
        if not self.gradients:
            raise BadOption(
                f"{place}: published weights come without the gradients that they place ROIs by",
                "give the authors' table: --set gradients=gradient_mapping_450.csv",
            )
        table = read_gradients(Path(self.gradients).expanduser(), scans.rois)
        return {**from_published(published), "gradients": torch.as_tensor(table).float()}

    # What is told apart

    def learn(self, scans: Any, context: Context) -> None:
        """The encoder, and the preprocessing of the training scans."""
        super().learn(scans, context)
        encoder = cast("Encoder", self._encoder)
        frames = encoder.steps * encoder.patch.in_features
        self._fitted = replace(variant(self.preprocess), frames=frames).fit(scans, context.progress)

    def encode(self, scan: Scan) -> Arrays:
        """Preprocessed series (ROI, frames)."""
        return (self._fitted(scan).T,)

    def features(self, encoder: nn.Module, arrays: tuple[Tensor, ...]) -> Tensor:
        """The mean token (batch, width)."""
        tokens: Tensor = encoder(*arrays)
        return tokens.mean(dim=1)

    def build(self, shapes: tuple[tuple[int, ...], ...], outputs: int, context: Context) -> nn.Module:
        """The encoder of `learn` and a linear head."""
        from .brain_jepa_network import Classifier

        return Classifier(self._encoder.requires_grad_(True), outputs)

    def recipe(self) -> Recipe:
        """AdamW, cosine."""
        from ..benchmark.nn.training import Recipe

        return Recipe(
            self.epochs, self.batch, self.rate, min(FINAL_RATE, self.rate), optimiser="adamw",
            weight_decay=self.weight_decay, patience=self.patience, precision=self.precision,
        )  # fmt: skip

    def groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Weight decay for matrices alone; the rate falls from block to block towards the input."""
        depth = len(cast(Any, network).encoder.blocks.blocks)
        found = []
        for name, parameter in network.named_parameters():
            level = _level(name, depth)
            group = {"params": [parameter], "scale": self.layer_decay ** (depth + 1 - level)}
            found.append(group if parameter.dim() >= 2 else {**group, "weight_decay": 0.0})
        return found


def _level(name: str, depth: int) -> int:
    """0 for patches and positions, 1 ... depth for the blocks, depth + 1 for norms after them and the head."""
    if name.startswith("encoder.blocks.blocks."):
        return int(name.split(".")[3]) + 1
    return 0 if name.startswith(("encoder.patch.", "encoder.positions.")) else depth + 1
