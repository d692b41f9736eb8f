"""Non-Gaussian variables with linear and quadratic effects of their parents: independent rows, not time series.

The recipe follows the "lingam_quad" generator of the causal-discovery collection trustworthyAI (Huawei Noah's Ark
Lab, `datasets/synthetic_datasets.py`), with settings of our own. It is therefore called *cdrl_quad_like*: it is
not the set of files that BrainEC-LLM was evaluated on, whose settings are not published.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from .forward import BadSimulation
from .network_cases import Simulated

EDGE_PROBABILITY = 0.5
KEPT = 0.6
"""Share of the rows that are kept: those of smallest Euclidean norm (values of a chain of squares explode)."""
LEAST_COEFFICIENT = 0.3
_MASK, _TERMS, _ORDER, _ROWS = range(4)


@dataclass(frozen=True)
class Equation:
    """One variable as a polynomial of its candidate parents.

    Attributes
    ----------
    terms
        Monomials: tuples of one or two numbers of parents (a square repeats its number).
    coefficients
        One a term; zero for terms that were dropped.
    """

    terms: tuple[tuple[int, ...], ...]
    coefficients: np.ndarray

    def value(self, rows: np.ndarray) -> np.ndarray:
        """The polynomial on rows (samples, nodes)."""
        total = np.zeros(len(rows))
        for term, coefficient in zip(self.terms, self.coefficients, strict=True):
            total += coefficient * rows[:, list(term)].prod(axis=1)
        return total

    def parents(self) -> set[int]:
        """Parents in at least one term with a coefficient that counts."""
        counted = np.abs(self.coefficients) > LEAST_COEFFICIENT
        return {parent for term, counts in zip(self.terms, counted, strict=True) if counts for parent in term}


def cdrl_quad_like(nodes: int, subjects: int, samples: int, seed: int) -> Simulated:
    """Draws of one polynomial system: the same graph and coefficients, new noise for every subject.

    Parameters
    ----------
    nodes
        Variables; 5 and 7 in the literature.
    samples
        Rows before trimming; `KEPT` of them are returned.
    seed
        Of the system, and with the subject's number of its rows.

    Returns series (subjects, rows, nodes) in the file's order of columns (a random one), the graph as
    [source, target], and as weight of an edge its largest coefficient by size. Raises `BadSimulation`.
    """
    if nodes < 2 or subjects < 1 or samples < 10:
        raise BadSimulation(
            f"cannot draw {subjects} subjects of {samples} rows with {nodes} nodes",
            "at least 1 subject, 10 rows and 2 nodes",
        )
    mask = np.tril(np.random.default_rng((seed, _MASK)).random((nodes, nodes)) < EDGE_PROBABILITY, -1)
    rng = np.random.default_rng((seed, _TERMS))
    equations = [_equation(np.flatnonzero(row), rng) for row in mask]
    order = np.random.default_rng((seed, _ORDER)).permutation(nodes)
    weights = _weights(equations)[np.ix_(order, order)]
    series = np.stack([_rows(equations, samples, seed, subject) for subject in range(subjects)])[:, :, order]
    repeated = np.repeat(weights[None], subjects, axis=0)
    return Simulated(series, repeated != 0, repeated, float("nan"))


def _equation(parents: np.ndarray, rng: np.random.Generator) -> Equation:
    """All monomials of degree one and two with random coefficients, half of them zero."""
    terms = tuple(term for degree in (1, 2) for term in combinations_with_replacement(parents.tolist(), degree))
    size = np.round(rng.uniform(0.5, 1.5, len(terms)), 1)
    sign = rng.choice((-1.0, 1.0), len(terms))
    return Equation(terms, size * sign * (rng.random(len(terms)) < 0.5))


def _weights(equations: list[Equation]) -> np.ndarray:
    """Weights [source, target] of the parents that count."""
    weights = np.zeros((len(equations), len(equations)))
    for target, equation in enumerate(equations):
        for parent in equation.parents():
            held = [c for term, c in zip(equation.terms, equation.coefficients, strict=True) if parent in term]
            weights[parent, target] = max(held, key=abs)
    return weights


def _rows(equations: list[Equation], samples: int, seed: int, subject: int) -> np.ndarray:
    """One subject's rows in causal order, trimmed, still in the order they were drawn."""
    rng = np.random.default_rng((seed, _ROWS, subject))
    rows = np.zeros((samples, len(equations)))
    for node, equation in enumerate(equations):
        rows[:, node] = _noise(samples, rng) + equation.value(rows)
    norms = np.linalg.norm(rows, axis=1)
    kept = np.sort(np.argsort(norms, kind="stable")[: round(KEPT * samples)])
    return rows[kept]


def _noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """sign(g) |g|^q of unit SD, with an exponent q in 0.5 ... 0.8 or 1.2 ... 2, so never close to Gaussian."""
    exponent = 0.5 + 1.1 * rng.random()
    if exponent > 0.8:
        exponent += 0.4
    normal = rng.standard_normal(samples)
    noise: np.ndarray = np.sign(normal) * np.abs(normal) ** exponent
    noise /= noise.std()
    return noise


def varsortability(series: np.ndarray, graph: np.ndarray) -> float:
    """How far the order of variances gives the causal order away: 1 wholly, 0.5 not at all, 0 reversed.

    Share of the directed paths from a cause to an effect, over all path lengths, along which the variance grows;
    ties count one half (Reisach et al. 2021, NeurIPS).

    Parameters
    ----------
    series
        (time, node).
    graph
        (node, node) bool, [source, target], without cycles: raises `BadSimulation` for others.

    Returns NaN for a graph without edges.
    """
    variance = series.var(axis=0)
    rises = np.where(np.isclose(variance[:, None], variance[None, :]), 0.5, variance[None, :] > variance[:, None])
    step = graph.astype(bool)
    path, found, total = step.copy(), 0.0, 0
    for _ in range(len(graph) - 1):
        found += float(rises[path].sum())
        total += int(path.sum())
        path = (path.astype(int) @ step.astype(int)) > 0
    if path.any():
        raise BadSimulation("varsortability of a graph with cycles is not defined", "give an acyclic graph")
    return found / total if total else float("nan")
