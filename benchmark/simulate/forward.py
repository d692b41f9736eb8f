"""From a weighted network to simulated BOLD: neural model, balloon model, scanner.

The model of Smith et al. 2011 (NeuroImage 54:875) in the form given by its simulator, and used again
by Sanchez-Romero et al. 2019 (Network Neuroscience 3:274): a linear neural equation driven by two-state
inputs, a balloon model with random parameters in every region of every subject, thermal noise and a
high-pass filter. Everything is integrated by Euler steps of 5 ms over all subjects and regions at once.

Arrays that hold "cells" have one entry for every region of every subject: cell = subject * nodes + node.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt

from ..errors import BrainbenchError

STEP = 1 / 200
"""Seconds of one Euler step."""

_INPUT_AREA = 80.0
_VOLUME = 4.0


class BadSimulation(BrainbenchError):
    """A simulation that cannot be run: a setting out of range, or a network that is not stable."""


# ---------------------------------------------------------------------------------------------- inputs


@dataclass(frozen=True)
class TwoState:
    """A two-state Markov chain as external input.

    Attributes
    ----------
    up, down
        Rates per second of leaving the low and the high state; every chain starts in the low state.
    """

    up: float = 0.1
    down: float = 0.4

    def switches(self, nodes: int, steps: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Steps at which a node changes its state, in order of time, and those nodes.

        Times in a state are drawn whole from the geometric law, which is the law of the chain.
        """
        times, owners = [], []
        for node in range(nodes):
            changes = self._changes(steps, rng)
            times.append(changes)
            owners.append(np.full(len(changes), node))
        time, owner = np.concatenate(times), np.concatenate(owners)
        order = np.argsort(time, kind="stable")
        return time[order], owner[order]

    def _changes(self, steps: int, rng: np.random.Generator) -> np.ndarray:
        """Steps below ``steps`` at which one chain changes."""
        cycle = (1 / self.up + 1 / self.down) / STEP
        found = np.empty(0, dtype=np.int64)
        while len(found) == 0 or found[-1] < steps:
            rates = np.tile((self.up * STEP, self.down * STEP), int(steps / cycle) + 8)
            start = found[-1] if len(found) else 0
            found = np.concatenate([found, start + np.cumsum(rng.geometric(rates))])
        return found[found < steps]


def input_height(sigma: float) -> float:
    """Height of the two-state input's upper state for a neural rate (1/s); 7.613 at 20 /s."""
    _check_rate(sigma)
    decay = 1 / (STEP * sigma)
    return _INPUT_AREA / float(np.exp(-np.arange(int(10 * decay) + 1) / decay).sum())


def _check_rate(sigma: float) -> None:
    """Raise `BadSimulation` for a neural rate that Euler steps cannot follow."""
    if not 0 < sigma * STEP < 1:
        raise BadSimulation(f"sigma is {sigma:g} /s", f"a rate between 0 and {1 / STEP:g} /s can be integrated")


class Inputs:
    """External inputs of some subjects, read forward in time.

    Parameters
    ----------
    chain
        Law of the states.
    height
        Value of the upper state; Gaussian noise of a twentieth of it is added at every step.
    nodes, steps
        Regions of a subject and length in steps.
    state_rngs, noise_rngs
        One generator a subject each, so that a subject's inputs do not depend on the others'.
    """

    def __init__(
        self,
        chain: TwoState,
        height: float,
        nodes: int,
        steps: int,
        state_rngs: list[np.random.Generator],
        noise_rngs: list[np.random.Generator],
    ) -> None:
        self._height, self._nodes, self._at = height, nodes, 0
        self._noise_rngs = noise_rngs
        self._switches = [chain.switches(nodes, steps, rng) for rng in state_rngs]
        self._up = np.zeros((len(state_rngs), nodes), dtype=np.uint8)

    def read(self, steps: int) -> np.ndarray:
        """The next ``steps`` values, shape (subjects, steps, nodes)."""
        value = np.empty((len(self._up), steps, self._nodes))
        flips = np.zeros((len(self._up), steps, self._nodes), dtype=np.uint8)
        for subject, (time, node) in enumerate(self._switches):
            first, last = np.searchsorted(time, (self._at, self._at + steps))
            flips[subject, time[first:last] - self._at, node[first:last]] = 1
            self._noise_rngs[subject].standard_normal(out=value[subject])
        flips[:, 0] ^= self._up
        state = np.bitwise_xor.accumulate(flips, axis=1)
        self._up, self._at = state[:, -1].copy(), self._at + steps
        value += 20 * state
        value *= self._height / 20
        return value


