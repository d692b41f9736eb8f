"""TRIBE (d'Ascoli et al., 2025), first of Algonauts 2025: a transformer over modalities with heads of subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from ..benchmark.contracts import Card, Context, Train
from ..benchmark.errors import BadOption
from ..benchmark.kinds.encoding import Run
from .film_network import FilmNetwork
from .film_streams import Streams

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.nn.training import Recipe


class Window(NamedTuple):
    """A stretch of a run: its position, and the first TR of the response."""

    run: int
    start: int


@dataclass
class Tribe(FilmNetwork):
    """Modalities side by side through one transformer, and a linear head for each subject.

    Attributes
    ----------
    width, depth, heads
        Of the transformer; each modality has an equal share of the width.
    window, lead, jitter
        TRs of a window; by how many TRs its features begin before its responses; and by how many a window of
        training may begin earlier or later in each epoch (10 s in the reference).
    dropout
        Chance of a modality to be zeroed in a training window, never all that are there.
    loss
        "mse"; "pearson" (1 - r of each parcel over a batch); "smooth-l1" and "huber" are the same at the reference's
        settings (both turn linear at 1) and stand under both names.
    projector
        "mlp": Linear, LayerNorm, GELU for each modality. "linear": what the reference's code builds, since it names
        LayerNorm and GELU but no hidden layer for them to stand in.
    standardise
        Centre and scale each feature by its training runs. The reference takes features as they come.
    start
        Scale of the random numbers that positions and heads start from. At the reference's 1 predictions begin with
        larger variance than responses have, which takes longer to unlearn than a small data set lasts.
    modalities
        Which stream is visual, audio or language, where its name does not tell: STREAM=MODALITY,...
    """

    width: int = 192
    depth: int = 2
    heads: int = 4
    window: int = 100
    lead: int = 3
    jitter: int = 7
    dropout: float = 0.3
    loss: Literal["mse", "pearson", "smooth-l1", "huber"] = "mse"
    projector: Literal["mlp", "linear"] = "mlp"
    standardise: bool = True
    start: float = 0.02
    modalities: str = ""

    card: ClassVar[Card] = Card(
        title="TRIBE",
        summary="Features of each modality through a projector, side by side into a transformer over time with "
        "rotary positions, and a linear head for each subject; modalities are dropped at random in training.",
        paper="d'Ascoli et al., arXiv 2507.22229 (2025); layers as in facebookresearch/algonauts-2025",
        parameters="933 million at published sizes: 8 layers of width 3072, 6144 + 2048 + 2816 features",
        notes="Features are at the TR's rate here, so nothing is pooled over time (the reference pools 2 Hz to TRs). "
        "All subjects of a window are learned together, modalities are dropped by window rather than by batch, and "
        "whole films are held out rather than a tenth of the chunks; the best epoch is kept, without the "
        "reference's averaging of weights. The warm-up is linear and Adam's momentum constant. One model, no "
        "ensemble. The settings of preset small were chosen on held-out training films of the small twin.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"batch": 2, "rate": 1e-3},
        "published": {
            "width": 3072, "depth": 8, "heads": 8, "projector": "linear", "standardise": False, "start": 1.0,
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in {"width": 1, "depth": 1, "heads": 1, "window": 2, "lead": 0, "jitter": 0}.items():
            if getattr(self, name) < least:
                raise BadOption(f"{name}={getattr(self, name)} is too small", f"give {least} or more")
        if not self.start > 0:
            raise BadOption(f"start={self.start} is not positive", "give a number above 0")
        if not 0 <= self.dropout < 1:
            raise BadOption(f"dropout={self.dropout} is no share below 1", "give a number from 0 to 0.9")
        if self.width % self.heads or self.width < 4 * self.heads:
            raise BadOption(f"width={self.width} does not give {self.heads} heads 4 or more each", "try --set width=96")

    def prepare(self, train: Train, learn: np.ndarray, context: Context) -> None:
        """Group the streams by modality, and learn their scale."""
        from .tribe_network import POSITIONS

        if self.window > POSITIONS:
            raise BadOption(f"window={self.window}: at most {POSITIONS} TRs", "give a shorter window")
        self._streams = Streams.of(train.inputs, self.modalities)
        if self.width % len(self._streams.groups):
            raise BadOption(
                f"width={self.width} cannot be shared by {len(self._streams.groups)} modalities", "try --set width=96"
            )
        if self.standardise:
            self._streams = self._streams.standardised(train.inputs, learn, context)

    def build(self) -> nn.Module:
        """The network, for the modalities and subjects there are."""
        from .tribe_network import Tribe as Network

        columns = [self._streams.width(name) for name in self._streams.groups]
        return Network(
            columns, self.width, self.depth, self.heads, len(self.subjects), self.parcels,
            self.projector == "mlp", self.dropout, self.start,
        )  # fmt: skip

    def lesson(
        self, train: Train, learn: np.ndarray, context: Context
    ) -> tuple[Callable[[np.ndarray], Any], Callable[[Any], Tensor], np.ndarray]:
        """Windows side by side that cover each run, moved by up to ``jitter`` TRs each time they are seen."""
        from .tribe_losses import LOSSES

        windows = [
            Window(int(row), start)
            for row in learn
            for start in range(0, max(train.inputs[int(row)].frames.values()), self.window)
        ]
        moving = np.random.default_rng([context.seed, 1])
        measure = LOSSES[self.loss]

        def load(numbers: np.ndarray) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
            moves = moving.integers(-self.jitter, self.jitter + 1, len(numbers))
            batch = [windows[k]._replace(start=windows[k].start + int(m)) for k, m in zip(numbers, moves, strict=True)]
            return self._batch(train, batch, context.device)

        def loss(loaded: tuple[list[Tensor], Tensor, Tensor, Tensor]) -> Tensor:
            features, there, wanted, valid = loaded
            return measure(self.network(features, there)[valid], wanted[valid])

        return load, loss, np.arange(len(windows))

    def _batch(self, train: Train, windows: list[Window], device: str) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
        """Features by modality, which are there, responses (window, subject, TR, parcel), and which TRs count."""
        import torch

        read, wanted, valid = [], [], []
        for row, moved in windows:
            run = train.inputs[row]
            start = self._inside(moved, max(run.frames.values()))
            read.append(self._streams.read(run, start - self.lead, start - self.lead + self.window))
            truth, counts = self._responses(train, row, start)
            wanted.append(truth)
            valid.append(counts)

        def stacked(arrays: Sequence[np.ndarray]) -> Tensor:
            return torch.as_tensor(np.stack(arrays)).to(device)

        features = [stacked(each) for each in zip(*(matrices for matrices, _ in read), strict=True)]
        return features, stacked([which for _, which in read]), stacked(wanted), stacked(valid)

    def _inside(self, start: int, frames: int) -> int:
        """The nearest start of a window that ends within the run."""
        return min(max(start, 0), max(frames - self.window, 0))

    def _responses(self, train: Train, row: int, start: int) -> tuple[np.ndarray, np.ndarray]:
        """(subject, TR, parcel) float32 and which (subject, TR) are measured."""
        held = train.targets.subjects(row)
        found: dict[str, np.ndarray] = {}
        for subject in held:
            stop = min(start + self.window, train.targets.frames(row, subject))
            if stop > start:
                found[subject] = train.targets.read(row, subject, start, stop)
        truth = np.zeros((len(self.subjects), self.window, self.parcels), np.float32)
        valid = np.zeros(truth.shape[:2], bool)
        for number, subject in enumerate(self.subjects):
            if subject in found:
                truth[number, : len(found[subject])] = found[subject]
                valid[number, : len(found[subject])] = True
        return truth, valid

    def respond(self, run: Run, frames: int, context: Context) -> dict[str, np.ndarray]:
        """All subjects' responses, window by window; the last window ends with the run."""
        import torch

        out = np.empty((len(self.subjects), frames, self.parcels), np.float32)
        for begin in range(0, frames, self.window):
            start = self._inside(begin, frames)
            matrices, there = self._streams.read(run, start - self.lead, start - self.lead + self.window)
            features = [torch.as_tensor(matrix[None]).to(context.device) for matrix in matrices]
            which = torch.as_tensor(there[None]).to(context.device)
            found = self.network(features, which)[0].float().cpu().numpy()
            out[:, begin : start + self.window] = found[:, begin - start :][:, : frames - begin]
        return dict(zip(self.subjects, out, strict=True))

    def recipe(self) -> Recipe:
        """Adam under one cycle: a tenth of the steps up from a 25th of the rate, then down along a cosine."""
        from ..benchmark.nn.training import Recipe

        return Recipe(
            self.epochs, self.batch, self.rate, self.rate / 25e4, warmup=0.1, first_rate=self.rate / 25,
            weight_decay=self.weight_decay, precision=self.precision,
        )  # fmt: skip
