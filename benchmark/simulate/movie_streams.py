"""What happens in a simulated film, and what networks make of it: latent series, and streams of features.

*Latent series* are in four groups: what is seen, what is heard, what is said, and the story. Each is a sum of parts
that keep a value over a shot, a scene or a sound, and of faster and slower noise. Scenes are common to all groups;
what is heard and seen follows the story in part; nothing is said between stretches of speech.

*Streams* of features are noisy mixtures of the latent series of the groups that their network hears or sees, and of
*nuisances*: series of the same kind that move no brain, and stand at another level in every film.
All figures are assumed; names and sizes of the streams are those of MedARC's default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .movie_plan import SILENT, TR, Manner, Showing, key_of, manner_of

GROUPS: dict[str, int] = {"seen": 36, "heard": 24, "said": 36, "story": 16}
"""Group -> its latent series."""

LATENTS = sum(GROUPS.values())

FADING = 0.6
"""Latent series k of a group (1, 2, ...) has weights in features and brains of variance k to minus this."""

NUISANCES = 16
"""Nuisance series of a stream."""

SECONDS: dict[str, float] = {"sound": 3.0, "utterance": 4.5, "music": 20.0, "story": 30.0, "quick": 1.5}
"""Mean length of a sound and of an utterance; time after which noise has fallen to 1/e."""

FOLLOWING: dict[str, float] = {"seen": 0.2, "heard": 0.15}
"""Share of the variance of what is seen and heard that follows the story."""

MAPS_SEED = 2025
"""Seed of what does not differ between twins: weights of features and of brains."""


@dataclass(frozen=True)
class Stream:
    """A network whose features are given.

    Attributes
    ----------
    name
        "model/layer".
    shares
        Group -> share of the variance of features that is of this group; the rest up to one is nuisances.
    scale
        SD of a feature, about.
    sizes
        Size of the twin ("small", "full") -> (dimension,) or (layers, dimension).
    """

    name: str
    shares: Mapping[str, float]
    scale: float
    sizes: Mapping[str, tuple[int, ...]]


STREAMS = (
    Stream("llama-3.2-3b/model.layers.11", {"said": 0.5, "story": 0.2}, 0.5, {"small": (96,), "full": (3072,)}),
    Stream("whisper-large-v3/layers.12.fc2", {"heard": 0.5, "said": 0.15}, 1.0, {"small": (2, 64), "full": (2, 1280)}),
    Stream(
        "qwen2.5-omni-3b/layers.20",
        {"seen": 0.2, "heard": 0.15, "said": 0.25, "story": 0.15},
        1.0,
        {"small": (96,), "full": (2048,)},
    ),
    Stream(
        "internvl3-14b/layers.30", {"seen": 0.4, "said": 0.1, "story": 0.15}, 2.0, {"small": (128,), "full": (3584,)}
    ),
    Stream("vjepa2-vitg/norm", {"seen": 0.6, "story": 0.05}, 1.5, {"small": (80,), "full": (1408,)}),
)

TEXT = ("llama-3.2-3b/model.layers.11",)
"""Streams that are made from transcripts, and lack where there is none."""

WHITE = 0.3
"""Variance of noise that is new in every feature and chunk, beside the rest."""


def group_slices() -> dict[str, slice]:
    """Group -> its columns among the latent series."""
    ends = np.cumsum(list(GROUPS.values()))
    return {name: slice(int(end) - GROUPS[name], int(end)) for name, end in zip(GROUPS, ends, strict=True)}


def fading(count: int) -> np.ndarray:
    """(count,) variances of the weights of a group's series, which sum to one."""
    variance = np.arange(1, count + 1) ** -FADING
    return np.asarray(variance / variance.sum())


# ------------------------------------------------------------------------------------------------- latent series


