"""The options of MedARC's encoder: what ``--set`` can change, the presets and the ablations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...benchmark.errors import BadOption
from .space import PUBLISHED_ENSEMBLE, SPACES, STITCHED

CHOICES = {
    "pool": ("avg", "linear", "attention"),
    "hidden": ("none", "transformer", "convnext"),
    "heads": ("both", "group", "subject"),
    "member_space": tuple(SPACES),
}
ABOVE_ZERO = (
    "width",
    "rate",
    "batch",
    "crop",
    "crops",
    "inner_movies",
    "epochs",
    "patience",
    "depth",
    "attention_heads",
)


@dataclass
class Options:
    """Sizes, ablations and schedule. Defaults are the published ones; [ours] marks what is not published.

    Attributes
    ----------
    streams
        Feature streams in use: comma-separated parts of their names; ``but:N`` or ``only:N``, the N-th by name; ""
        for all.
    width
        Channels d that each stream is projected to.
    kernel
        TRs k of the depthwise kernel of each channel, odd; 0 or 1 for no convolution.
    causal
        A kernel sees the present and the past only; not with a hidden model, which sees all of a run.
    positive
        Kernels are the absolute values of their weights.
    tied
        All channels of a stream share one kernel.
    pool
        How streams (and layers of a stream) become one: ``avg``, the sum over streams of the mean over a stream's
        layers; ``linear``, learned weights; ``attention``, a learned query.
    hidden, depth, hidden_kernel
        Model between pooling and heads: ``none``, ``transformer`` or ``convnext``, its blocks, and the kernel of
        the latter.
    attention_heads
        Heads of the attention pool and of the transformer.
    heads
        Linear maps to parcels: one of all subjects (``group``), one for each (``subject``), or their sum.
    joint
        One model of all subjects; else each subject has a model of its own.
    common_runs
        Learn only from runs that all subjects have, cut to the shortest, as the reference; else every run counts
        for those who have it [ours].
    standardise
        Features are centred and scaled by training statistics, dimension by dimension [ours].
    rate, weight_decay, batch, epochs
        AdamW with a constant learning rate.
    crop, crops
        TRs of a training crop, and crops an epoch.
    inner_movies
        Films of the training set that are held out to stop on; the reference has one, ``figures``.
    patience
        Stop after so many epochs without a better mean r of the held-out films.
    live_weights
        Keep the weights of the last epoch and report the figures of the best one, as the reference's code does
        because it holds references to live weights where a copy is meant.
    members, members_seed, member_space
        Number of models of an ensemble, drawn with this seed from the space ``small`` or ``published``; 0 for one
        model with the options above.
    top, weights, standardise_members, estimate
        How members are stitched, parcel by parcel: see `brainbench.methods.medarc.ensemble.Choice`.
    """

    streams: str = ""
    width: int = 192
    kernel: int = 45
    causal: bool = False
    positive: bool = False
    tied: bool = False
    pool: str = "avg"
    hidden: str = "none"
    depth: int = 6
    hidden_kernel: int = 11
    attention_heads: int = 3
    heads: str = "both"
    joint: bool = True
    common_runs: bool = False
    standardise: bool = False
    rate: float = 3e-4
    weight_decay: float = 0.1
    batch: int = 16
    epochs: int = 10
    crop: int = 64
    crops: int = 2000
    inner_movies: int = 1
    patience: int = 1
    live_weights: bool = False
    members: int = 0
    members_seed: int = 0
    member_space: str = "small"
    top: int = 5
    weights: str = "mean"
    standardise_members: bool = False
    estimate: str = "nested"

    def verify(self) -> None:
        """Raise `BadOption` for values that cannot work."""
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise BadOption(f"{name}={getattr(self, name)!r}", f"one of: {', '.join(allowed)}")
        for name in ABOVE_ZERO:
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)}", f"give a number above 0 (--set {name}=...)")
        for name in ("weight_decay", "members"):
            if getattr(self, name) < 0:
                raise BadOption(f"{name}={getattr(self, name)}", f"give 0 or more (--set {name}=...)")
        for name in ("kernel", "hidden_kernel"):
            value = getattr(self, name)
            if value < 0 or (value and value % 2 == 0):
                raise BadOption(f"{name}={value}: a kernel has a centre", f"give an odd number (--set {name}=...)")
        if self.causal and self.hidden != "none":
            raise BadOption(f"causal=true, but hidden={self.hidden} sees the future", "use one of them")
        if not self.hidden_kernel:
            raise BadOption("hidden_kernel=0", "give an odd number (--set hidden_kernel=...)")
        attends = self.pool == "attention" or self.hidden == "transformer"
        if attends and self.width % (self.attention_heads * (2 if self.hidden == "transformer" else 1)):
            raise BadOption(
                f"width={self.width} does not divide into {self.attention_heads} heads of even width",
                "change one of them (--set width=... attention_heads=...)",
            )


SMALL: Mapping[str, Any] = {
    "width": 32,
    "kernel": 17,
    "attention_heads": 4,
    "depth": 2,
    "standardise": True,
    "rate": 3e-3,
    "crops": 400,
    "epochs": 20,
    "patience": 2,
}
PUBLISHED: Mapping[str, Any] = {"common_runs": True, "member_space": "published"}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "small": SMALL,
    "published": PUBLISHED,
    "stitched": {**SMALL, **STITCHED},
    "published-ensemble": {**PUBLISHED, **PUBLISHED_ENSEMBLE},
}
"""``published``: exact sizes and schedule, on a CPU or GPU. ``small``: the same code on two CPU cores in minutes.

The other two stitch an ensemble of models drawn around them.
"""

CONTROLS: Mapping[str, Mapping[str, Any]] = {
    "no-kernel": {"kernel": 0},
    "causal": {"causal": True},
    "positive": {"positive": True},
    "tied": {"tied": True},
    "group-head": {"heads": "group"},
    "subject-head": {"heads": "subject"},
    "single-subject": {"joint": False},
}
"""The paper's ablations that need no name of a stream."""
