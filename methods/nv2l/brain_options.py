"""The options of NV2L's brain side: how volumes become tokens, and how the encoder is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...benchmark.errors import BadOption

CHOICES = {
    "zscore": ("voxel", "volume"),
    "reduction": ("sum", "mean"),
    "targets": ("raw", "centred"),
    "token_states": ("patches", "all"),
    "cam": ("channel", "token", "path"),
}
POSITIVE = ("patch", "width", "layers", "heads", "mlp_ratio", "head_hidden", "alpha", "rate", "epochs", "batch")


@dataclass
class BrainOptions:
    """Sizes and schedule of the encoder. Defaults are the published ones; [ours] marks what is not published.

    Attributes
    ----------
    grid
        The common grid, x by y by z, that every brain is resized to: ``81x104x83``, the size of NSD's subject 1,
        or ``largest``, which takes the largest native size of the training brains along each axis. The paper
        writes 83 x 104 x 81, the order (z, y, x) in which NSD's HDF5 files are read; here axes are as in NIfTI.
    patch
        Side r of the cubes, in voxels of the common grid.
    zscore
        ``voxel``: by mean and spread of each voxel over the training trials of its brain; ``volume``: by those
        of each volume, which needs no statistics of a brain [both ours: "normalised" is all that is said].
    vit3d
        Cubes of the volume; without it the voxels of the joint mask are flattened and cut into runs of r^3.
    per_brain
        One model a brain instead of one for all.
    vae
        With the head for the autoencoder's latents.
    width, layers, heads, mlp_ratio
        Of the transformer; heads and ratio are [ours].
    drop_path, token_drop
        Stochastic depth of the last block, and the share of patch tokens left out of each training sample, both 0
        as published [ours].
    head_hidden
        Hidden width of both heads.
    alpha, reduction
        Weight of the latents' error, and whether errors are summed (the formula) or averaged (the word "MSE")
        over dimensions.
    targets
        ``raw`` features and latents, or ``centred`` on their training mean and divided by one number, their
        root mean square [ours]. Predictions are put back either way.
    rate, epochs, batch
        Learning rate, passes over the training images, responses a step.
    weight_decay, warmup, clip
        AdamW's decay, the share of steps over which the rate rises before its cosine falls, and the limit of
        the gradient's norm [ours].
    hold_out, patience
        One of so many parts of the training images is held out, and training stops after so many epochs
        without a smaller error on it; the weights of the best epoch are kept. 0 holds out nothing [ours].
    token_states
        Which states of the last but one layer a language model gets: ``patches``, or ``all`` with the class
        token first.
    cam_patches
        Patch sides of the models whose maps are averaged when a concept is located.
    cam
        How a concept is located. ``channel``: GradCAM, states of the last but one layer weighted by their
        gradient's mean over tokens. ``token``: by each token's own gradient [ours]. ``path``: each voxel times its
        gradient, averaged on the way from the mean response to this one [ours].
    """

    grid: str = "81x104x83"
    patch: int = 14
    zscore: str = "voxel"
    vit3d: bool = True
    per_brain: bool = False
    vae: bool = True
    width: int = 768
    layers: int = 16
    heads: int = 12
    mlp_ratio: int = 4
    drop_path: float = 0.0
    token_drop: float = 0.0
    head_hidden: int = 1024
    alpha: float = 1 / 64
    reduction: str = "sum"
    targets: str = "raw"
    rate: float = 5e-4
    epochs: int = 30
    batch: int = 32
    weight_decay: float = 0.01
    warmup: float = 0.05
    clip: float = 1.0
    hold_out: int = 0
    patience: int = 10
    token_states: str = "patches"
    cam_patches: str = "14,12,10"
    cam: str = "channel"

    def verify_brain(self) -> None:
        """Raise `BadOption` for values that cannot work."""
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise BadOption(f"{name}={getattr(self, name)!r}", f"one of: {', '.join(allowed)}")
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)}", f"give a number above 0 (--set {name}=...)")
        if self.layers < 2 or self.width % self.heads:
            raise BadOption(
                f"layers={self.layers}, width={self.width}, heads={self.heads}",
                "give 2 layers or more, and a width that the heads divide",
            )
        if self.hold_out == 1 or not 0 <= self.token_drop < 1:
            raise BadOption(
                f"hold_out={self.hold_out}, token_drop={self.token_drop}", "hold out 0 or 2 and more; drop under 1"
            )
        self.grid_size  # noqa: B018 (raises)
        self.cam_sides  # noqa: B018 (raises)

    @property
    def grid_size(self) -> tuple[int, int, int] | None:
        """The common grid, or None for the largest native size. Raises `BadOption`."""
        if self.grid == "largest":
            return None
        sides = _numbers(self.grid, "x")
        if len(sides) != 3:
            raise BadOption(f"grid={self.grid!r}", "give three sizes, such as grid=81x104x83, or grid=largest")
        return sides[0], sides[1], sides[2]

    @property
    def cam_sides(self) -> tuple[int, ...]:
        """Patch sides of the models that locate a concept. Raises `BadOption`."""
        sides = _numbers(self.cam_patches, ",")
        if not sides:
            raise BadOption(f"cam_patches={self.cam_patches!r}", "give patch sides, such as cam_patches=14,12,10")
        return sides


def _numbers(text: str, mark: str) -> tuple[int, ...]:
    """Positive whole numbers of a text; none where a part is not one."""
    parts = [part.strip() for part in text.split(mark)]
    return tuple(map(int, parts)) if all(part.isdigit() and int(part) for part in parts) else ()


BRAIN_PAPER: Mapping[str, Any] = {}
"""The published sizes are the defaults."""

BRAIN_SMALL: Mapping[str, Any] = {
    "grid": "largest",
    "patch": 6,
    "cam_patches": "6,5,4",
    "width": 96,
    "layers": 2,
    "heads": 4,
    "head_hidden": 256,
    "targets": "centred",
    "rate": 3e-3,
    "weight_decay": 0.3,
    "hold_out": 10,
    "cam": "path",
}
"""The same code at a size that two CPU cores train in a minute, a deviation."""
