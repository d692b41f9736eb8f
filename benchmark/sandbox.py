"""A closed room for code that nobody has read: no network, no home, no cohort, no store.

Bubblewrap makes the room from namespaces of the kernel; nothing is installed in it. Inside, a process sees its own
staged folder, the Python environment, this package and the files that its method's hash covers, and nothing else of
the disk. It is process 2 of a process namespace of its own, which ends with it, and has no capability.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import NoSandbox
from .home import home, weights

if TYPE_CHECKING:
    from .processes import Limits

PACKAGE = Path(__file__).resolve().parent.parent

MEMORY_FOLDER = 1 << 30
"""Bytes of each folder that lies in memory: /tmp, /dev/shm and the data folder."""

FILE_BYTES = 64 << 30
"""The largest file that can be written."""

TASKS_A_PROCESS = 16
"""Threads that each of the allowed processes may have, on average."""

SYSTEM = ("/usr", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/fonts")

PASSED = (
    "BRAINBENCH_HOME", "CUDA_VISIBLE_DEVICES", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHASHSEED",
    "PYTHONPATH", "TZ", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG",
)  # fmt: skip
"""Variables of the environment that reach the room: no token, no user name."""

HINT = (
    "install bubblewrap 0.8 or later (apt-get install bubblewrap); where user namespaces are closed, an administrator "
    "opens them:  sysctl kernel.unprivileged_userns_clone=1  or  kernel.apparmor_restrict_unprivileged_userns=0"
)


@dataclass(frozen=True)
class Room:
    """What a process in a sandbox may touch beside the Python environment.

    Attributes
    ----------
    readable
        Files and folders that it may read, where they lie.
    writable
        Folders that it may also write.
    gpu
        Whether it may use the graphics cards.
    """

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    gpu: bool = False


NOTHING = Room()
"""A room with nothing but the Python environment."""


@dataclass(frozen=True)
class Sandbox:
    """A way to start a process in a closed room. Found by `find_sandbox`.

    Attributes
    ----------
    program, prlimit
        Where bubblewrap and prlimit lie.
    """

    program: str
    prlimit: str

    def command(
        self,
        argv: Sequence[str],
        writable: Sequence[Path],
        readable: Sequence[Path] = (),
        limits: Limits | None = None,
        gpu: bool = False,
    ) -> list[str]:
        """The command line that runs ``argv`` in the room.

        Parameters
        ----------
        argv
            Program and arguments; its paths are those outside, which are the same inside.
        writable
            Folders that exist and may be written; the first is the working directory.
        readable
            Files and folders that may be read.
        limits
            Bytes of memory and seconds of each process, and number of processes. Whoever waits for the room counts
            them as well, all processes together.
        gpu
            Whether graphics cards are there.
        """
        mounts = _system() | _environment()
        mounts |= {path: ["--ro-bind", path] for path in map(_absolute, readable) if not _shown(path, mounts)}
        mounts |= {path: ["--bind", path] for path in map(_absolute, writable)}
        parts = [self.program, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
        parts += ["--cap-drop", "ALL", "--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"]
        parts += _gpu() if gpu else []
        for path, how in sorted(mounts.items(), key=lambda item: item[0].count("/")):  # what holds another goes first
            parts += [*how, path]
        parts += ["--remount-ro", "/", "--chdir", _absolute(writable[0]), "--"]
        return [*parts, *self._bounds(limits), *argv]

    def _bounds(self, limits: Limits | None) -> list[str]:
        """The limits that the kernel keeps for each process."""
        bounds = [self.prlimit, "--core=0", f"--fsize={FILE_BYTES}"]
        if limits:
            bounds.append(f"--cpu={int(limits.seconds * (os.cpu_count() or 1)) + 1}")
            bounds.append(f"--nproc={limits.processes * TASKS_A_PROCESS}")
            bounds += [f"--data={limits.memory}"] if limits.memory else []
        return [*bounds, "--"]

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """What of an environment reaches the room."""
        passed = {name: given[name] for name in PASSED if name in given}
        own = {"HOME": "/tmp", "TMPDIR": "/tmp", "USER": "nobody", "LOGNAME": "nobody", "HF_HUB_OFFLINE": "1"}
        places = {"BRAINBENCH_HOME": home(), "HF_HUB_CACHE": hub_cache(), "TORCH_HOME": _torch_home()}
        return passed | own | {name: _absolute(path) for name, path in places.items()}


def find_sandbox() -> Sandbox | None:
    """The sandbox of this machine, tried once; None where there is none: `need_sandbox` says why."""
    found = _find()
    return found if isinstance(found, Sandbox) else None


def need_sandbox() -> Sandbox:
    """The sandbox of this machine. Raises `NoSandbox` with the reason where there is none."""
    found = _find()
    if isinstance(found, Sandbox):
        return found
    raise NoSandbox(f"no sandbox on this machine: {found}", HINT)


@lru_cache(maxsize=1)
def _find() -> Sandbox | str:
    """The sandbox, or why there is none."""
    program, prlimit = shutil.which("bwrap"), shutil.which("prlimit")
    if not (program and prlimit):
        return "bubblewrap (bwrap) is not installed" if prlimit else "prlimit (util-linux) is not installed"
    sandbox = Sandbox(program, prlimit)
    try:
        command = sandbox.command([sys.executable, "-I", "-S", "-c", "print('inside')"], [Path("/var/tmp")])
        tried = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return sandbox if tried.stdout == "inside\n" else " ".join(tried.stderr.split())[:300] or "it does not start"


def _absolute(path: Path) -> str:
    """A path as the process inside names it: whole, with its links as they are."""
    return os.path.abspath(path)  # noqa: PTH100 - `resolve` would follow links


def _shown(path: str, mounts: Mapping[str, list[str]]) -> bool:
    """Whether a path can be read where these are mounted."""
    over = [place for place in mounts if Path(path).is_relative_to(place)]
    return bool(over) and mounts[max(over, key=len)][0] == "--ro-bind"


def _system() -> dict[str, list[str]]:
    """How the system's programs and libraries are mounted, by place, and the folders in memory."""
    mounts = {name: ["--ro-bind", name] for name in SYSTEM if Path(name).exists()}
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        path = Path(name)
        if path.is_symlink():
            mounts[name] = ["--symlink", str(path.readlink())]
        elif path.is_dir():
            mounts[name] = ["--ro-bind", name]
    for name in ("/tmp", "/dev/shm"):
        mounts[name] = ["--perms", "1777", "--size", str(MEMORY_FOLDER), "--tmpfs"]
    return mounts


