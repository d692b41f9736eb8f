"""``brainbench check``: what a method must hold before its numbers mean anything, tried on tiny planted data."""

from __future__ import annotations

from .checks import Wanted, check_method
from .verdict import Verdict, passed

__all__ = ["Verdict", "Wanted", "check_method", "passed"]