def latents(stimulus: str, movie: str, chunks: int, seed: int) -> np.ndarray:
    """(chunks, `LATENTS`) float64 of a part of a film, each of mean 0 and variance 1 over many films.

    Speech is there or not: series of what is said are 0 in silence and larger by so much in speech.
    """
    rng = np.random.default_rng((seed, 1, key_of(stimulus)))
    manner = manner_of(movie)
    scenes = _segments(chunks, manner.scene, rng)
    shots = _segments(chunks, manner.shot, rng) + scenes  # a scene begins with a shot
    story = _mixed(rng, GROUPS["story"], (0.5, Kept(scenes)), (0.5, Fluctuating(chunks, SECONDS["story"])))
    seen = _mixed(
        rng, GROUPS["seen"], (0.35, Kept(scenes)), (0.5, Kept(shots)), (0.15, Fluctuating(chunks, SECONDS["quick"]))
    )
    sounds = _segments(chunks, SECONDS["sound"], rng)
    heard = _mixed(
        rng,
        GROUPS["heard"],
        (0.25, Fluctuating(chunks, SECONDS["music"])),
        (0.35, Kept(sounds)),
        (0.15, Kept(shots)),
        (0.25, Fluctuating(chunks, SECONDS["quick"])),
    )
    groups = {
        "seen": _following(story, seen, "seen"),
        "heard": _following(story, heard, "heard"),
        "said": _said(scenes, manner, rng),
        "story": story,
    }
    return np.concatenate([groups[name] for name in GROUPS], axis=1)


def _following(story: np.ndarray, series: np.ndarray, name: str) -> np.ndarray:
    """Series (chunks, n) of which a share of the variance comes from the story."""
    share = FOLLOWING[name]
    weights = np.random.default_rng((MAPS_SEED, 1, key_of(name))).standard_normal((story.shape[1], series.shape[1]))
    weights /= np.linalg.norm(weights, axis=0)
    return np.asarray(np.sqrt(1 - share) * series + np.sqrt(share) * (story @ weights))


def _said(scenes: np.ndarray, manner: Manner, rng: np.random.Generator) -> np.ndarray:
    """Topics keep for a scene, utterances are shorter, and nothing is said in silence."""
    chunks = len(scenes)
    spoken = _speech(chunks, manner, rng)
    utterances = _segments(chunks, SECONDS["utterance"], rng)
    words = _mixed(
        rng,
        GROUPS["said"],
        (0.35, Kept(scenes)),
        (0.4, Kept(utterances)),
        (0.25, Fluctuating(chunks, SECONDS["quick"])),
    )
    return np.asarray(words * spoken[:, None] / np.sqrt(manner_of("s1").speech))


def _speech(chunks: int, manner: Manner, rng: np.random.Generator) -> np.ndarray:
    """(chunks,) 1 where somebody speaks, else 0; stretches of both have exponential lengths."""
    if manner.speech == 0:
        return np.zeros(chunks)
    silence = manner.talk * (1 - manner.speech) / manner.speech
    ends = {True: min(1.0, TR / manner.talk), False: min(1.0, TR / silence)}
    draws = rng.random(chunks)
    speaks = bool(rng.random() < manner.speech)
    found = np.empty(chunks)
    for chunk in range(chunks):
        found[chunk] = speaks
        speaks ^= bool(draws[chunk] < ends[speaks])
    return found


