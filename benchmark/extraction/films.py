"""Sound and pictures of films, decoded with PyAV in one pass.

Time zero is the beginning of the container. Chunk k covers [1.49 k, 1.49 (k + 1)) seconds; a chunk that the
film's end cuts short is left out, as in the challenge's own baseline (what comes last in a film reaches the
responses only after the last of them). A film shorter than one chunk has one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import BadData
from .transcripts import TR

LONGEST = 4 * 3600
"""Seconds of a film that are taken at most."""

LARGEST_SIDE = 720
"""Pixels of a frame's shorter side; larger frames are scaled down to it, for no model takes more."""

Picture = NDArray[np.uint8]


def chunks_of(seconds: float) -> int:
    """Whole chunks of a film, at least one."""
    return max(1, int(seconds / TR + 1e-6))


def sound(path: Path, rate: int) -> NDArray[np.float32]:
    """The sound of a film at ``rate`` samples a second, silence where its track begins later: the channels' mean.

    Raises `BadData` for a file without sound, or that is no film, is damaged or cut short.
    """
    resampler = av.AudioResampler(format="fltp", rate=rate)
    parts: list[NDArray[np.float32]] = []
    with _opened(path) as container:
        stream = _stream(container.streams.audio, path, "sound")
        begin = _begin(container)
        for frame in _decoded(container, stream, path):
            if not parts:
                parts.append(np.zeros(round(_since(frame, begin, path) * rate), dtype=np.float32))
            parts += [part.to_ndarray().mean(0) for part in resampler.resample(frame)]
        parts += [part.to_ndarray().mean(0) for part in resampler.resample(None)] if parts else []
    wave = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
    if not len(wave):
        raise BadData(f"{path}: no sound can be decoded", _SEE)
    return wave


@dataclass(frozen=True)
class Sampling:
    """Which frames stand for a chunk: ``frames`` at even steps in the ``seconds`` before the chunk's end.

    Times before the film begins are its first frame.
    """

    frames: int
    seconds: float

    def times(self, k: int) -> NDArray[np.float64]:
        """Times of the frames of chunk k, in seconds, ascending."""
        steps = (np.arange(self.frames) + 0.5) / self.frames
        return TR * (k + 1) - self.seconds + steps * self.seconds


@dataclass
class _Open:
    """A chunk whose frames come in."""

    times: list[float]
    pictures: list[Picture] = field(default_factory=list)


def clips(path: Path, sampling: Sampling) -> Iterator[Picture]:
    """The frames (frame, height, width, 3) of every chunk, in order; frames are held only while chunks need them.

    Raises `BadData` for a file without pictures, or that is no film, is damaged or cut short.
    """
    with _opened(path) as container:
        stream = _stream(container.streams.video, path, "pictures")
        begin = _begin(container)
        yield from _sampled(_shown(_decoded(container, stream, path), begin, path), sampling, path)


def seconds_told(path: Path) -> float:
    """The length that a film's header tells, for progress only; 0 where it tells none."""
    with _opened(path) as container:
        return float(container.duration or 0) / av.time_base


def _since(frame: Any, begin: float, path: Path) -> float:
    """Seconds from the film's beginning to a frame, at least 0. Raises `BadData` for times that no film has."""
    seconds = max(0.0, (frame.time or 0.0) - begin)
    if not seconds <= LONGEST:
        raise BadData(f"{path}: is longer than {LONGEST // 3600} hours", "cut it into the runs that were shown")
    return seconds


def _shown(frames: Iterator[Any], begin: float, path: Path) -> Iterator[tuple[Any, float, float]]:
    """Frames with the times from and until which each is shown; the last as long as the one before."""
    previous, since, long = None, 0.0, 0.04
    for frame in frames:
        now = _since(frame, begin, path)
        if previous is not None:
            long = max(now - since, 1e-3)
            yield previous, since, now
        previous, since = frame, now
    if previous is not None:
        yield previous, since, since + long


def _sampled(shown: Iterator[tuple[Any, float, float]], sampling: Sampling, path: Path) -> Iterator[Picture]:
    waiting: deque[_Open] = deque()
    begun = given = 0
    last, until = None, 0.0
    for last, _, until in shown:
        while TR * (begun + 1) - sampling.seconds < until:
            waiting.append(_Open(list(sampling.times(begun))))
            begun += 1
        _show(last, until, waiting)
        while waiting and len(waiting[0].pictures) == sampling.frames and TR * (given + 1) <= until + 1e-6:
            given += 1
            yield np.stack(waiting.popleft().pictures)
    if last is None:
        raise BadData(f"{path}: no picture can be decoded", _SEE)
    for number in range(given, chunks_of(until)):  # times that rounding puts behind the end, films of no whole chunk
        if not waiting:
            waiting.append(_Open(list(sampling.times(number))))
        _show(last, math.inf, waiting)
        yield np.stack(waiting.popleft().pictures)


def _show(frame: Any, until: float, waiting: Iterable[_Open]) -> None:
    """Give a frame to all chunks that have times before ``until`` without one."""
    due = [(chunk, int(np.searchsorted(chunk.times, until)) - len(chunk.pictures)) for chunk in waiting]
    if any(count for _, count in due):
        picture = _picture(frame)
        for chunk, count in due:
            chunk.pictures += [picture] * count


def _picture(frame: Any) -> Picture:
    shorter = min(frame.width, frame.height)
    scale = min(1.0, LARGEST_SIDE / shorter)
    width, height = round(frame.width * scale), round(frame.height * scale)
    picture: Picture = frame.to_ndarray(format="rgb24", width=width, height=height)
    return picture


_SEE = "play the file to see what is wrong with it, and fetch it anew"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            yield container
    except (av.error.FFmpegError, EOFError) as error:
        raise BadData(f"{path}: is no film or is damaged ({error})", _SEE) from None


def _stream(streams: Any, path: Path, what: str) -> Any:
    if not streams:
        raise BadData(f"{path}: has no {what}", "leave it out of the folder of stimuli for this model")
    stream = streams[0]
    stream.thread_type = "AUTO"
    return stream


def _begin(container: Any) -> float:
    return float(container.start_time or 0) / av.time_base


def _decoded(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """Decoded frames of a stream; all packets are looked at, to find out whether the file ends where it should."""
    end, begin = 0.0, _begin(container)
    media = [*container.streams.video, *container.streams.audio]
    for packet in container.demux(*media):
        if packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base) - begin)
        if end > LONGEST:
            raise BadData(f"{path}: is longer than {LONGEST // 3600} hours", "cut it into the runs that were shown")
        if packet.stream.index == stream.index:
            yield from packet.decode()
    told = float(container.duration or 0) / av.time_base
    if told > end + 2 * TR:
        raise BadData(f"{path}: ends at {end:.1f} s of {told:.1f} s", "the file is cut short: fetch it anew")
