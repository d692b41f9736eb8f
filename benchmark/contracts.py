"""What a plugin implements: Method, Task, Dataset, Metric, and the kinds that bind them.

Arrows point one way: the engine imports this file, and so does every plugin; this file imports
neither. A plugin never sees the engine's runner, store or board.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from .errors import BadOption, UnknownName
from .items import Items

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
"""Called as ``progress(label, done, total)``."""


@dataclass(frozen=True)
class Card:
    """What a reader must know of a method before believing its row.

    Attributes
    ----------
    title, summary
        Name as printed, and one or two sentences.
    paper
        Citation or address of the source that is followed; "" for our own controls.
    licence
        Licence of the method's code here.
    pretraining
        Data sets that its published or default weights were trained on.
    uses_covariates
        Covariates that it reads from a view (age, sex, site ...); empty when it reads scans only.
    parameters
        Trainable parameters in words; the record holds the counted number.
    notes
        Deviations from the source, and what is our own choice.
    """

    title: str
    summary: str
    paper: str = ""
    licence: str = "Apache-2.0"
    pretraining: tuple[str, ...] = ()
    uses_covariates: tuple[str, ...] = ()
    parameters: str = ""
    notes: str = ""


@dataclass(frozen=True)
class TaskInfo:
    """What a method is told of its task. It holds no label of any item.

    ``track`` says how subjects are joined, where a kind knows several ways; "" elsewhere. ``inputs`` names
    the arrays that an item holds, where a kind knows several: "series" (ROI series) or "volume" (4-D images).
    ``fields`` maps what a question asks to its labels, and ``paradigm`` is how it asks ("multi", "open").
    """

    name: str
    kind: str
    target: str
    classes: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    title: str = ""
    track: str = ""
    inputs: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    paradigm: str = ""


@dataclass(frozen=True)
class Train:
    """What a method learns from.

    Attributes
    ----------
    inputs
        The kind's view, the same type that `Method.predict` gets.
    targets
        The kind's targets, one an input: class indices (n,), floats (n,), graphs, texts ...
    groups
        (n,) integers: items of one subject or family share a number. Inner folds must not cut them.
    """

    inputs: Any
    targets: Any
    groups: np.ndarray


@dataclass(frozen=True)
class Source:
    """Labelled data of another task, without anybody who is tested."""

    info: TaskInfo
    train: Train


def silent(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Context:
    """What a method may use beside its data.

    Attributes
    ----------
    task
        The task, label-free.
    seed
        The only source of randomness.
    device, threads
        Torch device name ("cpu", "cuda:0"), and how many CPU threads to use.
    workdir
        A folder for scratch files, removed after the cell.
    progress
        ``progress(label, done, total)`` moves a bar; call it as often as is natural.
    checkpoint, save
        Weights to start from, and where to leave weights; None when not asked for.
    sources, support
        Labelled data of other tasks by name; and under a regime of few labels the few labelled items,
        the same object as ``fit`` gets, which is empty at zero shots. None where all labels are given.
    shared
        A folder, perhaps not there yet, that cells share which differ in their options or in their
        support alone. A method may keep there what took long and does not depend on the support, under
        a name that tells the options it depends on: see `brainbench.benchmark.files.made_once`. None when
        there is no such place.
    stage, resume
        Of pretraining: the stage that is asked for (0: all), and a folder that outlives an interruption.
    """

    task: TaskInfo
    seed: int
    workdir: Path
    device: str = "cpu"
    threads: int = 1
    progress: Progress = silent
    checkpoint: Path | None = None
    save: Path | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    support: Train | None = None
    shared: Path | None = None
    stage: int = 0
    resume: Path | None = None


class Method(ABC):
    """A system or baseline. Subclasses are dataclasses whose fields are the options of ``--set``.

    Class attributes
    ----------------
    card
        See `Card`.
    supports
        Kinds that it can run.
    presets
        Preset name -> option values. The first is the default.
    seeded
        Whether its results depend on the seed. A method that says False is run once, however many
        seeds are asked for.
    reads
        Arrays of an item that it needs ("series", "volume"); a task without them is skipped. Empty for
        a method that reads none.
    takes_checkpoint
        Whether it can start from the weights of ``context.checkpoint``; others refuse one.
    zero_shot
        Whether it can be fitted without a labelled item of the task, from ``context.sources``.
    controls
        Control name -> option values over those of the preset: the rows that show what a score rests
        on, such as the same method without the scan. Run as ``METHOD+CONTROL``.
    stages
        Number of stages that ``brainbench pretrain --stage`` can ask for.
    space
        Option name -> values that ``brainbench sweep`` draws from; empty for a method without a sweep. One with several
        spaces maps names to them, and its option ``member_space`` names the one in use. The first number in its
        `report` that begins with ``validation_`` ranks configurations: more is better, of ``..._loss`` and
        ``..._error`` less. A method with the options ``members`` and ``members_seed`` (number and seed of the draw)
        and ``top`` is an ensemble of the same configurations, which a sweep runs too.
    """

    card: ClassVar[Card]
    supports: ClassVar[tuple[str, ...]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    seeded: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ()
    takes_checkpoint: ClassVar[bool] = False
    zero_shot: ClassVar[bool] = False
    controls: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    stages: ClassVar[int] = 1
    space: ClassVar[Mapping[str, Sequence[Any] | Mapping[str, Sequence[Any]]]] = {}

    def skip(self, task: TaskInfo) -> str | None:
        """A reason why this task cannot be run, or None."""
        return None

    @abstractmethod
    def fit(self, train: Train, context: Context) -> None:
        """Learn from inputs and labels."""

    @abstractmethod
    def predict(self, test: Any, context: Context) -> Any:
        """Predict every item of a view, in its order, without labels."""

    def report(self) -> dict[str, Any]:
        """Plain JSON facts for the record: parameters, settings chosen, weights used."""
        return {}


@runtime_checkable
class Pretrainable(Protocol):
    """A method that can learn weights before it meets a task: ``brainbench pretrain``."""

    def pretrain(self, cohorts: Sequence[Any], context: Context) -> None:
        """Learn from label-free views, one a cohort, and leave the weights in the folder ``context.save``.

        Labelled data, where tasks were named, are in ``context.sources``.
        """


@dataclass(frozen=True)
class Fold:
    """One train/test cut, as item ids."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]


