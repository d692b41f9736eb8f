"""From what a person asked to a plan of cells: what will be computed, and what is already there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .audit import pretraining_overlap
from .cells import Cell, MethodSpec, configure, option_fields
from .contracts import Method, Progress, Task
from .errors import BadData, BadOption, DataMissing
from .files import digest_file
from .loading import Loaded, choose_source, cut, load
from .record import Finding
from .registry import load_method, load_metric, load_task
from .source import source_hash
from .sources import Lent, fingerprint, load_sources
from .splits import HALVES, SplitManifest
from .store import Store


@dataclass(frozen=True)
class Request:
    """What was asked on the command line.

    Attributes
    ----------
    tasks, methods
        Names (or paths); a method's control is written ``METHOD+CONTROL``.
    data
        auto, real, simulated or simulated:SIZE.
    preset, settings
        Preset for all methods; ``key=value`` texts, ``METHOD.key=value`` for one method.
    folds, seeds
        Number of folds instead of the task's, and number of method seeds.
    device
        Torch device.
    checkpoint, save, allow_overlap
        Weights to start from, a folder to leave weights in, and whether overlap is tolerated.
    controls
        Whether every method's controls are run beside it.
    metrics
        Metrics beside the tasks' own.
    """

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    data: str = "auto"
    preset: str | None = None
    settings: tuple[str, ...] = ()
    folds: int | None = None
    seeds: int = 1
    device: str = "cpu"
    checkpoint: Path | None = None
    save: Path | None = None
    allow_overlap: bool = False
    controls: bool = False
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One method on one task: the cells that make a record."""

    task: Task
    task_ref: str
    source: str
    loaded: Loaded
    split: SplitManifest
    method: type[Method]
    spec: MethodSpec
    cells: tuple[Cell, ...]
    overlap: Finding | None = None
    sources: tuple[Lent, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Rows in the order in which they run, what was chosen for the user, and why tasks are missing."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def cells(self) -> list[tuple[Row, Cell]]:
        """All cells with their rows."""
        return [(row, cell) for row in self.rows for cell in row.cells]


def make_plan(request: Request, progress: Progress) -> Plan:
    """Load the data of every task once, cut it, and list the cells."""
    found = [(with_metrics(task, request.metrics), ref) for task, ref in map(load_task, request.tasks)]
    tasks = [task for task, _ in found]
    unused_settings(request, [load_method(split_control(name)[0])[0] for name in request.methods])
    methods = [resolve_method(request, name) for name in with_controls(request)]
    source, note = choose_source(tasks, request.data)
    notes = [note] if note else []
    rows = []
    missing: dict[str, str] = {}
    for task, ref in found:
        try:
            loaded = load(task, source, progress)
            sources = load_sources(task, loaded, source, progress)
        except (DataMissing, BadData) as error:
            if len(found) == 1:
                raise
            missing[task.name] = error.message
            continue
        split = cut(task, loaded, request.folds, fingerprint(loaded.data, sources))
        for reason, count in loaded.left_out.items():
            notes.append(f"{task.name}: {count} of {count + len(loaded.items)} items are left out: {reason}")
        overlap = None
        if request.checkpoint:
            overlap = pretraining_overlap(request.checkpoint, loaded.items, split, request.allow_overlap)
        for method, spec in methods:
            cells = make_cells(request, task, split, method, spec, loaded.data.inputs)
            rows.append(Row(task, ref, source, loaded, split, method, spec, cells, overlap, sources))
    if not rows:
        raise DataMissing(
            f"none of the {len(found)} tasks has its data: {next(iter(missing.values()))}",
            "see `brainbench data list`, or use  --data simulated",
        )
    return Plan(tuple(rows), tuple(notes), missing)


def with_metrics(task: Task, metrics: Sequence[str]) -> Task:
    """The task with further metrics, after its own. Raises `UnknownName`."""
    extra = [name for name in dict.fromkeys(metrics) if name not in task.metrics]
    for name in extra:
        load_metric(name)
    return replace(task, metrics=(*task.metrics, *extra))


def make_cells(
    request: Request, task: Task, split: SplitManifest, method: type[Method], spec: MethodSpec, inputs: str = ""
) -> tuple[Cell, ...]:
    """Folds times seeds; a method without seeds is run once, one with seeds needs no half-samples."""
    told = task.run_as
    return tuple(
        Cell(
            task=told.name,
            version=told.version,
            method=spec,
            data=split.data,
            split=split.hash,
            fold=fold,
            seed=seed,
            device=request.device.partition(":")[0],
            track=told.track or None,
            inputs=inputs,
        )
        for seed in range(request.seeds if method.seeded else 1)
        for fold in split.folds
        if not (method.seeded and fold == HALVES)
    )


def split_control(name: str) -> tuple[str, str]:
    """Name of a method, and of its control or ""."""
    place, colon, last = name.rpartition(":")  # a plus in a folder's name is not a control
    method, _, control = last.partition("+")
    return place + colon + method, control


def with_controls(request: Request) -> tuple[str, ...]:
    """The methods of a request, each followed by its controls where they are asked for."""
    if not request.controls:
        return request.methods
    found = [
        each for name in request.methods for each in (name, *(f"{name}+{control}" for control in controls_of(name)))
    ]
    if not any(split_control(name)[1] for name in found):
        raise BadOption(f"--controls: no controls of {', '.join(request.methods)}", "leave out --controls")
    return tuple(dict.fromkeys(found))


def controls_of(name: str) -> tuple[str, ...]:
    """Names of a method's controls; none of a control."""
    method, control = split_control(name)
    return () if control else tuple(load_method(method)[0].controls)


def control_options(method: type[Method], name: str, control: str) -> dict[str, Any]:
    """The options that a control sets. Raises `BadOption` for one that the method does not have."""
    if not control:
        return {}
    if control not in method.controls:
        known = f"its controls: {', '.join(method.controls)}" if method.controls else f"it has none: use  {name}"
        raise BadOption(f"{name} has no control {control!r}", known)
    return dict(method.controls[control])


def resolve_method(request: Request, name: str) -> tuple[type[Method], MethodSpec]:
    """A method, or a control of it, with its preset and options."""
    base, control = split_control(name)
    method, entry = load_method(base)
    if name == f"{base}+":
        raise BadOption(f"{name}: no control after the +", f"use  {base}  or  {base}+CONTROL")
    if request.checkpoint and not method.takes_checkpoint:
        raise BadOption(f"{entry.name} cannot start from weights", "leave out --checkpoint, or run it by itself")
    preset = request.preset
    if preset is not None and len(request.methods) > 1 and preset not in method.presets:
        preset = None
    chosen, options = configure(method, preset, settings_of(request, base, method))
    options |= control_options(method, base, control)
    weights = weights_hash(request.checkpoint) if request.checkpoint else ""
    return method, MethodSpec(
        name=f"{entry.name}+{control}" if control else entry.name,
        ref=entry.ref,
        preset=chosen,
        options=plain(options),
        source=source_hash(method),
        weights=weights,
    )


def bases(request: Request) -> set[str]:
    """Names of the methods of a request, without their controls."""
    return {split_control(name)[0] for name in request.methods}


def settings_of(request: Request, name: str, method: type[Method]) -> dict[str, str]:
    """The ``--set`` texts that are meant for a method."""
    found = {}
    for text in request.settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadOption(f"--set {text}: expected key=value", "for one method of several: --set METHOD.key=value")
        owner, dot, option = key.rpartition(".")
        if (dot and owner == name) or (not dot and (len(bases(request)) == 1 or option in option_fields(method))):
            found[option] = value
    return found


def unused_settings(request: Request, methods: Sequence[type[Method]]) -> None:
    """Raise `BadOption` for a ``--set`` that no method of the run takes."""
    for text in request.settings:
        owner, _, option = text.partition("=")[0].rpartition(".")
        base, control = split_control(owner)
        if control and base in bases(request):
            told = text.replace(f"{owner}.", f"{base}.", 1)
            raise BadOption(f"--set {text}: a control takes the options of its method", f"use  --set {told}")
        if (owner and owner not in bases(request)) or not any(option in option_fields(method) for method in methods):
            taken = sorted({name for method in methods for name in option_fields(method)})
            raise BadOption(f"--set {text}: no method of this run takes it", f"options: {', '.join(taken) or 'none'}")


def plain(options: dict[str, Any]) -> dict[str, Any]:
    """Options as JSON values: tuples become lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}


def weights_hash(checkpoint: Path) -> str:
    """Hash of a checkpoint file, or of all files of a checkpoint folder; of many, one hash of them all."""
    if not checkpoint.exists():
        raise BadOption(f"--checkpoint {checkpoint}: no such file")
    files = sorted(checkpoint.rglob("*")) if checkpoint.is_dir() else [checkpoint]
    told = "-".join(digest_file(file)[:12] for file in files if file.is_file())
    return told if len(told) <= 64 else hashlib.sha256(told.encode()).hexdigest()


def why_not_cached(cell: Cell, known: Sequence[Cell]) -> str:
    """Why a cell must be computed: it is new, or what changed since the nearest finished one."""
    near = [
        other
        for other in known
        if (other.task, other.fold, other.seed) == (cell.task, cell.fold, cell.seed)
        and other.method.ref == cell.method.ref
    ]
    if not near:
        return "new"
    fewest = min((changes(cell, other) for other in near), key=len)
    return "changed: " + ", ".join(fewest)


def changes(cell: Cell, other: Cell) -> list[str]:
    """Names of the coordinates that differ."""
    found = [
        name
        for name in ("version", "data", "split", "device", "draw", "scope", "track")
        if getattr(cell, name) != getattr(other, name)
    ]
    found += [name for name in ("source", "weights") if getattr(cell.method, name) != getattr(other.method, name)]
    options = {**cell.method.options, **other.method.options}
    found += [f"option {name}" for name in options if cell.method.options.get(name) != other.method.options.get(name)]
    return found


def known_cells(store: Store) -> list[Cell]:
    """Coordinates of all finished cells of a store."""
    found = []
    for path in sorted((store.path / "cells").glob("*/cell.json")):
        try:
            found.append(Cell.model_validate_json(path.read_text()))
        except ValueError:
            continue
    return found
