"""The board: published numbers, ranking, tables."""