class Split(Protocol):
    """A rule that cuts a table into folds. See `brainbench.benchmark.splits`."""

    @property
    def name(self) -> str:
        """Short name that says the rule, such as ``5-fold``."""

    @property
    def min_per_class(self) -> int:
        """A fold is scored by itself only where every class has this many test items."""

    def folds(self, table: pd.DataFrame, target: str, seed: int) -> list[Fold]:
        """The folds of a table of items (columns subject, site, ..., and the target)."""


@dataclass(frozen=True)
class Task:
    """A data set, a target, a split and metrics: what is asked, and how it is judged.

    Attributes
    ----------
    name, title, description
        Name on the command line, one line, and a paragraph.
    family
        Groups tasks on the board.
    version
        Changes with the split, the data rules or the metrics. Versions are never ranked together.
    kind, dataset, target
        Name of the kind, name of the data set, and the column (or field) that holds the truth.
    classes
        Class names in index order; the last is the positive one of a binary task.
    covariates
        Columns a view carries beside the scan. The target and its proxies are never among them.
    split
        The default split rule.
    metrics
        Metric names; the first is the headline.
    pooled
        True where the headline pools the predictions of different folds' models.
    regimes
        Regime name (after ``@``) -> function of (task, argument) that returns the changed task.
    published
        (dataset, target) as printed in the tables of published numbers.
    test_dataset
        Another installed cohort to test on (external validation); None for the same.
    track
        How subjects are joined, where a kind knows several ways.
    parts
        Column whose values are scored apart and then averaged, such as whose brain it is; "" for all at once.
    inputs
        Arrays that an item holds, where a kind knows several: "series" or "volume".
    label
        Makes the target's column from the cohort's own columns, such as bands of age; None where the
        cohort holds it.
    fields, paradigm
        What a question asks, each with its labels, and how: "multi" (all answers in a fixed order) or
        "open" (free text).
    sources
        Tasks whose labelled data a method gets besides its own, where a regime says so (``uses_sources``).
    few
        Whether the labelled items are so few that a method should adapt what it knows already.
    derive
        Makes the items that are asked from those of the data set, such as all subjects as one item.
    computed_as
        The task whose predictions this one scores in another way; None for its own.
    oracle_of
        The task in whose table these rows stand without a rank, because they see what its methods do not.
    withheld
        Whether the truth of the test items may be missing: they are predicted, and its keeper scores them.
    interval
        What stands beside a score: an interval over test "subjects", over subjects and "draws" of the
        labelled items, or a "range" over half-samples of the subjects or seeds, where there is one item only.
    """

    name: str
    title: str
    family: str
    version: int
    kind: str
    dataset: str
    target: str
    split: Split
    metrics: tuple[str, ...]
    classes: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    description: str = ""
    pooled: bool = False
    regimes: Mapping[str, Callable[[Task, str], Task]] = field(default_factory=dict)
    published: tuple[str, str] | None = None
    test_dataset: str | None = None
    track: str = ""
    parts: str = ""
    inputs: tuple[str, ...] = ()
    label: Callable[[pd.DataFrame], pd.Series] | None = None
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    paradigm: str = ""
    sources: tuple[str, ...] = ()
    uses_sources: bool = False
    few: bool = False
    derive: Callable[[Items], Items] | None = None
    computed_as: Task | None = None
    oracle_of: str = ""
    withheld: bool = False
    interval: Literal["subjects", "draws", "range"] = "subjects"

    @property
    def info(self) -> TaskInfo:
        """What is asked, without any label."""
        return TaskInfo(
            name=self.name,
            kind=self.kind,
            target=self.target,
            classes=self.classes,
            covariates=self.covariates,
            title=self.title,
            track=self.track,
            inputs=self.inputs,
            fields=self.fields,
            paradigm=self.paradigm,
        )

    @property
    def run_as(self) -> Task:
        """The task that is run for this one: what a method is told of."""
        return self.computed_as or self

    def regime(self, text: str) -> Task:
        """The task under a regime such as ``site-out`` or ``external:my-cohort``."""
        key, colon, argument = text.partition(":")
        if key not in self.regimes:
            known = ", ".join(sorted(self.regimes)) or "none"
            raise BadOption(f"task {self.name!r} has no regime {key!r}", f"its regimes are: {known}")
        made = self.regimes[key](self, argument)
        if colon and not argument:  # the same task under a second name would be run twice
            raise BadOption(f"{self.name}@{text}: nothing after the colon", f"use  {self.name}@{key}")
        return replace(made, name=f"{self.name}@{text}")


