"""What choosing the best does to a test against it, where nothing else is wrong: exact, no repeats."""

from __future__ import annotations

import math

from scipy.stats import norm, studentized_range
from sim_report import show

ROWS = (2, 3, 5, 10, 20, 50, 100, 500)
ALPHA = 0.05
MANY = 1e6
"""Degrees of freedom that stand for endless ones."""


def gap_needed(rows: int) -> float:
    """Standard errors by which the leader must stand before a row, for Holm over all other rows."""
    return float(norm.isf(ALPHA / 2 / (rows - 1)))


def wrong(rows: int) -> float:
    """How often the leader of equally good rows, equally well known, is that far before the last."""
    return float(studentized_range.sf(math.sqrt(2) * gap_needed(rows), rows, MANY))


def main(part: float = 1.0) -> None:
    """Print the table."""
    table = [
        [
            str(rows), f"{100 * wrong(rows):.1f}", f"{gap_needed(rows):.2f}",
            f"{studentized_range.isf(ALPHA, rows, MANY) / math.sqrt(2):.2f}",
        ]
        for rows in ROWS
    ]  # fmt: skip
    headers = ("rows", "wrong boards, %", "standard errors asked", "by the largest gap")
    show("Equally good rows, each tested against the best of them, Holm", headers, table)
