"""One simulated network with all its settings, run through the forward model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..contracts import Progress, silent
from .forward import (
    STEP,
    BadSimulation,
    Balloon,
    Hemodynamics,
    Inputs,
    Neural,
    TwoState,
    high_pass_butterworth,
    high_pass_local_linear,
    input_height,
    sample_steps,
    stability,
)
from .people import key_of

Edges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Modulators:
    """Slow hidden inputs that change the strength of links during a scan.

    Attributes
    ----------
    chain
        Law of their two states.
    effect
        What a unit of a modulator's input adds to its link's weight; 0 for hidden inputs without effect.
    links
        The link that each modulator acts on, numbered from 1.
    """

    chain: TwoState
    effect: float
    links: Edges


@dataclass(frozen=True)
class Case:
    """Every setting of one simulated network. The defaults are those of most simulations of Smith et al. 2011.

    Attributes
    ----------
    name
        As in `CASES`; part of every subject's seed, so that two cases with one seed are independent.
    nodes, edges
        Regions, and (source, target) pairs numbered from 1 as in the papers.
    minutes, tr
        Length of a scan and seconds between its volumes.
    noise
        SD of the thermal noise, percent BOLD.
    hrf_spread
        Factor on the covariance of (tau, alpha, E0); 4 spreads the delay by about 0.5 s, 0 removes it.
    sigma
        Neural rate, 1/s (20: a lag of about 50 ms; 10: 100 ms).
    weight, weight_sd, weight_range, weight_scale
        Weights of every subject: drawn from N(weight, weight_sd), clipped to the range, multiplied by the scale.
    negative
        Edges whose weight is made negative.
    fixed
        Edges with one given weight in all subjects.
    reverse, reversible
        Probability, for each edge and subject, of a negative backward edge drawn from the same law; and the edges
        that can have one, None for all.
    gains
        Input gain of each region; None for one everywhere.
    shared_input, shared_probability
        Gain of a region's input on another region, and the probability of each for every subject.
    modulators
        Hidden inputs that change links; None for none.
    confound
        SD of a smooth random series that is added to all regions of a subject, relative to the subject's mean SD.
    mixing
        "" for none, "regions": every series is mixed with that of another region of the subject (one random
        permutation for all subjects), "subjects": region n of a subject is mixed with region n of the n-th next.
    mixing_share
        Share of the other series.
    halved, halved_every
        An edge with half the weight in every second block of so many subjects, None for none. (The source halves it
        in the second half of its 50 subjects; with blocks, a smaller sample is the beginning of a larger one.)
    high_pass
        "butterworth" or "local-linear".
    """

    name: str
    nodes: int
    edges: Edges
    minutes: float = 10.0
    tr: float = 3.0
    noise: float = 1.0
    hrf_spread: float = 4.0
    sigma: float = 20.0
    weight: float = 0.4
    weight_sd: float = 0.1
    weight_range: tuple[float, float] = (0.2, 0.6)
    weight_scale: float = 1.0
    negative: Edges = ()
    fixed: tuple[tuple[tuple[int, int], float], ...] = ()
    reverse: float = 0.0
    reversible: Edges | None = None
    gains: tuple[float, ...] | None = None
    shared_input: float = 0.3
    shared_probability: float = 0.0
    modulators: Modulators | None = None
    confound: float = 0.0
    mixing: str = ""
    mixing_share: float = 0.2
    halved: tuple[int, int] | None = None
    halved_every: int = 25
    high_pass: str = "butterworth"


@dataclass(frozen=True)
class Simulated:
    """Simulated recordings of some subjects with what generated them.

    Attributes
    ----------
    series
        (subjects, time, node) float64; percent BOLD, demeaned.
    graphs
        (subjects, node, node) bool, [source, target], zero diagonal; differ between subjects in ``netsim:13``.
    weights
        (subjects, node, node), signed, zero where there is no edge.
    tr
        Seconds; NaN where rows are exchangeable.
    """

    series: np.ndarray
    graphs: np.ndarray
    weights: np.ndarray
    tr: float


_WEIGHTS, _HEMODYNAMICS, _STATES, _INPUT_NOISE, _NOISE, _CONFOUND, _GAINS, _SLOW_STATES, _SLOW_NOISE = range(9)
"""Streams of random numbers of a subject, so that changing one knob leaves the others' numbers alone."""

_PERMUTATION = 9
_BLOCK_CELLS = 4096
_CHUNK_VALUES = 250_000
_REDRAWS = 100
_FILTERS = {"butterworth": high_pass_butterworth, "local-linear": high_pass_local_linear}


