"""Versions of the generators, apart from them: whether a stored twin is today's is asked at each run.

Each changes when the same seed gives other data or another ceiling.
"""

from __future__ import annotations

RESTING = 2
"""Of `twin.write_twin`."""

VOLUMES = 2
"""Of `volumes.simulate`."""

FILMS = 1
"""Of `movie_twin.simulate`."""

PICTURES = 2
"""Of `nsd_twin.simulate`."""
