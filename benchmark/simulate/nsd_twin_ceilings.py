"""What can be read from the simulated brains at best: the true likelihood at work on fresh scenes.

*Identification* uses the exact likelihood, so its shares are those of the best possible reader. The *reference
decoders* know the true weights and noise, but stop at what is simple: the best linear estimate of a picture, and the
most likely of the bank's scenes for a caption. Their scores are lower bounds of the best attainable ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..contracts import Ceiling
from ..metrics.captions_corpus import Corpus
from ..metrics.captions_ngrams import cider_d
from ..metrics.deletion import RELEVANT, strongest
from ..metrics.tokens import PLAIN
from .brains import REPEATS, Brain, Reader
from .ceiling import auc
from .scene_bank import Bank, enlarged, scene_bank
from .scene_drawing import draw
from .scene_words import View, captions
from .scenes import CONCEPTS, sample_scene
from .seeing import COLUMNS, SEMANTIC, features_of

CANDIDATES = 300
"""Images among which the one that was seen is looked for."""

READ = ("two-way", f"top-1-of-{CANDIDATES}", "concept-auc")
"""What is told of reading beside the ceilings: shares of the exact likelihood, and the AUC of a linear reader."""

LEAST_HELD = 10
"""Concepts in fewer fresh scenes than this are not averaged over."""

SIDES = (256, 425)
"""Pictures are enlarged to these sides, one after the other, before PixCorr compares them."""

SEED = 23
"""Of the fresh scenes and their noise; not that of the twin, which must not change its own ceilings."""


@dataclass(frozen=True)
class Found:
    """Ceilings by target, and what else the true model reaches, as plain numbers for the manifest."""

    ceilings: dict[str, Ceiling]
    reached: dict[str, float]


@dataclass(frozen=True)
class Fresh:
    """Scenes that nobody trained on: features (n, f), pictures, five captions each, and another one's plainest."""

    features: np.ndarray
    pictures: list[np.ndarray]
    references: list[tuple[str, ...]]
    plain: list[str]

    @classmethod
    def draw(cls, count: int) -> Fresh:
        """So many scenes."""
        rng = np.random.default_rng((SEED, 0))
        features, pictures, references, plain = [], [], [], []
        for _ in range(count):
            scene = sample_scene(rng)
            view, pixels = View.of_scene(scene), draw(scene).pixels
            features.append(features_of(pixels, view))
            pictures.append(pixels)
            references.append(captions(view, rng))
            plain.append(captions(view, rng)[0])
        return cls(np.stack(features), pictures, references, plain)

    @cached_property
    def present(self) -> np.ndarray:
        """(n, concepts) whether each concept is there."""
        return np.asarray(self.features[:, [COLUMNS[f"concept:{name}"] for name in CONCEPTS]] > 0)


def found_ceilings(brains: Sequence[Brain], train: int, test: int, drawn_only: bool) -> Found:
    """Ceilings of the mean over brains, for so many training images a brain and test images.

    Targets that end in ``@single-trial`` are for the first response instead of the mean of three. Where photographs
    are among the images (``drawn_only`` False), only the ceilings of maps hold.
    """
    bank = scene_bank()
    fresh = Fresh.draw(max(CANDIDATES, test))
    size = min(train, len(bank.scenes))
    read: dict[str, list[dict[str, np.ndarray]]] = {"": [], "@single-trial": []}
    maps: list[float] = []
    for number, brain in enumerate(brains):
        rng = np.random.default_rng((SEED, 1, number))
        past = brain.trial_means(bank.features[:size], rng)
        maps.extend(_map_auc(brain, past, bank.features[:size]))
        for regime, repeats in (("", REPEATS), ("@single-trial", 1)):
            read[regime].append(_read(Reader(brain, repeats), fresh, bank, past, test, rng))
    ceilings: dict[str, Ceiling] = {}
    reached = {"cider-d:true-scene": float(_cider(fresh.plain, fresh, test).mean())}
    for regime, found in read.items():
        mean = {name: np.mean([one[name] for one in found], axis=0) for name in found[0]}
        reached |= {f"{name}{regime}": float(mean[name]) for name in READ}
        ceilings[f"relevance{regime}"] = _of_maps(maps, size)
        if drawn_only:
            ceilings[f"image{regime}"] = _of_pictures(mean["pixcorr"], float(mean["learned"].mean()), size)
            ceilings[f"references{regime}"] = _of_captions(mean["cider-d"], test)
    return Found(ceilings, {name: round(value, 4) for name, value in reached.items()})


