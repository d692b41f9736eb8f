"""The two heads on the class token."""

from __future__ import annotations

from torch import nn

from ...benchmark.nn.transformer import init_linear


def head(width: int, hidden: int, out: int) -> nn.Sequential:
    """A two-layer perceptron with GELU: f_wc or f_wv of section 3.2."""
    made = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, out))
    made.apply(init_linear)
    return made