def _environment() -> dict[str, list[str]]:
    """What Python needs to run this package: its installation, packages and weights, in an else empty data folder."""
    folders = [Path(sys.prefix), Path(sys.base_prefix), *_linked(Path(sys.executable))]
    folders += [Path(name) for name in sys.path if Path(name).name in ("site-packages", "dist-packages")]
    folders += [path for path in sorted(PACKAGE.iterdir()) if (path / "__init__.py").is_file() or path.suffix == ".py"]
    folders += [weights(), *sorted(hub_cache().glob("models--*")), _torch_home() / "hub" / "checkpoints"]
    places = {_absolute(path) for path in folders if path.exists()} - set(SYSTEM)
    empty = {_absolute(home()): ["--size", str(MEMORY_FOLDER), "--tmpfs"]}
    return empty | {place: ["--ro-bind", place] for place in sorted(places)}


def _linked(program: Path) -> Iterator[Path]:
    """The installations through which a program's links lead."""
    while program.is_symlink():
        program = program.parent / program.readlink()
        yield program.parent.parent


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def hub_cache() -> Path:
    """Where models of the hub lie; a token and data sets lie elsewhere, or beside them."""
    return Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or _cache() / "huggingface") / "hub")


def _torch_home() -> Path:
    return Path(os.environ.get("TORCH_HOME") or _cache() / "torch")


def _gpu() -> list[str]:
    """Mounts of the graphics cards' devices."""
    parts = ["--ro-bind-try", "/sys", "/sys"]
    for device in sorted(Path("/dev").glob("nvidia*")):
        parts += ["--dev-bind", str(device), str(device)]
    return parts
