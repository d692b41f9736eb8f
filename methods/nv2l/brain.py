"""A trained brain side: responses to features, latents and tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...benchmark.kinds.seen import Responses, Space
from ...benchmark.nn.weights import fill
from .brain_options import BrainOptions
from .encoder import BrainTransformer
from .scaling import Scaling
from .volumes import Cutting, Volumes

TOGETHER = "all"
"""Name of the one network of all brains."""

AT_ONCE = 64
"""Responses that are embedded at a time."""


class Embedded(NamedTuple):
    """What is known of responses.

    Attributes
    ----------
    z_c, z_v
        (n, d) predicted image features, and (n, m) latents or None, both in the units of the targets.
    tokens
        (n, tokens, width) states of the last but one layer, as ``token_states`` says.
    """

    z_c: np.ndarray
    z_v: np.ndarray | None
    tokens: np.ndarray


@dataclass(frozen=True)
class Units:
    """How targets are put before the network: (target - mean) / scale, and back."""

    mean: np.ndarray
    scale: float

    def into(self, targets: np.ndarray) -> np.ndarray:
        """Targets (n, d) as the network learns them, float32."""
        made: np.ndarray = ((targets - self.mean) / self.scale).astype(np.float32)
        return made

    def back(self, predicted: np.ndarray) -> np.ndarray:
        """Predictions (n, d) in the units of the targets."""
        made: np.ndarray = (predicted * self.scale + self.mean).astype(np.float32)
        return made


def units_of(targets: np.ndarray, how: str) -> Units:
    """The units of training targets (n, d): as they are (``raw``), or ``centred`` with a root mean square of 1."""
    if how == "raw":
        return Units(np.zeros(targets.shape[1], np.float32), 1.0)
    mean = targets.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = float(np.sqrt(np.mean((targets - mean) ** 2, dtype=np.float64)))
    return Units(mean, spread or 1.0)


class BrainEncoder:
    """Preprocessor, network (one, or one a brain) and the units of its targets.

    Attributes
    ----------
    options
        What it was made with.
    volumes, scaling, units
        Preprocessor, normalisation, and units of features and (with that head) latents.
    networks
        ``all`` or brain -> network, in evaluation mode.
    facts
        Plain JSON for the record.
    """

    def __init__(
        self,
        options: BrainOptions,
        volumes: Volumes,
        scaling: Scaling,
        units: tuple[Units, Units | None],
        device: str = "cpu",
    ) -> None:
        self.options, self.volumes, self.scaling, self.units, self.device = options, volumes, scaling, units, device
        self.networks: dict[str, BrainTransformer] = {}
        self.facts: dict[str, Any] = {}

    def add_network(self, name: str) -> BrainTransformer:
        """A network with fresh weights, under ``all`` or the name of a brain."""
        features, latents = self.units
        made = BrainTransformer(
            self.volumes.tokens,
            self.volumes.values,
            len(features.mean),
            0 if latents is None else len(latents.mean),
            self.options,
        )
        self.networks[name] = made.to(self.device)
        return self.networks[name]

    def network(self, brain: str) -> BrainTransformer:
        """The network that reads this brain: its own, or the one of all, or the first of several for a stranger."""
        return self.networks.get(brain) or self.networks.get(TOGETHER) or next(iter(self.networks.values()))

    def cubes(self, brain: str, space: Space, values: np.ndarray) -> Tensor:
        """Responses (n, voxels) of one brain as normalised cubes (n, tokens, values) on the device."""
        self.volumes.add(brain, space)
        return torch.from_numpy(self.volumes.tokens_of(brain, self.scaling.of(brain, values))).to(self.device)

    def embed(self, responses: Responses, rows: Sequence[int] | np.ndarray | None = None) -> Embedded:
        """Features, latents and tokens of items (all, or these rows, in their order)."""
        wanted = np.arange(len(responses)) if rows is None else np.asarray(rows, np.int64)
        features, latents = self.units
        z_c = np.zeros((len(wanted), len(features.mean)), np.float32)
        z_v = None if latents is None else np.zeros((len(wanted), len(latents.mean)), np.float32)
        skipped = int(self.options.token_states == "patches")
        tokens = np.zeros((len(wanted), self.volumes.tokens + 1 - skipped, self.options.width), np.float32)
        for brain, places in by_brain(responses, wanted, AT_ONCE):
            cubes = self.cubes(brain, responses.spaces[brain], responses.matrix(wanted[places]))
            with torch.no_grad():
                seen = self.network(brain)(cubes)
            z_c[places] = features.back(seen.features.cpu().numpy())
            if z_v is not None and latents is not None:
                z_v[places] = latents.back(seen.latents.cpu().numpy())
            tokens[places] = seen.states[:, skipped:].cpu().numpy()
        return Embedded(z_c, z_v, tokens)

    def state(self) -> dict[str, Tensor]:
        """All tensors: weights, kept positions, statistics and units. `from_state` needs `settings` too."""
        found = {
            f"network.{key}.{name}": value
            for key, one in self.networks.items()
            for name, value in one.state_dict().items()
        }
        found["positions"] = torch.from_numpy(self.volumes.positions)
        for name, stored in (("mean", self.scaling.mean), ("spread", self.scaling.spread)):
            found |= {f"{name}.{brain}": torch.from_numpy(value) for brain, value in stored.items()}
        for name, units in zip(("features", "latents"), self.units, strict=True):
            if units is not None:
                found[f"units.{name}"] = torch.from_numpy(units.mean)
        return found

    def settings(self) -> dict[str, Any]:
        """Plain JSON that the tensors of `state` depend on."""
        return {
            "options": {field.name: asdict(self.options)[field.name] for field in fields(BrainOptions)},
            "grid": list(self.volumes.cutting.grid),
            "networks": list(self.networks),
            "scales": [None if units is None else units.scale for units in self.units],
            "facts": self.facts,
        }


def from_state(state: Mapping[str, Tensor], settings: Mapping[str, Any], place: Path, device: str) -> BrainEncoder:
    """The encoder of a state and settings; ``place`` is named where they do not fit. Raises `BadData`."""
    options = BrainOptions(**settings["options"])
    x, y, z = settings["grid"]
    volumes = Volumes(Cutting((x, y, z), options.patch), state["positions"].numpy(), {})
    told = {
        name: {
            key.removeprefix(f"{name}."): value.numpy() for key, value in state.items() if key.startswith(f"{name}.")
        }
        for name in ("mean", "spread", "units")
    }
    features, latents = (
        None if scale is None else Units(told["units"][name], scale)
        for name, scale in zip(("features", "latents"), settings["scales"], strict=True)
    )
    assert features is not None
    scaling = Scaling(options.zscore, told["mean"], told["spread"])
    encoder = BrainEncoder(options, volumes, scaling, (features, latents), device)
    for name in settings["networks"]:
        start = f"network.{name}."
        own = {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}
        fill(encoder.add_network(name), own, place)
        encoder.networks[name].eval()
    encoder.facts = dict(settings["facts"])
    return encoder


def by_brain(responses: Responses, rows: np.ndarray, most: int) -> Iterator[tuple[str, np.ndarray]]:
    """Places in ``rows`` that one brain's items have, at most so many at a time."""
    brains = np.array([responses.brains[row] for row in rows], dtype=object)
    for brain in dict.fromkeys(brains):
        places = np.flatnonzero(brains == brain)
        for start in range(0, len(places), most):
            yield str(brain), places[start : start + most]
