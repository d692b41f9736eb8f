"""What a scan looks like beside a cohort: measures of four families, their z-scores, and the same in words."""

from .describer import FAMILIES, Describer

__all__ = ["FAMILIES", "Describer"]
