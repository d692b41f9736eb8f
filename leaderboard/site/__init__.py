"""The board as a static site: no server, no network, no tracker. It draws sheets and records, and computes nothing."""

from .inputs import BoardSheet, SuiteSheet
from .write import write_site

__all__ = ["BoardSheet", "SuiteSheet", "write_site"]
