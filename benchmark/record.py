"""Records: what is kept of a run, whole and self-contained."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from .cells import MethodSpec

SCHEMA_VERSION = 2
"""Changes with every change of form: `migrations` reads the earlier ones, of which `tests/records` keeps some."""

CONTENT_VERSION = 1
"""The last schema that changed something outside the environment: hashes of the content are of this form."""

DRAWN = "mean over draws"
"""``ScorePart.aggregate`` where the folds are draws of the labelled items, all tested on the same subjects."""

OWN = "own references"
"""``DataPart.source`` where the truth was a file of the user's; such a record is not ranked, nor scored again."""


class Strict(BaseModel):
    """Base of the parts of a record: unknown fields are an error."""

    model_config = ConfigDict(extra="forbid")


class TaskPart(Strict):
    """What was asked: full name with regime, what finds it again, version, family, kind, target ..."""

    name: str
    ref: str
    version: int
    title: str
    family: str
    kind: str
    dataset: str
    target: str
    classes: tuple[str, ...]
    metrics: tuple[str, ...]
    pooled: bool
    published: tuple[str, str] | None
    track: str = ""
    parts: str = ""
    oracle_of: str = ""


class DataPart(Strict):
    """On what: cohort name, source asked for, origin (real | public simulation | twin), counts.

    ``truths`` are hashes of the different truths, where items share few, such as one graph;
    ``reference`` says what stands in the place of a truth that is not known; ``inputs`` see `Data`.
    """

    name: str
    source: str
    origin: str
    fingerprint: str
    items: int
    subjects: int
    sites: int
    left_out: dict[str, int]
    truths: tuple[str, ...] = ()
    reference: str = ""
    inputs: str = ""


class SplitPart(Strict):
    """How it was cut: the rule, the manifest's hash, and the folds' names in order."""

    rule: str
    hash: str
    folds: tuple[str, ...]


class CellPart(Strict):
    """One cell: where it stands, how it ended, and its own scores.

    ``prediction`` is the SHA-256 of its prediction files; ``items`` the number of test items.
    """

    fold: str
    seed: int
    key: str
    status: str
    reason: str
    items: int
    scores: dict[str, float | None]
    prediction: str
    report: dict[str, Any]


class ScorePart(Strict):
    """A metric over all cells.

    Attributes
    ----------
    value
        Mean over folds (and seeds), or the pooled score where ``aggregate`` says so.
    low, high
        95 % interval over test subjects, given the trained models; or what ``spread`` says.
    spread
        What low and high are, where they are not that interval: a range over so many seeds or
        half-samples of the subjects.
    fold_sd, seed_sd, item_sd
        Standard deviation over folds, over seeds (None for one seed), and over test items where
        each is judged by itself.
    pooled
        Score of all finished folds' predictions ranked together.
    folds
        Number of folds (and parts) that define it.
    parts
        The score of each part, such as a brain, where the value is their mean.
    made_with
        What it rests on: weights, references, protocol.
    missing
        Why it could not be computed where it was scored, and what would help.
    """

    value: float | None
    low: float | None
    high: float | None
    fold_sd: float | None
    seed_sd: float | None
    pooled: float | None
    aggregate: str
    folds: int
    chance: float | None
    higher_is_better: bool
    spread: str = ""
    item_sd: float | None = None
    parts: dict[str, float | None] = {}
    made_with: str = ""
    missing: str = ""

    @property
    def told(self) -> str:
        """``0.771 [0.735, 0.806]``: the value with its interval, as far as there is one."""
        if self.value is None:
            return "-"
        around = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{around}"


class CeilingPart(Strict):
    """Best attainable score of a twin, and the share of it that was reached."""

    metric: str
    value: float
    error: float
    with_covariates: float | None
    at_training_size: float | None
    training_size: int | None
    share: float | None
    note: str


class Finding(Strict):
    """One line of the leak audit: which detector, what it found, and whether it is a leak."""

    detector: str
    level: str
    message: str


class CellCost(Strict):
    """Seconds and bytes of a cell, and the machine that computed it ("": not known)."""

    fit_seconds: float
    predict_seconds: float
    peak_memory: int
    host: str


class Environment(Strict):
    """Where and when: nothing here enters a comparison or a hash. ``host`` put the record together."""

    created: str
    host: str
    platform: str
    processor: str
    cores: int
    memory: int
    device: str
    threads: int
    executor: str
    git_revision: str
    git_dirty: bool | None
    packages: dict[str, str]
    cells: dict[str, CellCost]


class Record(Strict):
    """One method on one task: everything a table or a reader needs.

    ``isolated`` says whether the worker's file system was closed to the labels; ``ranked`` is False
    for a run that was allowed to overlap with its pretraining; ``controls`` are scores of predictions
    that were made from the truth itself.
    """

    schema_version: int = SCHEMA_VERSION
    id: str
    row: str = "reproduced"
    harness: str
    task: TaskPart
    method: MethodSpec
    card: dict[str, Any]
    data: DataPart
    split: SplitPart
    seeds: tuple[int, ...]
    status: str
    reason: str
    scores: dict[str, ScorePart]
    cells: tuple[CellPart, ...]
    ceiling: CeilingPart | None
    controls: dict[str, dict[str, float | None]] = {}
    audit: tuple[Finding, ...]
    isolated: bool
    ranked: bool
    environment: Environment

    @property
    def content_hash(self) -> str:
        """Hash of all but the environment: equal however the record was made."""
        content = self.model_dump(mode="json", exclude={"environment"}) | {"schema_version": CONTENT_VERSION}
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
