"""Shares with their Monte-Carlo errors, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tabulate import tabulate


def share(hits: np.ndarray) -> str:
    """Percentage of repeats, with one standard error over repeats (first axis); NaN counts as no answer."""
    each = np.asarray(hits, dtype=float).reshape(len(hits), -1)
    each = np.nanmean(each[~np.isnan(each).all(axis=1)], axis=1)
    if not len(each):
        return "-"
    return f"{100 * each.mean():.1f} ± {100 * each.std() / np.sqrt(len(each)):.1f}"


def covered(low: np.ndarray, high: np.ndarray, truth: np.ndarray | float) -> str:
    """How often an interval held the truth."""
    known = ~(np.isnan(low) | np.isnan(high))
    return share(np.where(known, (low <= truth) & (truth <= high), np.nan))


def number(values: np.ndarray, digits: int = 3) -> str:
    """A mean over repeats."""
    return f"{np.nanmean(values):.{digits}f}"


def show(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"\n**{title}**\n\n{tabulate(rows, headers, tablefmt='pipe', disable_numparse=True)}", flush=True)
