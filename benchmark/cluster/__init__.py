"""Cells on other machines: a Dask scheduler's workers, started by hand or as jobs of a batch queue."""
