"""The checks of one method, in the order in which they are told."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..cells import MethodSpec
from ..contracts import Method, Progress, silent
from ..errors import BadOption
from ..kinds import KINDS
from ..plan import Request, resolve_method, split_control, unused_settings
from ..registry import load_method
from . import contract, labels, robust, steady
from .bait import tells_reads
from .planted import Ask, Planted, plant
from .trials import Answer, Trial, Trials
from .verdict import Verdict, fault, not_covered, note, ok

JOBS = 3
"""Trials at once, where the machine has the cores."""

SMALL = "small"
"""Preset that is checked where a method has it and none is asked for."""


@dataclass(frozen=True)
class Wanted:
    """What is to be checked: a method's name or path, kinds (None: all that it supports), preset and options."""

    method: str
    kind: str | None = None
    preset: str | None = None
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """A method with its options, the data that are planted for it, and what runs it."""

    method: type[Method]
    spec: MethodSpec
    planted: Planted
    trials: Trials
    source: Path


def resolve(wanted: Wanted) -> tuple[type[Method], MethodSpec]:
    """The method with its options; preset "small" where it has one. Raises `BadOption`, `UnknownName`."""
    plugin, _ = load_method(split_control(wanted.method)[0])
    preset = wanted.preset or (SMALL if SMALL in plugin.presets else None)
    request = Request((), (wanted.method,), preset=preset, settings=wanted.settings)
    method, spec = resolve_method(request, wanted.method)
    unused_settings(request, [method])
    if wanted.kind is not None and wanted.kind not in method.supports:
        raise BadOption(
            f"{spec.name} does not support {wanted.kind!r}", f"it supports: {', '.join(method.supports) or 'none'}"
        )
    return method, spec


def check_method(wanted: Wanted, progress: Progress = silent) -> Iterator[Verdict]:
    """All verdicts, each as soon as it is known: first of the class, then of each kind."""
    method, spec = resolve(wanted)
    found = [*contract.contract(method), contract.card(method), contract.import_cost(spec.ref)]
    yield from found
    if any(verdict.level == "fault" for verdict in found):
        yield not_covered("run", "the class must be mended before it can be run")
        return
    kinds = [wanted.kind] if wanted.kind else [name for name in method.supports if name in KINDS]
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="brainbench-check-", ignore_cleanup_errors=True) as place:
            for verdict in check_kind(method, spec, kind, Path(place), progress):
                yield replace(verdict, kind=kind)


def check_kind(method: type[Method], spec: MethodSpec, kind: str, place: Path, progress: Progress) -> Iterator[Verdict]:
    """All verdicts on planted data of one kind."""
    planted = plant(Ask(kind, method, _fresh(place / "data")))
    source = Path(inspect.getfile(method)).resolve()
    jobs = max(1, min(JOBS, os.cpu_count() or 1))
    trials = Trials(spec, source, _fresh(place / "trials"), jobs, progress)
    bench = Bench(method, spec, planted, trials, source)
    (base,) = trials.run([Trial("first run", planted)])
    yield shapes(base)
    if not base.ok:
        return
    yield from _all(bench, base, tells_reads(place))


def shapes(base: Answer) -> Verdict:
    """Whether it runs, and returns what the kind asks for."""
    outcome, planted = base.outcome, base.trial.planted
    if outcome.status == "skipped":
        return not_covered("run", f"it skips the planted task: {outcome.reason}")
    if base.ok:
        learned = f"{len(planted.train)} items learned from" if planted.train else "no labels to learn from"
        return ok(
            "run",
            f"{learned}, {len(base.ids)} items predicted in the right shape, written and read back; "
            f"fit {outcome.fit_seconds:.1f} s, predict {outcome.predict_seconds:.1f} s",
            fit_seconds=outcome.fit_seconds, predict_seconds=outcome.predict_seconds,
        )  # fmt: skip
    hint = "see docs/plugins.md for what each kind asks for" if outcome.error == "BadPrediction" else ""
    return fault("run", f"{outcome.status}: {base.told}", hint)


def _all(bench: Bench, base: Answer, tells: bool) -> Iterator[Verdict]:
    """Everything that is compared with a first run that ended well. The common trials run side by side."""
    learned = steady.learned(base)
    yield learned
    wave: Sequence[Trial] = [*steady.trials(bench), *labels.trials(bench), *robust.trials(bench, base)]
    found = {answer.trial.name: answer for answer in bench.trials.run(wave)}
    yield from steady.same_seed(bench, base, found)
    yield steady.other_seed(bench, base, found)
    yield from labels.verdicts(bench, base, found, tells)
    yield from steady.company(bench, base, found)
    yield from robust.verdicts(bench, base, found, learned.level == "ok")
    yield cost(base)


def cost(base: Answer) -> Verdict:
    """What the board will print in its columns of costs."""
    outcome = base.outcome
    told = f"{outcome.peak_memory / 2**20:.0f} MiB at the most"
    parameters = outcome.report.get("parameters")
    if not isinstance(parameters, (int, float)):
        hint = 'let report() return {"parameters": the number of weights that are learned}'
        return note("report", f"{told}; report() tells no number of parameters: that column stays empty", hint)
    return ok("report", f"{told}; {parameters:,.0f} parameters", peak_memory=outcome.peak_memory)


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder
