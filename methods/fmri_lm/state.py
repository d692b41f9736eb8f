"""What a trained fMRI-LM consists of after each stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...benchmark.describe import Describer
from ...benchmark.errors import BadOption
from ...benchmark.preprocess import SiteScale
from .reader import Reader
from .tokenizer import Tokenizer


@dataclass
class State:
    """A model after one of its stages, and what it needs to read a new scan.

    Attributes
    ----------
    stage
        The last stage that was trained.
    tokenizer
        Of stage 1.
    reader
        Tokenizer, adapter and language model together; None after stage 1.
    scale, describer
        Site scale and descriptor statistics of the training scans.
    seed
        Of the fit; the tiny random language model is built from it.
    facts
        Of the report.
    learned
        What stage 3 must remember beside weights (plain JSON values), such as the classes.
    """

    stage: int
    tokenizer: Tokenizer
    scale: SiteScale
    describer: Describer
    seed: int
    reader: Reader | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    learned: dict[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> Reader:
        """The reader. Raises `BadOption` for a state that stage 1 alone has made."""
        if self.reader is None:
            raise BadOption("these weights are of stage 1 alone: no language model reads them", "train stage 2 first")
        return self.reader