Leaves = Literal["ids", "salted", "aggregates"]
"""What of a record may leave a lab: predictions under true ids, under salted ids, or scores over all people alone."""

LEAVES: tuple[Leaves, ...] = ("ids", "salted", "aggregates")
"""From the most to the least."""


@dataclass(frozen=True)
class DatasetCard:
    """What a data set holds and how a lab gets it.

    Attributes
    ----------
    title, summary, access, licence, expected, citation, counts
        In words.
    leaves
        What its agreement lets out of the lab; where a card says nothing, the least.
    open
        Whether anybody may fetch it without an agreement or registration, so that a bundle may hold a copy.
    """

    title: str
    summary: str
    access: str
    licence: str
    expected: str
    citation: str = ""
    counts: str = ""
    leaves: Leaves = "aggregates"
    open: bool = False


@dataclass(frozen=True)
class Ceiling:
    """The best attainable score of a simulated twin, from the generator's own likelihood ratio.

    Attributes
    ----------
    metric
        Metric that it bounds.
    value, error
        Monte-Carlo estimate and its standard error, for a method that reads the scan alone.
    with_covariates
        The same for one that also reads the covariates.
    at_training_size, training_size
        What the generator's sufficient statistics reach when their weights must be learned from
        that many subjects; None when not computed.
    note
        What the number assumes.
    """

    metric: str
    value: float
    error: float
    with_covariates: float | None = None
    at_training_size: float | None = None
    training_size: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Data:
    """A data set as loaded by the parent process: labels included, series still on disk.

    Attributes
    ----------
    items
        All items with a truth column or field; index = item id, column ``subject`` = cluster,
        column ``group`` = what a split must not cut (family, else subject).
    name, origin
        Cohort name, and "real", "public simulation" or "twin".
    fingerprint
        Hash of the content.
    inputs
        Hash of label-free inputs that may be added to without the task being another, such as features of films:
        methods choose among them. "" where the fingerprint holds all.
    ceilings
        Target, ``TARGET@REGIME``, or of a task with parts ``TARGET/PART`` -> best attainable score; only of a twin.
    folds
        Number of folds a small twin asks for instead of the task's own; None otherwise.
    """

    items: Items
    name: str
    origin: str
    fingerprint: str
    ceilings: Mapping[str, Ceiling] = field(default_factory=dict)
    folds: int | None = None
    inputs: str = ""

    def ceiling(self, task: Task) -> Ceiling | None:
        """What is attainable on a task: under its regime where that is known, else on its target."""
        regime = task.name.partition("@")[2].partition(":")[0]
        return self.ceilings.get(f"{task.target}@{regime}") or self.ceilings.get(task.target)


class Dataset(ABC):
    """A data set that tasks name. It finds what is installed, and can make its simulated twin."""

    name: str
    card: DatasetCard
    parts: ClassVar[tuple[str, ...]] = ()
    """Names of its parts, where a task takes one: ``netsim:3``."""

    @abstractmethod
    def load(self, source: str, progress: Progress = silent) -> Data:
        """The data from a source: "real", "simulated" or "simulated:SIZE".

        Raises `DataMissing`, with the commands that bring it, when it is not installed.
        """

    @abstractmethod
    def installed(self) -> bool:
        """Whether real data are on this machine."""


