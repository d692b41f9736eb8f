"""Features of sound: what a speech model makes of the seconds up to the end of each chunk.

The model hears, for every chunk, at most ``context`` seconds that end with the chunk, so that no feature knows
what comes later. The states that lie in the chunk's own 1.49 s are averaged. Whisper takes windows of one length
(30 s): shorter ones, at a film's beginning, are followed by silence, as its feature extractor does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BadOption
from .films import chunks_of, sound
from .layers import run
from .models import Loaded
from .transcripts import TR

CONTEXT = 10.0
"""Seconds of a context where none is given and the model has no length of its own."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Span:
    """Samples ``start`` to ``stop`` that are heard for a chunk, which begins at sample ``chunk``."""

    start: int
    chunk: int
    stop: int


class AudioExtractor:
    """Rows of features from the sound of films.

    Parameters
    ----------
    loaded
        A model of sound.
    layers
        Names of its layers.
    context
        Seconds heard up to the chunk's end; None for Whisper's window, or 10 s.
    batch
        Chunks in one forward pass.
    """

    def __init__(self, loaded: Loaded, layers: Sequence[str], context: float | None, batch: int) -> None:
        self._loaded, self._layers, self._batch = loaded, tuple(layers), batch
        self.rate = int(loaded.processor.sampling_rate)
        self._fixed = int(loaded.processor.n_samples) if loaded.config.model_type == "whisper" else 0
        longest = self._fixed / self.rate if self._fixed else context or CONTEXT
        self.context = min(context or longest, longest)
        if self.context < TR:
            raise BadOption(
                f"a context of {self.context:g} s is shorter than a chunk of {TR} s", "give more:  --context 10"
            )

    @property
    def facts(self) -> dict[str, Any]:
        """What the settings say of the windows."""
        return {"context": self.context, "unit": "seconds", "pool": "mean", "rate": self.rate}

    def __call__(self, path: Path, progress: Progress) -> dict[str, NDArray[np.float32]]:
        """Features (chunk, dim) by layer."""
        wave = sound(path, self.rate)
        spans = self.spans(len(wave))
        found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self._layers}
        for batch in _alike(spans, self._batch, fixed=bool(self._fixed)):
            for name, rows in self._rows(wave, batch).items():
                found[name].append(rows)
            progress(sum(map(len, found[self._layers[0]])), len(spans))
        return {name: np.concatenate(rows) for name, rows in found.items()}

    def spans(self, samples: int) -> list[Span]:
        """What is heard for every chunk of a sound of so many samples."""
        spans = []
        for k in range(chunks_of(samples / self.rate)):
            stop = min(round(TR * (k + 1) * self.rate), samples)
            spans.append(Span(max(0, stop - round(self.context * self.rate)), round(TR * k * self.rate), stop))
        return spans

    def _rows(self, wave: NDArray[np.float32], spans: Sequence[Span]) -> dict[str, NDArray[np.float32]]:
        windows = [wave[span.start : span.stop] for span in spans]
        inputs = self._loaded.processor(windows, sampling_rate=self.rate, return_tensors="pt")
        tensors = {name: value.to(self._loaded.device) for name, value in inputs.items()}
        heard = run(self._loaded.model, self._loaded.forward, self._layers, **tensors)
        return {
            name: np.stack([self._mean(states[i], span) for i, span in enumerate(spans)])
            for name, states in heard.items()
        }

    def _mean(self, states: torch.Tensor, span: Span) -> NDArray[np.float32]:
        """Mean of the states (time, dim) that lie in the chunk."""
        heard = self._fixed or span.stop - span.start
        first = (span.chunk - span.start) * len(states) // heard
        last = -(-(span.stop - span.start) * len(states) // heard)  # rounded up: at least one state
        mean: NDArray[np.float32] = states[min(first, len(states) - 1) : last].mean(0).cpu().numpy()
        return mean


def _alike(spans: Sequence[Span], size: int, fixed: bool) -> list[list[Span]]:
    """Batches of neighbours; of one length each, where the model takes any, so that nothing is padded."""
    batches: list[list[Span]] = []
    for span in spans:
        last = batches[-1] if batches else []
        alike = fixed or (last and last[0].stop - last[0].start == span.stop - span.start)
        if last and len(last) < size and alike:
            last.append(span)
        else:
            batches.append([span])
    return batches
