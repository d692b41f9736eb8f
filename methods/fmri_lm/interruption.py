"""The state of a stage at a step, on disk: weights, optimiser, random states, and how far it is.

Files are torch files of tensors and plain values, read with ``weights_only=True``.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...benchmark.errors import BadData
from ...benchmark.files import write_bytes


@dataclass(frozen=True)
class Whole:
    """Everything that a step changes.

    Attributes
    ----------
    modules
        Their trained parameters and their buffers are kept; frozen weights are not.
    optimiser
        Of these parameters.
    rng, device
        Random states: numpy's of the stage, torch's of the CPU and of this device.
    """

    modules: list[nn.Module]
    optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    device: str

    def write(self, file: Path, progress: dict[str, Any]) -> None:
        """Leave the state of this moment, whole or not at all."""
        content = {
            "weights": {name: value.detach() for name, value in self._changing().items()},
            "optimiser": self.optimiser.state_dict(),
            "numpy": json.dumps(self.rng.bit_generator.state),
            "torch": torch.get_rng_state(),
            "device": torch.cuda.get_rng_state(self.device) if self.device.startswith("cuda") else None,
            "progress": progress,
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_bytes(file, buffer.getvalue())

    def read(self, file: Path) -> dict[str, Any]:
        """Take over the state that `write` left; returns its progress. Raises `BadData` for another file."""
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
            weights: dict[str, Tensor] = content["weights"]
            with torch.no_grad():
                for name, value in self._changing().items():
                    value.copy_(weights[name])
            self.optimiser.load_state_dict(content["optimiser"])
            self.rng.bit_generator.state = json.loads(content["numpy"])
            progress: dict[str, Any] = content["progress"]
            torch.set_rng_state(content["torch"])
            device: Tensor | None = content["device"]
        except Exception as error:  # of torch, zip and pickle, of many kinds
            raise BadData(
                f"{file}: not the state of an interrupted stage ({type(error).__name__})",
                f"remove it, and the stage starts anew:  rm {file}",
            ) from None
        if device is not None:
            torch.cuda.set_rng_state(device, self.device)
        return progress

    def _changing(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for number, module in enumerate(self.modules):
            found |= {f"{number}.{name}": p for name, p in module.named_parameters() if p.requires_grad}
            found |= {f"{number}.{name}": buffer for name, buffer in module.named_buffers()}
        return found