def _read(
    reader: Reader, fresh: Fresh, bank: Bank, past: np.ndarray, test: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """What a reader makes of responses to the fresh scenes: shares of `READ`, and scores (n,) of what it decodes."""
    responses = reader.brain.trial_means(fresh.features, rng, reader.repeats)
    estimate = reader.estimate(responses, bank.moments)
    likelihood = reader.part_log_likelihood(responses, bank.features, SEMANTIC, bank.moments)
    said = [bank.first_caption(int(best)) for best in likelihood.argmax(axis=1)]
    learned = _ridge(past, bank.thumbnails[: len(past)], responses)
    two_way, top_1 = _identified(reader.log_likelihood(responses[:CANDIDATES], fresh.features[:CANDIDATES]))
    return {
        "two-way": np.array(two_way),
        f"top-1-of-{CANDIDATES}": np.array(top_1),
        "concept-auc": np.array(_concept_auc(estimate, fresh)),
        "pixcorr": _correlations(bank.pictures(estimate), fresh),
        "learned": _correlations(learned, fresh),
        "cider-d": _cider(said, fresh, test),
    }


def _of_maps(learned: list[float], size: int) -> Ceiling:
    return Ceiling(
        metric="map-auc",
        value=1.0,
        error=0.0,
        at_training_size=round(float(np.mean(learned)), 4) if learned else None,
        training_size=size,
        note="the true map, by definition; at the training size: the absolute difference of each voxel's mean "
        "response with and without the concept",
    )


def _of_pictures(scores: np.ndarray, learned: float, size: int) -> Ceiling:
    return Ceiling(
        metric="pixcorr",
        value=round(float(scores.mean()), 4),
        error=round(_error(scores), 5),
        at_training_size=round(learned, 4),
        training_size=size,
        note=f"a lower bound of the best: the best linear decoder, which knows weights and noise, {len(scores)} fresh "
        "scenes; at the training size: ridge, one unit of penalty a voxel",
    )


def _of_captions(scores: np.ndarray, test: int) -> Ceiling:
    return Ceiling(
        metric="cider-d",
        value=round(float(scores.mean()), 4),
        error=round(_error(scores), 5),
        note="a lower bound of the best: the plainest caption of the most likely of the bank's scenes under the true "
        f"weights and noise, {len(scores)} fresh scenes scored {test} at a time, Java-free tokens",
    )


def _error(scores: np.ndarray) -> float:
    return float(scores.std(ddof=1) / np.sqrt(len(scores)))


# ------------------------------------------------------------------------------------------------- identification


def _identified(likelihood: np.ndarray) -> tuple[float, float]:
    """How often the image that was seen (row k, column k) is likelier than another one, and than all others."""
    own = np.diag(likelihood)[:, None]
    two_way = (likelihood < own).sum() / (len(own) * (len(own) - 1))
    return float(two_way), float((likelihood.argmax(axis=1) == np.arange(len(own))).mean())


def _concept_auc(estimate: np.ndarray, fresh: Fresh) -> float:
    """Mean AUC of the best linear estimate of a concept's presence."""
    columns = [COLUMNS[f"concept:{name}"] for name in CONCEPTS]
    held = np.flatnonzero(fresh.present.sum(axis=0) >= LEAST_HELD)
    return float(np.mean([auc(fresh.present[:, k].astype(int), estimate[:, columns[k]]) for k in held]))


# ------------------------------------------------------------------------------------------------------- pictures


def _ridge(past: np.ndarray, wanted: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """What a ridge regression of ``wanted`` on z-scored responses ``past`` says of ``responses``."""
    mean, sd = past.mean(axis=0), past.std(axis=0)
    known, new = (past - mean) / sd, (responses - mean) / sd
    dual = np.linalg.solve(known @ known.T + known.shape[1] * np.eye(len(known)), wanted - wanted.mean(axis=0))
    return np.asarray(wanted.mean(axis=0) + new @ (known.T @ dual))


def _correlations(thumbnails: np.ndarray, fresh: Fresh) -> np.ndarray:
    """(n,) PixCorr of each decoded picture with the one that was seen, as the metric compares them by default.

    Both are enlarged to `SIDES`, which is linear, so that products of enlarged pictures are taken from small ones.
    """
    side = len(fresh.pictures[0])
    enlarge = _bilinear(SIDES[0], SIDES[1]) @ _bilinear(side, SIDES[0])
    gram, total = enlarge.T @ enlarge, enlarge.sum(axis=0)
    found = np.empty(len(thumbnails))
    for row, picture in enumerate(fresh.pictures):
        pair = np.stack([picture, enlarged(thumbnails[row : row + 1], side)[0]]).astype(float).transpose(0, 3, 1, 2)
        means = (total @ pair @ total).mean(axis=1) / SIDES[1] ** 2
        pair -= means[:, None, None, None]  # rows of `enlarge` sum to one
        products = np.einsum("achw,bchw->ab", pair, gram @ pair @ gram)
        found[row] = products[0, 1] / np.sqrt(products[0, 0] * products[1, 1])
    return found


def _bilinear(old: int, new: int) -> np.ndarray:
    """(new, old) matrix that enlarges by linear interpolation between the middles of pixels."""
    at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    left = np.minimum(at.astype(int), old - 2)
    found = np.zeros((new, old))
    found[np.arange(new), left] = 1 - (at - left)
    found[np.arange(new), left + 1] = at - left
    return found


# ----------------------------------------------------------------------------------------------- maps and captions


def _map_auc(brain: Brain, past: np.ndarray, features: np.ndarray) -> list[float]:
    """AUC of the plainest map that can be learned, for each concept that is there often enough."""
    found = []
    for concept in CONCEPTS:
        held = features[:, COLUMNS[f"concept:{concept}"]] > 0
        if held.sum() < LEAST_HELD:
            continue
        change = np.abs(past[held].mean(axis=0) - past[~held].mean(axis=0))
        relevant = np.zeros(len(change), int)
        relevant[strongest(brain.relevance(concept), RELEVANT)] = 1
        found.append(auc(relevant, change))
    return found


def _cider(said: Sequence[str], fresh: Fresh, at_a_time: int) -> np.ndarray:
    """(n,) CIDEr-D of a caption a scene; document frequencies over as many images as the twin tests."""
    scores = []
    for start in range(0, len(said) - at_a_time + 1, at_a_time):
        part = slice(start, start + at_a_time)
        scores.append(cider_d(Corpus(fresh.references[part], said[part], PLAIN)))
    return np.concatenate(scores)
