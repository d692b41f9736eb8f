"""Metrics, one file a family."""

METRICS: dict[str, str] = {}
