"""Features of pictures: what a model of videos or of images makes of each chunk.

A model of videos sees clips of its own number of frames, evenly spaced over the ``context`` seconds that end with
the chunk, and the states of all places and times are averaged. A model of images sees eight frames of the chunk
(as many as the challenge's baseline), and their states are averaged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BadOption
from .films import Picture, Sampling, chunks_of, clips, seconds_told
from .layers import pooled, run
from .models import Loaded, frames_of
from .transcripts import TR

CONTEXT = 4.0
"""Seconds of a clip where no context is given (TRIBE, d'Ascoli et al. 2025, section 2.2)."""

IMAGES = 8
"""Frames of a chunk that a model of images sees."""

Progress = Callable[[int, int], None]


class VideoExtractor:
    """Rows of features from the pictures of films.

    Parameters
    ----------
    loaded
        A model of videos or images.
    layers
        Names of its layers.
    context
        Seconds of a clip; None for 4 s. A model of images sees the chunk alone.
    batch
        Clips in one forward pass.
    """

    def __init__(self, loaded: Loaded, layers: Sequence[str], context: float | None, batch: int) -> None:
        self._loaded, self._layers, self._batch = loaded, tuple(layers), batch
        frames = frames_of(loaded.config)
        self._moving = bool(frames)
        if context is not None and not self._moving:
            raise BadOption("a model of images sees the chunk alone", "leave --context out")
        self.sampling = Sampling(frames or IMAGES, (context or CONTEXT) if self._moving else TR)
        if self.sampling.seconds < TR:
            raise BadOption(
                f"a context of {self.sampling.seconds:g} s is shorter than a chunk of {TR} s",
                "give more:  --context 4",
            )

    @property
    def facts(self) -> dict[str, Any]:
        """What the settings say of the clips."""
        return {
            "context": self.sampling.seconds,
            "unit": "seconds",
            "pool": "mean",
            "frames": self.sampling.frames,
        }

    def __call__(self, path: Path, progress: Progress) -> dict[str, NDArray[np.float32]]:
        """Features (chunk, dim) by layer."""
        expected = chunks_of(seconds_told(path))
        found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self._layers}
        done = 0
        for batch in _batches(clips(path, self.sampling), self._batch):
            for name, rows in self._rows(batch).items():
                found[name].append(rows)
            done += len(batch)
            progress(done, max(done, expected))
        return {name: np.concatenate(rows) for name, rows in found.items()}

    def _rows(self, batch: Sequence[Picture]) -> dict[str, NDArray[np.float32]]:
        pixels = torch.cat([self._pixels(clip) for clip in batch]).to(self._loaded.device)
        forward: Any = self._loaded.forward
        inputs: dict[str, Any] = {forward.main_input_name: pixels}
        if "skip_predictor" in inspect.signature(forward.forward).parameters:  # V-JEPA2: features are the encoder's
            inputs["skip_predictor"] = True
        heard = run(self._loaded.model, forward, self._layers, **inputs)
        return {name: _by_clip(pooled(states), len(batch)) for name, states in heard.items()}

    def _pixels(self, clip: Picture) -> torch.Tensor:
        """A clip (1, frame, channel, height, width), or its frames (frame, channel, height, width)."""
        processor = self._loaded.processor
        found = processor(list(clip), return_tensors="pt")
        pixels: torch.Tensor = next(found[key] for key in ("pixel_values_videos", "pixel_values") if key in found)
        return pixels


def _by_clip(rows: torch.Tensor, clips_: int) -> NDArray[np.float32]:
    """Mean over the frames of each clip, where frames were seen one by one."""
    mean: NDArray[np.float32] = rows.reshape(clips_, -1, rows.shape[-1]).mean(1).cpu().numpy()
    return mean


def _batches(items: Iterator[Picture], size: int) -> Iterator[list[Picture]]:
    while batch := list(islice(items, size)):
        yield batch
