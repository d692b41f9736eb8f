"""The forward model at once beside a plain loop over subjects. Run: ``python tests/perf/bench_forward.py``.

The plain loop integrates the same equations with the same random numbers, one subject at a time, as a vector of
regions. It is timed on one subject of a short scan and its seconds are scaled up to the whole case.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from tabulate import tabulate

from brainbench.benchmark.simulate.forward import (
    STEP,
    Balloon,
    Hemodynamics,
    Inputs,
    Neural,
    TwoState,
    input_height,
    sample_steps,
)
from brainbench.benchmark.simulate.network_cases import CASES, simulate

PLAIN_MINUTES = 2.0


def rngs(stream: int, subjects: int) -> list[np.random.Generator]:
    """One generator a subject."""
    return [np.random.default_rng((7, stream, subject)) for subject in range(subjects)]


def plain_loop(
    inputs: np.ndarray, weights: np.ndarray, sigma: float, parameters: Hemodynamics, samples: np.ndarray
) -> np.ndarray:
    """Noise-free BOLD (time, node) of one subject, from inputs (steps, node), step by step as the equations read."""
    p, wanted = parameters, set(samples.tolist())
    z, s = np.zeros(len(weights)), np.zeros(len(weights))
    log_f, log_v, log_q = s.copy(), s.copy(), s.copy()
    bold = []
    for step, u in enumerate(inputs, start=1):
        f, v, q = np.exp(log_f), np.exp(log_v), np.exp(log_q)
        outflow = v ** (1 / p.alpha)
        dz = sigma * (-z + z @ weights) + u
        ds = z - p.kappa * s - p.gamma * (f - 1)
        dq = f * (1 - (1 - p.extraction) ** (1 / f)) / p.extraction - outflow * q / v
        log_f, log_v, log_q, s, z = (
            log_f + STEP * s / f,
            log_v + STEP * (f - outflow) / (p.tau * v),
            log_q + STEP * dq / (p.tau * q),
            s + STEP * ds,
            z + STEP * dz,
        )
        if step in wanted:
            v, q = np.exp(log_v), np.exp(log_q)
            bold.append(4 * (7 * p.extraction * (1 - q) + 2 * (1 - q / v) + (2 * p.extraction - 0.2) * (1 - v)))
    return np.array(bold)


def both(weights: np.ndarray, sigma: float, minutes: float, tr: float) -> tuple[np.ndarray, np.ndarray, float]:
    """BOLD (time, subject, node) of ours and of the plain loop, and the loop's seconds."""
    subjects, nodes, _ = weights.shape
    samples = sample_steps(minutes, tr)
    inputs = Inputs(TwoState(), input_height(sigma), nodes, samples[-1], rngs(0, subjects), rngs(1, subjects))
    drive = inputs.read(int(samples[-1]))
    parameters = Hemodynamics.draw(nodes, 4.0, rngs(2, subjects))
    activity = Neural(weights, sigma).run(np.swapaxes(drive, 0, 1).reshape(len(drive[0]), -1))
    balloon, ours = Balloon(parameters), []
    for part in np.split(activity, samples[:-1]):
        balloon.run(part)
        ours.append(balloon.bold().reshape(subjects, nodes))
    start = time.perf_counter()
    plain = [plain_loop(drive[k], weights[k], sigma, _of(parameters, k, nodes), samples) for k in range(subjects)]
    return np.array(ours), np.stack(plain, axis=1), time.perf_counter() - start


def _of(parameters: Hemodynamics, subject: int, nodes: int) -> Hemodynamics:
    """One subject's parameters."""
    return Hemodynamics(*(value[subject * nodes : (subject + 1) * nodes] for value in vars(parameters).values()))


def main() -> None:
    """Print seconds of both, their ratio, and the largest difference of the two results."""
    table = []
    for name, subjects in (("netsim:1", 50), ("netsim:4", 50), ("netsim:7", 10)):
        case = CASES[name]
        weights = simulate(replace(case, minutes=1.0), 1, seed=0).weights
        ours, plain, short = both(weights, case.sigma, PLAIN_MINUTES, case.tr)
        start = time.perf_counter()
        simulate(case, subjects, seed=0)
        seconds = time.perf_counter() - start
        loop = short * subjects * case.minutes / PLAIN_MINUTES
        table.append([name, subjects, seconds, loop, loop / seconds, np.abs(ours - plain).max()])
    headers = ["case", "subjects", "ours s", "plain loop s (scaled)", "ratio", "largest difference, % BOLD"]
    print(tabulate(table, headers, floatfmt=".3g"))


if __name__ == "__main__":
    main()