class Metric(ABC):
    """A number that compares truth and predictions.

    `resample` takes item counts instead of items, so that a point estimate (all ones) and a
    bootstrap (B rows of counts) are one vectorised computation.
    """

    name: str
    title: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    chance: ClassVar[float | None] = None

    def variant(self, part: str) -> Metric:
        """The metric of one part or under another protocol: ``NAME:PART``. Raises `UnknownName`."""
        raise UnknownName(f"metric {self.name!r} has no parts, such as {part!r}", f"write:  {self.name}")

    def made_with(self, truth: Any) -> str:
        """What the number rests on beside truth and prediction: weights, references, protocol. "" for nothing."""
        return ""

    @abstractmethod
    def resample(self, truth: Any, prediction: Any, counts: np.ndarray) -> np.ndarray:
        """Scores (B,) under counts (B, n); NaN where a resample leaves the metric undefined."""

    def score(self, truth: Any, prediction: Any) -> float:
        """The score of the whole set."""
        return float(self.resample(truth, prediction, np.ones((1, len(truth))))[0])


class Kind(ABC):
    """One kind of task: its views, its prediction type, how predictions are stored and checked.

    Class attributes
    ----------------
    name
        As tasks write it.
    inputs
        Columns and array fields that every view shows, beside the task's covariates.
    headline
        Metric names, the first the headline, for tasks that name none.
    apart
        Whether each test item is predicted by a method object of its own, which sees no other.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    headline: ClassVar[tuple[str, ...]] = ()
    apart: ClassVar[bool] = False

    @abstractmethod
    def view(self, items: Items, task: TaskInfo) -> Any:
        """The typed view of label-free items that a method gets."""

    @abstractmethod
    def targets(self, items: Items, task: TaskInfo) -> Any:
        """The typed truth of items that carry the target fields; its `len` is the items'."""

    def truth(self, items: Items, train: Items, task: TaskInfo) -> Any:
        """The truth as metrics get it: the targets, and what a metric needs of the training items'."""
        return self.targets(items, task)

    def target_fields(self, task: TaskInfo) -> tuple[str, ...]:
        """Columns and array fields that hold the truth."""
        return (task.target,)

    def clean(self, items: Items, task: TaskInfo) -> tuple[Items, dict[str, int]]:
        """Items that have a usable truth, and how many were left out for each reason."""
        return items, {}

    def practise(self, items: Items, task: TaskInfo) -> Items:
        """Training items as a method meets them, where they differ from test items: other wordings, say."""
        return items

    def present(self, items: Items, seed: int) -> tuple[Items, Any]:
        """Hide what a position would give away; returns the key that `restore` needs."""
        return items, None

    def restore(self, prediction: Any, key: Any) -> Any:
        """Undo `present` on a prediction."""
        return prediction

    @abstractmethod
    def check(self, prediction: Any, items: Items, task: TaskInfo) -> Any:
        """The prediction in its canonical type, or `BadPrediction` with the reason."""

    @abstractmethod
    def save(self, prediction: Any, folder: Path, task: TaskInfo) -> None:
        """Write a checked prediction into an empty folder, without pickles."""

    @abstractmethod
    def load(self, folder: Path, task: TaskInfo) -> Any:
        """Read what `save` wrote; the folder is untrusted."""

    def outside(self, path: Path, wanted: Sequence[str], task: TaskInfo) -> Any:
        """Predictions from a file that was made elsewhere, for these item ids and in this order.

        The file is untrusted. Raises `BadData`; `BadOption` for a kind without a file format.
        """
        raise BadOption(f"predictions of kind {self.name!r} are not read from files", f"run a method:  {task.name}")

    def references(self, path: Path, task: TaskInfo) -> Items:
        """Items (index: ids; columns subject and group) with a truth of the user's own. Raises as `outside`."""
        raise BadOption(f"references of kind {self.name!r} are not read from files", "leave --references out")

    def scorable(self, truth: Any, least: int) -> bool:
        """Whether a fold with this truth is scored by itself; ``least`` is the split's `min_per_class`."""
        return len(truth) > 0

    def controls(self, truth: Any) -> dict[str, Any]:
        """Predictions made from the truth itself, whose scores say what a number is worth."""
        return {}

    def distinct(self, truth: Any) -> tuple[str, ...]:
        """Hashes of the different truths, where items share few; empty elsewhere."""
        return ()

    def pieces(self, truth: Any, prediction: Any) -> tuple[Any, Any, list[tuple[int, str]]] | None:
        """Truth and prediction as a bootstrap draws them, where an item is a long series; else None.

        For each piece the position of its item, and a label within that item: pieces with the same item and label
        are drawn together.
        """
        return None

    def take(self, values: Any, rows: Sequence[int] | np.ndarray) -> Any:
        """A truth or prediction of some items, by position."""
        return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]

    def concat(self, parts: Sequence[Any]) -> Any:
        """Truths or predictions of several folds as one."""
        if isinstance(parts[0], np.ndarray):
            return np.concatenate(list(parts))
        return [item for part in parts for item in part]