# ---------------------------------------------------------------------------------------------- neural


def stability(weights: np.ndarray) -> np.ndarray:
    """Largest real part of the eigenvalues of W - I, for weights (..., node, node); stable below zero."""
    growth: np.ndarray = np.linalg.eigvals(weights).real.max(axis=-1) - 1.0
    return growth


class Neural:
    """dz_n/dt = sigma * (-z_n + sum_i w_in z_i) + u_n, by Euler steps from z = 0.

    Parameters
    ----------
    weights
        (subjects, node, node), [source, target], zero diagonal.
    sigma
        Rate in 1/s.

    Raises `BadSimulation` for a network whose activity would grow without end.
    """

    def __init__(self, weights: np.ndarray, sigma: float) -> None:
        _check_rate(sigma)
        worst = stability(weights)
        if (worst >= 0).any():
            subject = int(np.argmax(worst))
            raise BadSimulation(
                f"the network of subject {subject} is unstable: W - I has an eigenvalue {worst[subject]:.3g} >= 0",
                "use smaller weights, or fewer loops",
            )
        subjects, nodes, _ = weights.shape
        self._rate = sigma * STEP
        self._parents = _parents((weights != 0).any(axis=0))
        self._gather = np.arange(subjects)[:, None] * nodes + self._parents[:, None, :]
        self._gather = self._gather.reshape(len(self._parents), -1)
        self._coupling = self._by_parent(weights)
        self.state = np.zeros(subjects * nodes)

    def _by_parent(self, weights: np.ndarray) -> np.ndarray:
        """Weights (..., subjects, node, node) as (..., parents, cells), times the rate."""
        picked = weights[..., self._parents, np.arange(weights.shape[-1])]
        ordered = np.moveaxis(picked, -2, -3)
        return self._rate * ordered.reshape(*ordered.shape[:-2], -1)

    def run(self, inputs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Activity (steps, cells) before each step, for inputs (steps, cells).

        ``weights`` (steps, subjects, node, node) replace the constant ones where links are modulated;
        they may only be non-zero where the constant ones are.
        """
        activity = np.empty((len(inputs) + 1, len(self.state)))
        activity[0] = self.state
        drive = STEP * inputs
        changing = None if weights is None else self._by_parent(weights)
        coupling, gathered = self._coupling, np.empty(self._gather.shape)
        multiply, total, keep, gather = np.multiply, np.add.reduce, 1 - self._rate, self._gather
        for t in range(len(inputs)):
            now, following = activity[t], activity[t + 1]
            if changing is not None:
                coupling = changing[t]
            now.take(gather, out=gathered, mode="clip")
            multiply(gathered, coupling, out=gathered)
            total(gathered, axis=0, out=following)
            following += multiply(now, keep, out=gathered[0])
            following += drive[t]
        self.state = activity[-1].copy()
        return activity[:-1]


def _parents(graph: np.ndarray) -> np.ndarray:
    """Parents of every node, shape (largest in-degree, node); a node's own number fills the gaps."""
    nodes = len(graph)
    count = max(1, int(graph.sum(axis=0).max()))
    table = np.tile(np.arange(nodes), (count, 1))
    for node in range(nodes):
        found = np.flatnonzero(graph[:, node])
        table[: len(found), node] = found
    return table


# ------------------------------------------------------------------------------------------ hemodynamics


_DECAY_MEAN = np.array([0.65, 0.41])
_DECAY_COV = np.array([[0.0148, -0.0001], [-0.0001, 0.0018]])
_FLOW_MEAN = np.array([0.98, 0.32, 0.34])
_FLOW_COV = np.array([[0.0514, 0.0021, 0.0018], [0.0021, 0.0002, 0.0001], [0.0018, 0.0001, 0.0001]])
_FLOOR = 0.1
_LEAST_FLOW_LOG = float(np.log(0.05))


@dataclass(frozen=True)
class Hemodynamics:
    """Balloon parameters, each of shape (cells,).

    Attributes
    ----------
    kappa, gamma
        Decay and autoregulation of the flow-inducing signal, 1/s.
    tau
        Transit time, s.
    alpha
        Grubb's exponent.
    extraction
        Resting oxygen extraction E0.
    """

    kappa: np.ndarray
    gamma: np.ndarray
    tau: np.ndarray
    alpha: np.ndarray
    extraction: np.ndarray

    @classmethod
    def draw(cls, nodes: int, spread: float, rngs: list[np.random.Generator]) -> Hemodynamics:
        """Random parameters of every region of every subject; ``spread`` scales the covariance of the last three."""
        if spread < 0:
            raise BadSimulation(f"hrf_spread is {spread:g}", "it scales a covariance: 0 or more")
        decay_root, flow_root = np.linalg.cholesky(_DECAY_COV), np.sqrt(spread) * np.linalg.cholesky(_FLOW_COV)
        rows = []
        for rng in rngs:
            normal = rng.standard_normal((nodes, 5))
            rows.append(
                np.hstack([_DECAY_MEAN + normal[:, :2] @ decay_root.T, _FLOW_MEAN + normal[:, 2:] @ flow_root.T])
            )
        return cls(*np.maximum(np.concatenate(rows), _FLOOR).T.copy())


class Balloon:
    """Balloon model of every cell, by Euler steps of s, ln f, ln v and ln q from rest.

    ds/dt = z - kappa s - gamma (f - 1);  d ln f/dt = s / f;  d ln v/dt = (f - v^(1/alpha)) / (tau v);
    d ln q/dt = (f (1 - (1 - E0)^(1/f)) / E0 - v^(1/alpha) q / v) / (tau q).

    Flow is kept at or above a twentieth of its rest: after a strong input that ends, a region with little decay
    undershoots so far that f would reach zero, where the equations end.
    """

    def __init__(self, parameters: Hemodynamics) -> None:
        p = parameters
        cells = len(p.tau)
        power = 1 / p.alpha - 1
        self._extraction = p.extraction
        self._signal = np.zeros(cells)  # step * s
        self._logs = np.zeros((4, cells))  # ln f, -ln v, (1/alpha - 1) ln v, -ln q: exp of all four at once
        self._keep = 1 - STEP * p.kappa
        self._gamma = STEP**2 * p.gamma
        self._log_rest = np.log1p(-p.extraction)
        self._volume_rate = STEP / p.tau * np.stack([-np.ones(cells), power])
        self._oxygen_rate = STEP / (p.tau * p.extraction)
        self._transit = STEP / p.tau

    def run(self, activity: np.ndarray) -> None:
        """Step through neural activity (steps, cells)."""
        # The loop is bound by the cost of calls, so every line is one call into buffers made before it.
        signal, logs, keep, gamma = self._signal, self._logs, self._keep, self._gamma
        flow_log, volume_logs, oxygen_log = logs[0], logs[1:3], logs[3]
        exps = np.empty_like(logs)
        flow, shrink, outflow, thin = exps
        inverse, work, oxygen, change = np.empty_like(flow), np.empty_like(flow), np.empty_like(flow), exps[1:3].copy()
        exp, multiply, add, subtract, divide = np.exp, np.multiply, np.add, np.subtract, np.divide
        maximum, least = np.maximum, np.full_like(flow, _LEAST_FLOW_LOG)
        log_rest, volume_rate, oxygen_rate, transit = (
            self._log_rest,
            self._volume_rate,
            self._oxygen_rate,
            self._transit,
        )
        drive = STEP**2 * activity
        drive += gamma
        for push in drive:
            exp(logs, exps)
            divide(1.0, flow, inverse)
            multiply(log_rest, inverse, work)
            exp(work, work)
            subtract(1.0, work, work)
            multiply(flow, thin, oxygen)
            multiply(oxygen, work, oxygen)
            multiply(oxygen, oxygen_rate, oxygen)
            subtract(oxygen_log, oxygen, oxygen_log)
            multiply(outflow, transit, work)
            add(oxygen_log, work, oxygen_log)
            multiply(flow, shrink, work)
            subtract(work, outflow, work)
            multiply(volume_rate, work, change)
            add(volume_logs, change, volume_logs)
            multiply(signal, inverse, work)
            add(flow_log, work, flow_log)
            maximum(flow_log, least, flow_log)
            multiply(signal, keep, signal)
            multiply(flow, gamma, work)
            subtract(signal, work, signal)
            add(signal, push, signal)

    def bold(self) -> np.ndarray:
        """BOLD signal now, percent, shape (cells,)."""
        volume, oxygen = np.exp(-self._logs[1]), np.exp(-self._logs[3])
        k1, k2, k3 = 7 * self._extraction, 2.0, 2 * self._extraction - 0.2
        signal: np.ndarray = _VOLUME * (k1 * (1 - oxygen) + k2 * (1 - oxygen / volume) + k3 * (1 - volume))
        return signal


# ----------------------------------------------------------------------------------------------- scanner


def sample_steps(minutes: float, tr: float) -> np.ndarray:
    """Steps after which a scan is read: step round(scan * TR / step), scan = 1, 2 ... to the end."""
    scans = int(minutes * 60 / tr + 1e-9)
    steps: np.ndarray = np.rint(np.arange(1, scans + 1) * tr / STEP).astype(np.int64)
    return steps


def high_pass_butterworth(series: np.ndarray, tr: float) -> np.ndarray:
    """Causal fourth-order Butterworth high-pass at 1/200 Hz over axis -2 (time); demeaned before and after.

    The cut-off is 0.03 TR/3 of the Nyquist frequency, as in the simulator of Smith et al. 2011. Only with the
    mean removed first do the first volumes look like those of the published series.
    """
    if not 0 < 0.03 * tr / 3 < 1:
        raise BadSimulation(f"tr is {tr:g} s", "the high-pass filter takes a TR above 0 and below 100 s")
    filtered = sosfilt(butter(4, 0.03 * tr / 3, "highpass", output="sos"), _demeaned(series), axis=-2)
    return _demeaned(filtered)


def high_pass_local_linear(series: np.ndarray, tr: float, cutoff: float = 200.0) -> np.ndarray:
    """Subtract a Gaussian-weighted local straight line over axis -2 (time), then demean.

    The temporal filter of FSL: standard deviation cutoff / 2 (seconds), window of three of them either side.
    """
    width = cutoff / 2 / tr
    time = np.arange(series.shape[-2])
    distance = time[None, :] - time[:, None]
    weight = np.exp(-0.5 * (distance / width) ** 2) * (np.abs(distance) <= np.ceil(3 * width))
    zeroth, first, second = (np.sum(weight * distance**power, axis=1, keepdims=True) for power in (0, 1, 2))
    smoother = weight * (second - first * distance) / (zeroth * second - first**2)
    return _demeaned(series - smoother @ series)


def _demeaned(series: np.ndarray) -> np.ndarray:
    """Without the mean over time (axis -2)."""
    centred: np.ndarray = series - series.mean(axis=-2, keepdims=True)
    return centred
