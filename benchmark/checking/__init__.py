"""``brainbench check``: what a method must hold before its numbers mean anything, tried on tiny planted data."""

from __future__ import annotations

from .checks import check_method
from .verdict import Verdict

__all__ = ["Verdict", "check_method"]