def simulate(case: Case, subjects: int, seed: int, progress: Progress = silent) -> Simulated:
    """Recordings of a case.

    A subject's random numbers depend on the case's name, the seed and the subject's number only: ten
    subjects are the first ten of fifty.

    Raises `BadSimulation` for a setting out of range, or weights that leave the network unstable.
    """
    _check(case, subjects)
    extra = case.nodes if case.mixing == "subjects" else 0
    most = max(1, _BLOCK_CELLS // case.nodes)
    firsts = range(0, subjects + extra, most)
    clean, weights = [], []
    for number, first in enumerate(firsts):
        members = range(first, min(first + most, subjects + extra))
        weights.append(np.stack([_weights(case, seed, subject) for subject in members]))
        report = partial(_report, case, progress, number, len(firsts))
        clean.append(_bold(case, seed, members, weights[-1], report))
    series = _scan(case, np.concatenate(clean), seed)[:subjects]
    strengths = np.concatenate(weights)[:subjects]
    return Simulated(series, strengths != 0, strengths, case.tr)


def _report(case: Case, progress: Progress, block: int, blocks: int, done: int, total: int) -> None:
    """Pass on the volumes done in one of several blocks of subjects."""
    progress(f"simulate {case.name}", block * total + done, blocks * total)


def _rng(case: Case, seed: int, stream: int, subject: int) -> np.random.Generator:
    """The generator of one stream of one subject."""
    return np.random.default_rng((seed, key_of(case.name), stream, subject))


def _weights(case: Case, seed: int, subject: int) -> np.ndarray:
    """A subject's weights (node, node), drawn again until the network is stable."""
    rng = _rng(case, seed, _WEIGHTS, subject)
    for _ in range(_REDRAWS):
        weights = _draw(case, rng)
        if case.halved and (subject // case.halved_every) % 2:
            weights[case.halved[0] - 1, case.halved[1] - 1] /= 2
        if stability(weights) < 0:
            return weights
    raise BadSimulation(
        f"{case.name}: {_REDRAWS} draws of weights in a row make the network unstable",
        "use a smaller weight or weight_scale, or fewer loops",
    )


def _draw(case: Case, rng: np.random.Generator) -> np.ndarray:
    """One draw of a subject's weights (node, node)."""
    weights = np.zeros((case.nodes, case.nodes))
    rows, columns = np.array(case.edges).T - 1
    forward, backward = case.weight_scale * np.clip(
        rng.normal(case.weight, case.weight_sd, (2, len(rows))), *case.weight_range
    )
    weights[rows, columns] = forward
    allowed = [case.reversible is None or edge in case.reversible for edge in case.edges]
    chosen = (rng.random(len(rows)) < case.reverse) & allowed
    weights[columns[chosen], rows[chosen]] = -backward[chosen]
    for i, j in case.negative:
        weights[i - 1, j - 1] *= -1
    for (i, j), value in case.fixed:
        weights[i - 1, j - 1] = value
    return weights


def _bold(case: Case, seed: int, members: range, weights: np.ndarray, report: Callable[[int, int], None]) -> np.ndarray:
    """Noise-free BOLD (subjects, time, node) of some subjects, all integrated together."""
    times = sample_steps(case.minutes, case.tr)

    def streams(stream: int) -> list[np.random.Generator]:
        return [_rng(case, seed, stream, subject) for subject in members]

    def inputs(chain: TwoState, states: int, noise: int) -> Inputs:
        height = input_height(case.sigma)
        return Inputs(chain, height, case.nodes, int(times[-1]), streams(states), streams(noise))

    fast = inputs(TwoState(), _STATES, _INPUT_NOISE)
    slow = inputs(case.modulators.chain, _SLOW_STATES, _SLOW_NOISE) if case.modulators else None
    gains = np.stack([_gains(case, rng) for rng in streams(_GAINS)])
    neural = Neural(weights, case.sigma)
    balloon = Balloon(Hemodynamics.draw(case.nodes, case.hrf_spread, streams(_HEMODYNAMICS)))
    bold = np.empty((len(times), len(members) * case.nodes))
    steps = np.diff(times, prepend=0)
    group = max(1, int(_CHUNK_VALUES / (bold.shape[1] * steps.mean())))
    for first in range(0, len(times), group):
        chunk = steps[first : first + group]
        drive = np.swapaxes(_external(fast.read(int(chunk.sum())), gains), 0, 1)
        changing = _modulated(case.modulators, weights, slow.read(len(drive))) if slow and case.modulators else None
        activity = neural.run(drive.reshape(len(drive), -1), changing)
        for scan, part in enumerate(np.split(activity, np.cumsum(chunk)[:-1]), start=first):
            balloon.run(part)
            bold[scan] = balloon.bold()
        report(min(first + group, len(times)), len(times))
    return np.swapaxes(bold.reshape(len(times), len(members), case.nodes), 0, 1)


def _gains(case: Case, rng: np.random.Generator) -> np.ndarray:
    """Input gains (input, node) of a subject: its own, and at random those of other regions' inputs."""
    gains = case.shared_input * (rng.random((case.nodes, case.nodes)) < case.shared_probability)
    np.fill_diagonal(gains, case.gains or 1.0)
    return gains


def _external(values: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """What reaches each region of inputs (subjects, steps, input) through gains (subjects, input, node)."""
    own = np.diagonal(gains, axis1=1, axis2=2)
    if np.count_nonzero(gains) == np.count_nonzero(own):
        values *= own[:, None, :]
        return values
    mixed: np.ndarray = values @ gains
    return mixed


def _modulated(modulators: Modulators, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weights (steps, subjects, node, node) under the modulators' inputs (subjects, steps, modulators)."""
    changing = np.tile(weights, (values.shape[1], 1, 1, 1))
    for number, (i, j) in enumerate(modulators.links):
        changing[:, :, i - 1, j - 1] += modulators.effect * values[:, :, number].T
    return changing


def _scan(case: Case, bold: np.ndarray, seed: int) -> np.ndarray:
    """What the scanner and the preprocessing make of noise-free BOLD (subjects, time, node)."""
    noise = np.stack([_rng(case, seed, _NOISE, s).standard_normal(bold.shape[1:]) for s in range(len(bold))])
    series = bold + case.noise * noise
    if case.mixing:
        series = (1 - case.mixing_share) * series + case.mixing_share * _others(case, series, seed)
    series = _FILTERS[case.high_pass](series, case.tr)
    if case.confound:
        series = series + case.confound * _common(case, series, seed)
    return series


def _others(case: Case, series: np.ndarray, seed: int) -> np.ndarray:
    """The series that are mixed into every series."""
    if case.mixing == "subjects":
        return np.stack([np.roll(series[..., n], -(n + 1), axis=0) for n in range(case.nodes)], axis=-1)
    rng, regions = _rng(case, seed, _PERMUTATION, 0), np.arange(case.nodes)
    order = rng.permutation(case.nodes)
    while (order == regions).any():
        order = rng.permutation(case.nodes)
    return series[..., order]


def _common(case: Case, series: np.ndarray, seed: int) -> np.ndarray:
    """A series common to a subject's regions (subjects, time, 1): white noise summed over five volumes and filtered.

    Its SD is the mean SD of the subject's series. This is the law of the difference between the published
    simulations 10 and 1, which share all other random numbers.
    """
    white = np.stack([_rng(case, seed, _CONFOUND, s).standard_normal(series.shape[1] + 4) for s in range(len(series))])
    smooth = np.lib.stride_tricks.sliding_window_view(white, 5, axis=1).sum(axis=-1)[..., None]
    filtered = _FILTERS[case.high_pass](smooth, case.tr)
    scale = series.std(axis=1, keepdims=True).mean(axis=2, keepdims=True)
    common: np.ndarray = scale * filtered / filtered.std(axis=1, keepdims=True)
    return common


def _check(case: Case, subjects: int) -> None:
    """Raise `BadSimulation` for the first setting out of range."""
    pairs = (*case.edges, *case.negative, *(edge for edge, _ in case.fixed))
    links = case.modulators.links if case.modulators else ()
    named = (*pairs, *links, *(case.reversible or ()), *((case.halved,) if case.halved else ()))
    rules = (
        (subjects >= 1, f"subjects is {subjects}", "at least 1"),
        (case.nodes >= 2 and bool(case.edges), "no edges", "at least 2 nodes and 1 edge"),
        (all(1 <= n <= case.nodes for edge in pairs for n in edge), "an edge names an unknown node", "count from 1"),
        (all(i != j for i, j in pairs), "an edge leads from a node to itself", "decay is part of the model"),
        (set(named) <= set(case.edges), "a setting names a pair that is not an edge", "list it in edges"),
        (case.tr >= STEP, f"tr is {case.tr:g} s", f"at least {STEP:g} s"),
        (case.minutes * 60 >= 10 * case.tr, f"{case.minutes:g} minutes are fewer than 10 volumes", "scan longer"),
        (case.weight_sd >= 0 and case.weight_range[0] <= case.weight_range[1],
         f"weight_sd is {case.weight_sd:g} and weight_range {case.weight_range}", "an SD and a lower and upper bound"),
        (case.noise >= 0 and case.confound >= 0, "a negative amount of noise or confound", "0 or more"),
        (all(0 <= p <= 1 for p in (case.reverse, case.shared_probability, case.mixing_share)),
         "a probability or share outside 0 to 1", "see reverse, shared_probability, mixing_share"),
        (case.gains is None or len(case.gains) == case.nodes, "not one input gain a region", f"give {case.nodes}"),
        (len(links) <= case.nodes, "too many modulators", "one a region"),
        (case.mixing in ("", "regions", "subjects"), f"mixing is {case.mixing!r}", "regions, subjects or empty"),
        (case.high_pass in _FILTERS, f"high_pass is {case.high_pass!r}", f"filters are: {', '.join(_FILTERS)}"),
        (case.halved_every >= 1, f"halved_every is {case.halved_every}", "at least 1"),
    )  # fmt: skip
    for fine, wrong, hint in rules:
        if not fine:
            raise BadSimulation(f"{case.name}: {wrong}", hint)
