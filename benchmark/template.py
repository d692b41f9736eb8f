"""A worker process that stays: it pays the imports once, and forks one child a cell. Linux only.

What a method does in a cell (module globals, environment, signal handlers, threads, random state) ends with the child:
folds test what others train on. The template itself runs no cell, hence no kernel and no thread of a library, and
opens no graphics card: what is forked after that may hang.

It imports the modules of this package's methods, and the modules of well-known libraries that its last child ended
with. It serves all methods of this package, or one method from elsewhere, since that one may set the environment or
the import path before it imports; for another it starts anew, in the same process.

Protocol: as of `worker`, and ``{"child": pid}`` before a child begins with its cell, ``{"ended": code}`` when it and
all that it started are gone.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import psutil

from . import kinds, staging  # noqa: F401  (what every child needs)
from .items import Items
from .registry import ROOT, entries, find
from .worker import serve_cell

LIBRARIES = frozenset({
    ROOT, *sys.stdlib_module_names, "causallearn", "h5py", "himalaya", "joblib", "lingam", "networkx", "nibabel",
    "nilearn", "numpy", "pandas", "peft", "PIL", "psutil", "pyarrow", "pydantic", "pydantic_core", "safetensors",
    "scipy", "skimage", "sklearn", "statsmodels", "threadpoolctl", "tokenizers", "torch", "torchvision", "tqdm",
    "transformers",
})  # fmt: skip
"""What may be imported before a fork: importing these runs no kernel, opens no graphics card and starts no thread.

But for those that see to a fork themselves: of OpenBLAS, and of the allocator of pyarrow.
"""

SET_BY_LIBRARIES = frozenset({"CUBLAS_WORKSPACE_CONFIG", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"})
"""Variables that scikit-learn sets when it is imported, and this package's training: no import depends on them."""

LOOK_SECONDS = 1.0
"""How often it looks whether its parent lives, beside the pipe that closes with it."""

DEATH_SIGNAL, SUBREAPER = 1, 36
"""Options of prctl(2): the signal that comes when the parent ends, and to adopt what orphaned descendants there are."""

REHEARSALS = 4
"""How often what every child does is done beforehand: Python rewrites code that has run some times."""

ENVIRONMENT = dict(os.environ)


class Template:
    """Serves the folders that come down a pipe, a child each.

    Parameters
    ----------
    parent
        Process id of who started it; it ends when that one is gone.
    folders, messages
        Descriptors of the pipes: folders in, messages out.
    """

    def __init__(self, parent: int, folders: int, messages: int) -> None:
        self._parent, self._folders, self._messages = parent, folders, messages
        self._own = os.getpid()
        self._served: str | None = None

    def serve(self, first: Path | None) -> None:
        """Serve cells, ``first`` before what comes down the pipe, until that closes or the parent is gone."""
        pending, folder = b"", first
        while True:
            if folder is not None:
                self._cell(folder)
            while b"\n" not in pending:
                self._idle([self._folders])
                if not (got := os.read(self._folders, 1 << 16)):
                    return
                pending += got
            line, _, pending = pending.partition(b"\n")
            folder = Path(os.fsdecode(line))

    def _cell(self, folder: Path) -> None:
        method = method_of(folder)
        served = "" if is_own(method) else method
        if self._served not in (None, served):
            self._begin_anew(folder)
        self._served = served
        if not served:
            bring([find("methods", method).target.partition(":")[0]])
        learned = os.memfd_create("modules")
        child = os.fork()
        if not child:
            self._child(folder, learned, trusted=not served)
        code = self._wait(child)
        end_all(child)
        self._tell({"ended": code})
        with os.fdopen(learned, "rb") as file:
            file.seek(0)
            if told := file.read():
                bring(json.loads(told))

    def _child(self, folder: Path, learned: int, trusted: bool) -> NoReturn:
        """Run a cell, and end."""
        code = 1
        try:
            control(DEATH_SIGNAL, signal.SIGKILL)
            if os.getppid() == self._own:
                os.setsid()
                os.close(self._folders)
                self._tell({"child": os.getpid()})
                code = run_alone(folder, self._messages, learned, trusted)
        except SystemExit as ended:
            code = exit_code(ended)
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code & 0xFF)

    def _wait(self, child: int) -> int:
        """How a child ended: its exit code, or minus the signal."""
        handle = os.pidfd_open(child)
        try:
            if self._idle([handle, self._folders]) != handle:  # the pipe closed: nobody waits for the cell
                end_all(child)
                os._exit(1)
        finally:
            os.close(handle)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def _idle(self, descriptors: list[int]) -> int:
        """The first descriptor that has something; ends this process when its parent is gone."""
        while True:
            ready, _, _ = select.select(descriptors, [], [], LOOK_SECONDS)
            if ready:
                return int(ready[0])
            if os.getppid() != self._parent:
                end_all(None)
                os._exit(1)

    def _tell(self, message: dict[str, int]) -> None:
        os.write(self._messages, (json.dumps(message) + "\n").encode())

    def _begin_anew(self, folder: Path) -> NoReturn:
        """Become a template that has imported nothing yet, and serve this folder first."""
        os.dup2(self._folders, 0)
        os.dup2(self._messages, 1)
        command = [sys.executable, "-P", "-m", f"{__package__}.template", str(self._parent), str(folder)]
        os.execve(sys.executable, command, ENVIRONMENT)


