"""What a watched process opened, sorted into what a method may do, what a user should know, and what it must not."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..home import home
from .bait import LABELLED

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64", "/bin", "/var", "/run")
CACHES = ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TRANSFORMERS_CACHE")

ORDINARY = ("ldconfig", "uname", "lscpu")
"""Programs that libraries start to learn where they are."""


class Seen(NamedTuple):
    """One doing: ``what`` is "open", "start" or "connect"."""

    what: str
    told: str


def read_seen(file: Path) -> tuple[Seen, ...]:
    """What a watched process wrote down."""
    if not file.is_file():
        return ()
    lines = file.read_text(errors="replace").splitlines()
    return tuple(Seen(*json.loads(line)) for line in lines if line.endswith("]"))


def forbidden(seen: Iterable[Seen], trials: Path) -> list[str]:
    """Opened places that hold labels: the bait of a trial, and the real home's cohorts and the real store."""
    store = Path(os.environ.get("BRAINBENCH_STORE") or "runs").absolute()
    real = [home() / name for name in LABELLED] + [store]
    found = []
    for path in _opened(seen):
        inside = path.relative_to(trials).parts[1:] if path.is_relative_to(trials) else ()
        if inside[:2] in {("home", name) for name in (*LABELLED, "runs")}:
            found.append("/".join(("$BRAINBENCH_HOME", *inside[1:])))
        elif any(path.is_relative_to(place) for place in real):
            found.append(str(path))
    return found


def elsewhere(seen: Iterable[Seen], trials: Path, source: Path) -> tuple[list[str], list[str]]:
    """Opened files that are nobody's business but may matter: those in caches of weights, and all others."""
    caches = [Path(os.environ[name]) for name in CACHES if name in os.environ]
    caches += [Path.home() / ".cache", home(), trials]
    ordinary = [ROOT, source.parent, Path(tempfile.gettempdir()), *map(Path, SYSTEM)]
    python = _python()  # some tools keep whole environments in a cache
    cached, other = [], []
    for path in _opened(seen):
        if any(path.is_relative_to(place) for place in python):
            continue
        if path.is_relative_to(trials):
            inside = path.relative_to(trials).parts[1:]
            if inside[:1] == ("home",) and len(inside) > 1 and inside[1] not in (*LABELLED, "runs"):
                cached.append("/".join(("$BRAINBENCH_HOME", *inside[1:])))
        elif any(path.is_relative_to(place) for place in caches):
            cached.append(str(path))
        elif path.is_file() and not any(path.is_relative_to(place) for place in ordinary):
            other.append(str(path))
    return cached, other


def told(seen: Iterable[Seen], what: str) -> list[str]:
    """Different programs started, or hosts connected to."""
    found = dict.fromkeys(one.told for one in seen if one.what == what)
    return [name for name in found if what != "start" or Path(name).name not in ORDINARY]


def _opened(seen: Iterable[Seen]) -> list[Path]:
    return [Path(os.path.normpath(one)) for one in told(seen, "open")]


def _python() -> Sequence[Path]:
    """Where the interpreter and its packages lie; a ``.pth`` file may name another environment's."""
    packages = {place for place in sys.path if Path(place).name in ("site-packages", "dist-packages")}
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values(), *packages}
    return [Path(place) for place in places]
