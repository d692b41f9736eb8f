"""What can be said of a method without running it: options, card, kinds, presets, and what its import costs."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from ..cells import option_fields
from ..contracts import Card, Method, TaskInfo
from ..errors import BrainbenchError, near
from ..kinds import KINDS
from ..plan import plain
from .verdict import Verdict, fault, note, ok

CONTRACT, CARD, IMPORT = "contract", "card", "import"

HEAVY = ("torch", "transformers", "nilearn", "tensorflow", "jax", "diffusers", "open_clip")
"""Packages that take seconds to import."""

SLOW = 3.0
"""Seconds that an import may take."""

PROBE = (
    "import json, sys, time; from {root}.benchmark.registry import find; import {root}.benchmark.cells, sklearn; "
    "start = time.perf_counter(); find('methods', sys.argv[1]).load(); "
    "print(json.dumps([time.perf_counter() - start, [n for n in {heavy!r} if n in sys.modules]]))"
)


def contract(method: type[Method]) -> Iterator[Verdict]:
    """Faults of the class, or one verdict that there are none."""
    problems = [*_options(method), *_kinds(method), *_presets(method), *_flags(method)]
    yield from problems
    if not any(verdict.level == "fault" for verdict in problems):
        names = ", ".join(option_fields(method)) or "none"
        yield ok(
            CONTRACT,
            f"options: {names}; presets: {', '.join(method.presets) or 'none'}; kinds: {', '.join(method.supports)}",
        )


def _options(method: type[Method]) -> Iterator[Verdict]:
    """Options are dataclass fields with a default that JSON can hold and a type that can be typed."""
    if "__dataclass_fields__" not in vars(method):
        own = [name for name in vars(method).get("__annotations__", {}) if name not in _class_variables(method)]
        if own:
            yield fault(
                CONTRACT, f"{', '.join(own)}: no options, as the class is no dataclass", "put @dataclass above it"
            )
    try:
        hints = typing.get_type_hints(method)
    except Exception as error:
        yield fault(CONTRACT, f"the types of its options cannot be read: {error}", "import what they name")
        return
    for name, field in option_fields(method).items():
        if not field.init:
            continue
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            yield fault(CONTRACT, f"option {name} has no default", f"write  {name}: {field.type} = ...")
        try:
            TypeAdapter(hints[name])
        except Exception:
            hint = "use int, float, str, bool, tuple, or a union of these; what is not an option is set in fit"
            yield fault(CONTRACT, f"option {name}: a value of type {field.type} cannot be typed after --set", hint)


def _class_variables(method: type[Method]) -> set[str]:
    """Names that are no options: ClassVar, and what `Method` declares."""
    told = vars(method).get("__annotations__", {})
    return {name for name, hint in told.items() if "ClassVar" in str(hint)} | set(Method.__annotations__)


def _kinds(method: type[Method]) -> Iterator[Verdict]:
    if isinstance(method.supports, str) or not method.supports:
        yield fault(CONTRACT, f"supports = {method.supports!r}", 'write a tuple:  supports = ("classification",)')
        return
    for name in method.supports:
        if name not in KINDS:
            hint = near(str(name), KINDS, f"kinds: {', '.join(KINDS)}")
            yield fault(CONTRACT, f"supports names the kind {name!r}, which there is not", hint)


def _presets(method: type[Method]) -> Iterator[Verdict]:
    """Every preset and control names options, and makes a method from them after a way through JSON."""
    fields = option_fields(method)
    named: dict[str, Mapping[str, Any]] = {"the defaults": {}}
    named |= {f"preset {name!r}": values for name, values in method.presets.items()}
    named |= {f"control {name!r}": values for name, values in method.controls.items()}
    for title, values in named.items():
        unknown = [name for name in values if name not in fields]
        if unknown:
            yield fault(
                CONTRACT, f"{title} sets {', '.join(unknown)}, which is no option", f"options: {', '.join(fields)}"
            )
            continue
        try:
            method(**json.loads(json.dumps(plain(dict(values)))))
        except BrainbenchError as error:
            yield note(CONTRACT, f"{title}: {error.message}", error.hint)
        except Exception as error:
            yield fault(
                CONTRACT, f"{title}: no method can be made of {dict(values)} ({type(error).__name__}: {error})",
                "options are numbers, texts, lists and None; __init__ is the dataclass's own",
            )  # fmt: skip


def _flags(method: type[Method]) -> Iterator[Verdict]:
    """Class attributes of the wrong type."""
    for name in ("seeded", "takes_checkpoint", "zero_shot"):
        if not isinstance(getattr(method, name), bool):
            yield fault(CONTRACT, f"{name} = {getattr(method, name)!r}", f"write  {name} = True  or  {name} = False")
    wrong = [name for name in method.reads if name not in ("series", "volume")]
    if wrong or isinstance(method.reads, str):
        yield fault(CONTRACT, f"reads = {method.reads!r}", 'write  reads = ("series",)  or  reads = ("volume",)')


def card(method: type[Method]) -> Verdict:
    """Whether the card says what a reader of a table needs."""
    told = method.card
    if not isinstance(told, Card):
        return fault(CARD, f"card is a {type(told).__name__}", 'write  card = Card(title="...", summary="...")')
    empty = [name for name in ("title", "summary", "licence") if not str(getattr(told, name)).strip()]
    if empty:
        return fault(CARD, f"the card has no {' and no '.join(empty)}", "a reader of the table must know")
    if isinstance(told.uses_covariates, str) or isinstance(told.pretraining, str):
        return fault(CARD, "uses_covariates and pretraining are tuples of names", 'write  uses_covariates = ("age",)')
    if "TODO" in f"{told.title}{told.summary}{told.paper}{told.notes}":
        return fault(CARD, "the card still says TODO", "say in a sentence or two what the method does")
    reads = f"reads {', '.join(told.uses_covariates)} beside the scan" if told.uses_covariates else "reads no covariate"
    return ok(CARD, f"{told.title!r}, licence {told.licence}; {reads}; source: {told.paper or 'our own'}")


def skips(method: type[Method], options: Mapping[str, Any], info: TaskInfo) -> str | None:
    """The reason why a method skips a task, or None."""
    reason: str | None = method(**options).skip(info)
    return reason


def import_cost(ref: str) -> Verdict:
    """What importing the method's module alone costs, in a process of its own."""
    root = __name__.partition(".benchmark.")[0]
    command = [sys.executable, "-c", PROBE.format(root=root, heavy=HEAVY), ref]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        return fault(
            IMPORT, f"cannot be imported by itself: {done.stderr.strip().splitlines()[-1:] or 'no reason given'}"
        )
    seconds, heavy = json.loads(done.stdout.splitlines()[-1])
    if heavy or seconds > SLOW:
        told = f"importing it takes {seconds:.1f} s" + (f" and brings {', '.join(heavy)}" if heavy else "")
        return note(IMPORT, told, "import heavy packages inside fit and predict: `brainbench methods` imports them all")
    return ok(IMPORT, f"importing it takes {seconds:.1f} s", seconds=seconds)