def run_alone(folder: Path, messages: int, learned: int, trusted: bool) -> int:
    """Run a cell as if in a new process, then write the names of the modules that it imported to ``learned``.

    None are written where a method that is not ``trusted`` has changed what imports depend on.
    """
    random.seed()
    np.random.seed()
    before, known = import_state(), len(sys.modules)
    with os.fdopen(messages, "w", buffering=1, closefd=False) as file:
        serve_cell(folder, file)
    # Counted first: to walk over all names would copy the memory that they lie in, which is shared with the template.
    if len(sys.modules) != known and (trusted or import_state(len(before[1])) == before):
        os.write(learned, json.dumps(list(map(str, islice(sys.modules, known, None)))).encode())
    return 0


def import_state(entries: int | None = None) -> tuple[dict[str, str], list[str]]:
    """What imports may depend on: the environment, and the first so many entries of the path."""
    variables = {name: value for name, value in os.environ.items() if name not in SET_BY_LIBRARIES}
    return variables, sys.path[:entries]


def exit_code(ended: SystemExit) -> int:
    """The exit code that Python would give, after it has printed a text."""
    if isinstance(ended.code, int):
        return ended.code
    if ended.code is not None:
        print(ended.code, file=sys.stderr)
    return int(ended.code is not None)


def method_of(folder: Path) -> str:
    """What the registry finds a staged cell's method by; "" where that cannot be read: the child will say why."""
    try:
        return str(json.loads((folder / "job.json").read_bytes())["method"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def is_own(method: str) -> bool:
    """Whether a method is one of this package's."""
    return ".py:" not in method and method in (known := entries("methods")) and known[method].origin == "built-in"


def bring(modules: Iterable[str]) -> None:
    """Import those modules that are of `LIBRARIES`, and keep the collector off them, so that they stay shared."""
    wanted = [name for name in modules if name not in sys.modules and name.partition(".")[0] in LIBRARIES]
    for name in wanted:
        # A saving, no more: the cell that needs a module which cannot be imported says so itself.
        with suppress(Exception):
            import_module(name)
    if wanted:
        gc.collect()
        gc.freeze()


def rehearse() -> None:
    """Do what every child does first: it then imports nothing for it, and changes less of the memory that is shared."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rehearsal.parquet"
        table = pd.DataFrame({"number": [0.5, 1.5], "text": ["a", "b"]}, index=["0", "1"])
        for _ in range(REHEARSALS):
            Items(table, {"array": [np.zeros(1), None]}).save(path)
            items = Items.load(path).select(["text", "array"])
            items.take([1]).table["text"].map({"b": 1}).to_numpy(int)
            items.read("array", 0)
    gc.collect()


def end_all(child: int | None) -> None:
    """End what a child's group holds, and everything else that descends from this process."""
    if child is not None:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                for process in psutil.Process().children(recursive=True):
                    with suppress(psutil.Error):
                        process.kill()
                time.sleep(0.005)


def control(option: int, value: int) -> None:
    """Set an option of this process by prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def main() -> None:
    """Serve cells until standard input closes or the parent, whose process id is the first argument, is gone."""
    messages, folders = os.dup(1), os.dup(0)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    control(SUBREAPER, 1)
    rehearse()
    gc.freeze()
    first = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    Template(int(sys.argv[1]), folders, messages).serve(first)


if __name__ == "__main__":
    main()
