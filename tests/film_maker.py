"""Films written for tests: every frame's grey and the tone at every time are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np


def make_film(
    path: Path,
    seconds: float,
    grey: Callable[[float], float] | None = None,
    wave: Callable[[np.ndarray], np.ndarray] | None = None,
    fps: int = 10,
    size: tuple[int, int] = (64, 48),
    rate: int = 22050,
) -> Path:
    """A film whose frames at time t are all ``grey(t)`` and whose sound is ``wave(t)``; lossless in both."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("ffv1", rate=fps) if grey else None
        sounds = container.add_stream("pcm_s16le", rate=rate, layout="stereo") if wave else None
        if pictures and grey:
            pictures.width, pictures.height, pictures.pix_fmt = *size, "yuv420p"
            for index in range(round(seconds * fps)):
                value = np.full((size[1], size[0], 3), round(grey(index / fps)), dtype=np.uint8)
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(value, format="rgb24")))
            container.mux(pictures.encode())
        if sounds and wave:
            times = np.arange(round(seconds * rate)) / rate
            samples = np.round(wave(times) * 32767).astype(np.int16)
            for start in range(0, len(samples), 1024):
                both = np.repeat(samples[start : start + 1024], 2)[None]
                frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
                frame.sample_rate, frame.pts = rate, start
                container.mux(sounds.encode(frame))
            container.mux(sounds.encode())
    return path