def _segments(chunks: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """(chunks,) numbers that rise by one where a segment of so many seconds on average ends."""
    return np.asarray(np.cumsum(rng.random(chunks) < min(1.0, TR / seconds)))


@dataclass(frozen=True)
class Kept:
    """A value for each segment."""

    segments: np.ndarray

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        _, place = np.unique(self.segments, return_inverse=True)
        return np.asarray(rng.standard_normal((place.max() + 1, count))[place])


@dataclass(frozen=True)
class Fluctuating:
    """Noise whose correlation with itself falls to 1/e in so many seconds."""

    chunks: int
    seconds: float

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return autoregressive(rng.standard_normal((self.chunks, count)), np.exp(-TR / self.seconds))


def autoregressive(white: np.ndarray, coefficient: float) -> np.ndarray:
    """AR(1) of unit variance along the first axis, from white noise of unit variance."""
    from scipy.signal import lfilter

    driven = white * np.sqrt(1 - coefficient**2)
    driven[:1] = white[:1]
    return np.asarray(lfilter([1.0], [1.0, -coefficient], driven, axis=0))


def _mixed(rng: np.random.Generator, count: int, *parts: tuple[float, Kept | Fluctuating]) -> np.ndarray:
    """(chunks, count) sum of parts with these variances."""
    return np.asarray(sum(np.sqrt(variance) * part.draw(count, rng) for variance, part in parts))


# ------------------------------------------------------------------------------------------------------- streams


@dataclass(frozen=True)
class Reading:
    """A stream's fixed weights.

    Attributes
    ----------
    shape
        (dimension,) or (layers, dimension).
    weights
        (`LATENTS` + `NUISANCES`, features) float32, features in C order of the shape.
    level
        (features,) float32 mean.
    white
        (features,) float32 SD of the noise.
    """

    stream: Stream
    shape: tuple[int, ...]
    weights: np.ndarray
    level: np.ndarray
    white: np.ndarray

    def features(self, series: np.ndarray, showing: Showing, seed: int) -> np.ndarray:
        """(chunks, ...shape) float32 of latent series; the same for every showing of a stimulus."""
        name = self.stream.name
        rng = np.random.default_rng((seed, 2, key_of(showing.stimulus), key_of(name)))
        of_film = np.random.default_rng((seed, 3, key_of(showing.movie), key_of(name)))
        # Half of a nuisance stands still for the whole film, so that another film lies elsewhere.
        level = of_film.standard_normal(NUISANCES)
        slow, quick = (Fluctuating(len(series), SECONDS[pace]).draw(NUISANCES, rng) for pace in ("story", "quick"))
        nuisances = np.sqrt(0.5) * level + np.sqrt(0.3) * slow + np.sqrt(0.2) * quick
        known = np.concatenate([series, nuisances], axis=1).astype(np.float32)
        found = rng.standard_normal((len(series), self.weights.shape[1]), dtype=np.float32)
        found *= self.white
        found += known @ self.weights
        found += self.level
        return found.reshape(len(series), *self.shape)


def readings(size: str) -> list[Reading]:
    """The streams of a size of twin, "small" or "full"; they do not depend on the twin's seed."""
    return [_reading(stream, size) for stream in STREAMS]


def _reading(stream: Stream, size: str) -> Reading:
    shape = stream.sizes[size]
    count = int(np.prod(shape))
    rng = np.random.default_rng((MAPS_SEED, 2, key_of(stream.name), count))
    variance = np.zeros(LATENTS + NUISANCES)
    for group, columns in group_slices().items():
        variance[columns] = stream.shares.get(group, 0.0) * fading(GROUPS[group])
    variance[LATENTS:] = (1 - sum(stream.shares.values())) / NUISANCES
    # Layers of a stream say much the same.
    own = rng.standard_normal((len(variance), *shape), dtype=np.float32)
    common = rng.standard_normal((len(variance), *([1] * (len(shape) - 1)), shape[-1]), dtype=np.float32)
    weights = (np.sqrt(0.3) * own + np.sqrt(0.7) * common).reshape(len(variance), count)
    scale = stream.scale * np.exp(0.4 * rng.standard_normal(count))
    level = stream.scale * rng.standard_normal(count)
    return Reading(
        stream,
        shape,
        (weights * np.sqrt(variance)[:, None] * scale).astype(np.float32),
        level.astype(np.float32),
        (np.sqrt(WHITE) * scale).astype(np.float32),
    )


def streams_of(
    showing: Showing, readers: list[Reading], series: np.ndarray, seed: int
) -> Iterator[tuple[str, np.ndarray | None]]:
    """Stream -> features of a run, or None for text of a film without words."""
    for reading in readers:
        lacks = showing.movie in SILENT and reading.stream.name in TEXT
        yield reading.stream.name, None if lacks else reading.features(series, showing, seed)
