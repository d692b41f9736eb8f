"""Recordings of networks with a known or assumed directed graph: readers, the format on disk, checks."""
