"""BrainLM (Ortega Caro et al., ICLR 2024): a masked autoencoder of ROI series."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..benchmark import preprocess
from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadData, BadOption
from .encoder_baseline import EncoderBaseline, Joined, same_rois
from .gradients import leading_eigenvectors
from .network_baseline import Arrays, tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.kinds.scans import Scan
    from ..benchmark.nn.training import Recipe
    from .brainlm_network import Network, Sizes

PUBLISHED = {"init": "published", "normalise": "brainlm", "pool": "cls"}
PUBLISHED_NAMES = (
    # Of the 13M type: published name -> ours.
    (r"^vit\.embeddings\.cls_token$", "cls_token"),
    (r"^vit\.embeddings\.signal_embedding_projection\.", "signal."),
    (r"^vit\.embeddings\.xyz_embedding_projection\.", "place."),
    (r"^vit\.encoder\.layer\.", "encoder."),
    (r"^vit\.layernorm\.", "norm."),
    (r"^decoder\.mask_token$", "mask_token"),
    (r"^decoder\.decoder_embed\.", "to_decoder."),
    (r"^decoder\.decoder_xyz_projection\.", "decoder_place."),
    (r"^decoder\.decoder_layers\.", "decoder."),
    (r"^decoder\.decoder_norm\.", "decoder_norm."),
    (r"^decoder\.decoder_pred1\.", "head.0."),
    (r"^decoder\.decoder_pred2\.", "head.2."),
)
# A fixed table, and a head that the 13M type inherits and never uses.
UNUSED_NAMES = re.compile(r"pos_embedding\.pe$|^decoder\.decoder_pred\.")
IMAGE_NAMES = (
    # Of the ViT-MAE type: names of the transformers release that it was made with -> those of today.
    (r"^vit\.encoder\.layer\.", "vit.layers."),
    (r"\.attention\.attention\.(query|key|value)\.", r".attention.\1_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(layers\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.attention\.query_proj\.", ".attention.q_proj."),
    (r"\.attention\.key_proj\.", ".attention.k_proj."),
    (r"\.attention\.value_proj\.", ".attention.v_proj."),
    (r"^", "mae."),
)


@dataclass
class BrainLM(EncoderBaseline):
    """Patches of ROI series, some of them hidden and rebuilt from the others; then a probe on the encoder's output.

    The probe gets the mean of a scan's windows; pretraining and fine-tuning take its first. Pretraining: AdamW, weight
    decay 0.05, cosine with 5 % warm-up.

    Attributes
    ----------
    network
        "tokens": the 13M type, one token a patch of one ROI. "image": the ViT-MAE type, which takes the scan
        as an image padded to a square.
    pool
        What of the encoder's output is used: its "mean" patch or its "cls" token, as published, or the mean patch
        of every ROI ("roi", ours).
    frames, patch
        Frames of a window (a shorter scan is stretched), and side of a patch.
    width, depth, heads, feedforward, decoder_width, decoder_depth, decoder_heads, decoder_feedforward
        Sizes. The decoder of "tokens" has the encoder's width, heads and feedforward.
    mask, dropout
        Share of hidden patches in pretraining, and dropout.
    normalise
        Name of the preprocessing, see `preprocess.VARIANTS`: "brainlm" as published, the training scans' median and
        IQR of each ROI, over 5.643.
    coordinates
        Text file with x, y, z of each ROI, one line an ROI, in the order of the atlas; four columns: a number first.
        Without it, the ROIs' places are the leading eigenvectors of the pretraining scans' mean FC (ours).
    places
        How many eigenvectors.
    init
        "published" (random), or "connectivity": the first layer of the tokens starts as a reader of functional
        connectivity [ours]; it expects series of unit variance (normalise=z-score).
    shuffled_tokens
        The reference's slip: layers convolve along tokens in the random order of the mask.
    """

    network: Literal["tokens", "image"] = "tokens"
    pool: Literal["mean", "cls", "roi"] = "roi"
    frames: int = 120
    patch: int = 120
    width: int = 128
    depth: int = 1
    heads: int = 2
    feedforward: int = 128
    decoder_width: int = 64
    decoder_depth: int = 1
    decoder_heads: int = 2
    decoder_feedforward: int = 128
    mask: float = 0.75
    dropout: float = 0.0
    normalise: str = "z-score"
    coordinates: str | None = None
    places: int = 64
    init: Literal["published", "connectivity"] = "connectivity"
    shuffled_tokens: bool = False

    card: ClassVar[Card] = Card(
        title="BrainLM",
        summary="A transformer that rebuilds hidden patches of ROI series, pretrained without labels; a linear probe "
        "reads its encoder.",
        paper="Ortega Caro et al., ICLR 2024; layers as in vandijklab/BrainLM",
        parameters="13,035,308 (preset published), 111.9 million (vitmae-111m), 657 million (vitmae-650m)",
        notes="The published 13M configuration gives its Nystrom layers as many landmarks as segments, which turns the "
        "approximation off: attention over all tokens plus a convolution along them, built here as it runs. Tokens "
        "stand in their order (the reference leaves them in the mask's random order: shuffled_tokens=true). Without "
        "--checkpoint it is pretrained on the training scans. Without coordinates, ROIs are placed by eigenvectors "
        "of mean FC. The published weights need 424 ROIs (A424) and their coordinates. Preset small starts as a "
        "reader of connectivity (init=connectivity), has tokens of a whole window, one layer of width 128, z-scored "
        "series and a probe on the mean token of every ROI, all ours. From the published "
        "start it stays at chance on simulated ABIDE I: mean AUC 0.51 over four twins, against 0.80.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "published": {
            **PUBLISHED, "frames": 200, "patch": 20, "width": 512, "depth": 4, "heads": 4, "feedforward": 1024,
            "decoder_depth": 2, "mask": 0.2, "dropout": 0.1, "places": 3, "pretrain_epochs": 100,
            "pretrain_batch": 128, "pretrain_rate": 5e-4,
        },
        "vitmae-111m": {
            **PUBLISHED, "network": "image", "frames": 200, "patch": 16, "width": 768, "depth": 12, "heads": 12,
            "feedforward": 3072, "decoder_width": 512, "decoder_depth": 8, "decoder_heads": 16,
            "decoder_feedforward": 2048, "pretrain_epochs": 100, "pretrain_batch": 128, "pretrain_rate": 5e-4,
        },
        "vitmae-650m": {
            **PUBLISHED, "network": "image", "frames": 200, "patch": 14, "width": 1280, "depth": 32, "heads": 16,
            "feedforward": 5120, "decoder_width": 512, "decoder_depth": 8, "decoder_heads": 16,
            "decoder_feedforward": 2048, "pretrain_epochs": 100, "pretrain_batch": 128, "pretrain_rate": 5e-4,
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        preprocess.variant(self.normalise)
        if self.network not in ("tokens", "image") or self.pool not in ("mean", "cls", "roi"):
            raise BadOption(
                f"network={self.network!r} with pool={self.pool!r} is not known",
                "choose network tokens or image; pool mean, cls or roi",
            )
        if self.init not in ("published", "connectivity"):
            raise BadOption(f"init={self.init!r}", "one of: published, connectivity")
        if self.network == "image" and self.init == "connectivity":
            raise BadOption("a patch of the image network holds several ROIs", "choose init=published")
        if self.network == "image" and self.pool == "roi":
            raise BadOption("a patch of the image network holds several ROIs", "choose pool=mean or pool=cls")
        if not 0 < self.mask < 1:
            raise BadOption(f"mask={self.mask} is no share of patches", "give a number between 0 and 1")
        if self.frames % self.patch and self.network == "tokens":
            raise BadOption(f"{self.frames} frames do not divide into patches of {self.patch}", "set frames or patch")
        if self.width % self.heads:
            raise BadOption(f"width={self.width} does not divide by {self.heads} heads", "set width or heads")

    def learn(self, scans: Any, context: Context) -> None:
        """See `EncoderBaseline.learn`; and the normalisation, from the training scans."""
        super().learn(scans, context)
        if context.checkpoint is not None:
            self._fitted = self._normalisation(scans, context)

    def pretrained(self, scans: Joined, context: Context) -> tuple[Network, dict[str, Any]]:
        """Rebuild hidden patches of the first window of every scan; each cohort has a normalisation of its own."""
        import torch

        from ..benchmark.nn.training import Recipe, train
        from .brainlm_network import build

        table = self._table(scans)
        sizes = self._sizes(scans.rois, table.shape[1])
        network = build(sizes, torch.as_tensor(table), self.init).to(context.device)
        fitted = [self._normalisation(cohort, context) for cohort in scans.cohorts]
        self._fitted = fitted[0]

        def load(part: np.ndarray) -> Tensor:
            windows = [self._windows(scans[row], fitted[scans.places[row][0]])[0] for row in part]
            return tensors([np.stack(windows)], np.arange(len(part)), context.device)[0]

        recipe = Recipe(
            self.pretrain_epochs, self.pretrain_batch, self.pretrain_rate, warmup=0.05, optimiser="adamw",
            weight_decay=0.05, precision=self.precision,
        )  # fmt: skip
        history = train(network, network.loss, np.arange(len(scans)), recipe, context, load=load)
        return network, {"pretraining_scans": len(scans), "pretraining_losses": [round(v, 4) for v in history.losses]}

    def _normalisation(self, scans: Any, context: Context) -> preprocess.Fitted:
        return replace(preprocess.variant(self.normalise), frames=None).fit(scans, context.progress)

    def _windows(self, scan: Scan, fitted: preprocess.Fitted) -> list[np.ndarray]:
        """Windows (frames, roi) that follow each other; one, stretched, of a scan that is shorter."""
        series = fitted(scan)
        count = max(len(series) // self._frames, 1)
        return [preprocess.to_frames(series[k * self._frames :], self._frames) for k in range(count)]

    @property
    def _frames(self) -> int:
        """Frames of a window: those of a checkpoint, where one was loaded."""
        network: Any = getattr(self, "_encoder", None)
        return int(network.sizes.frames) if network is not None else self.frames

    def _sizes(self, rois: int, places: int) -> Sizes:
        from .brainlm_network import Sizes

        return Sizes(
            self.network, rois, self.frames, self.patch, self.width, self.depth, self.heads, self.feedforward,
            self.decoder_width, self.decoder_depth, self.decoder_heads, self.decoder_feedforward, places, self.mask,
            self.dropout, self.shuffled_tokens,
        )  # fmt: skip

    def _table(self, scans: Joined) -> np.ndarray:
        """(roi, k) places of the ROIs."""
        if self.coordinates is None:
            return leading_eigenvectors(scans, self.places)
        return read_places(self.coordinates, scans.rois)

    def loaded(self, place: Path, scans: Joined) -> Network:
        """See `load_network`."""
        table = None if self.coordinates is None else read_places(self.coordinates, scans.rois)
        return load_network(place, scans.rois, table, self.dropout)

    def settings(self, encoder: Network) -> dict[str, Any]:
        """The sizes."""
        return {"method": "brainlm", "sizes": encoder.sizes.to_json()}

    def features(self, encoder: nn.Module, arrays: tuple[Tensor, ...]) -> Tensor:
        """Pooled output of the encoder."""
        from .brainlm_network import pooled

        return pooled(encoder, arrays[0], self.pool)  # type: ignore[arg-type]

    def encode(self, scan: Scan) -> Arrays:
        """First window (frames, ROI)."""
        return (self._windows(scan, self._fitted)[0],)

    def views(self, scan: Scan) -> list[Arrays]:
        """All windows."""
        return [(window,) for window in self._windows(scan, self._fitted)]

    def recipe(self) -> Recipe:
        """AdamW with warm-up and a limit on the gradient, without which layers that norm last do not train."""
        return replace(super().recipe(), optimiser="adamw", warmup=0.1, clip=1.0)

    def build(self, shapes: tuple[tuple[int, ...], ...], outputs: int, context: Context) -> nn.Module:
        """The network of `learn` and a linear head."""
        from .brainlm_network import Classifier

        return Classifier(self._encoder, self.pool, outputs)


def read_places(path: str, rois: int) -> np.ndarray:
    """(roi, 3) coordinates from a text file. Raises `BadOption`."""
    try:
        lines = [re.split(r"[\s,;]+", line.strip()) for line in Path(path).read_text().splitlines() if line.strip()]
        if lines and not _is_number(lines[0][-1]):
            lines = lines[1:]
        table = np.array([[float(value) for value in line[-3:]] for line in lines], dtype=np.float32)
    except (OSError, ValueError) as error:
        raise BadOption(f"{path}: cannot be read as coordinates ({error})", "one line an ROI: x y z") from None
    if table.shape != (rois, 3):
        raise BadOption(
            f"{path}: {len(table)} rows of coordinates for {rois} ROIs", "one line an ROI: x y z, in the atlas' order"
        )
    return table


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text, re.IGNORECASE) is not None


def load_network(place: Path, rois: int, table: np.ndarray | None, dropout: float) -> Network:
    """A network from a folder of `BrainLM.pretrain`, or from a published folder or file with ``config.json`` beside.

    Raises `BadData` where the weights are not BrainLM's, `BadOption` where they are for another number of ROIs or
    where the coordinates that a published file needs are missing.
    """
    import torch

    from ..benchmark.nn.weights import fill, load_weights
    from .brainlm_network import Sizes, build

    file = _weights_file(place)
    state, settings = load_weights(file)
    if "sizes" in settings:
        sizes = replace(Sizes(**settings["sizes"]), dropout=dropout)
        same_rois(place, sizes.rois, rois)
        network = build(sizes, torch.zeros(rois, sizes.places))
    else:
        sizes = published_sizes(file, dropout)
        same_rois(place, sizes.rois, rois)
        if sizes.kind == "tokens" and table is None:
            raise BadOption(f"{place}: these weights need the ROIs' coordinates", "add --set coordinates=FILE")
        network = build(sizes, torch.as_tensor(np.zeros((rois, 3)) if table is None else table))
        state = renamed(state, sizes.kind)
        if sizes.kind == "tokens":
            state["places"] = network.places  # type: ignore[assignment]
    fill(network, state, place)
    return network


def _weights_file(place: Path) -> Path:
    """The file with the weights in a folder, ours or as published."""
    names = ("weights.safetensors", "model.safetensors", "pytorch_model.bin")
    return next((place / name for name in names if (place / name).is_file()), place)


def published_sizes(file: Path, dropout: float) -> Sizes:
    """Sizes from the ``config.json`` beside published weights. Raises `BadData`."""
    from .brainlm_network import Sizes

    beside = file.parent / "config.json"
    try:
        told = dict(json.loads(beside.read_text()))
        tokens = "timepoint_patching_size" in told
        return Sizes(
            "tokens" if tokens else "image",
            int(told.get("num_brain_voxels", 424)),
            int(told.get("num_timepoints_per_voxel", 200)),
            int(told["timepoint_patching_size" if tokens else "patch_size"]),
            int(told["hidden_size"]),
            int(told["num_hidden_layers"]),
            int(told["num_attention_heads"]),
            int(told["intermediate_size"]),
            int(told["decoder_hidden_size"]),
            int(told["decoder_num_hidden_layers"]),
            int(told["decoder_num_attention_heads"]),
            int(told["decoder_intermediate_size"]),
            3,
            float(told["mask_ratio"]),
            dropout,
            False,
        )
    except (OSError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadData(
            f"{beside}: no configuration of BrainLM ({type(error).__name__}: {error})",
            "keep the published config.json in the folder of its weights",
        ) from None


def renamed(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Published tensors under the names of `brainlm_network`."""
    rules = PUBLISHED_NAMES if kind == "tokens" else IMAGE_NAMES
    found = {}
    for name, value in state.items():
        if kind == "tokens" and UNUSED_NAMES.search(name):
            continue
        for pattern, ours in rules:
            name = re.sub(pattern, ours, name)
        found[name] = value
    return found
