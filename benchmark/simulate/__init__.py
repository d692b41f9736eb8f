"""Simulated twins: the same schema as the real data, a planted effect, a known best score."""
