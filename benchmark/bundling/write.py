"""Writing a bundle: whole or not at all, with the size and hash of every file."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ..contracts import Progress
from ..datasets.manifest_file import File
from ..errors import BadOption
from ..files import digest_file, whole_folder, write_error
from ..loading import choose_source
from ..plan import Request
from ..system import git_state, harness_version
from .machine import Machine, this_machine
from .places import Found, Piece, data_of, weights_of
from .wanted import wanted
from .wheels import gather, pinned

SUMS, WHEELS, MANIFEST = "SHA256SUMS", "wheels", "manifest.json"
MIB = 1 << 20


class Manifest(BaseModel):
    """The content of manifest.json.

    ``command`` is what the bundle was made for; ``left_out`` names data and weights that are not in it, with the
    reason; ``files`` are all but the manifest itself and the list of hashes.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int = 1
    brainbench: str
    git_revision: str
    created: str
    machine: str
    command: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    extras: tuple[str, ...]
    left_out: dict[str, str]
    files: dict[str, File]


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written: its manifest, and the SHA-256 of its list of hashes."""

    path: Path
    manifest: Manifest
    sums: str

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.manifest.files.values())


def make_bundle(
    request: Request,
    out: Path,
    progress: Progress,
    *,
    extras: Sequence[str] = (),
    without: Sequence[str] = (),
    machine: Machine | None = None,
) -> Bundle:
    """Write the folder ``out`` with all that a run of the request needs on a machine without a network.

    Parameters
    ----------
    extras
        Extras in the place of those that the source of tasks and methods asks for.
    without
        Weights that are left out although an option names them.
    machine
        The machine it is for; None for one like this.

    Raises
    ------
    BadOption, UnknownName, DataMissing, Unavailable, ExtraMissing, StoreError
        For what cannot be in a bundle, a folder that is not empty, data, weights and packages that are not to be
        had, and a full disk. Nothing is then left in the place of ``out``.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise BadOption(f"--out {out} is there already", "name a new folder, or remove this one")
    need = wanted(request, extras)
    weights = weights_of(need, without)
    source = choose_source(need.tasks, request.data)[0]
    data = data_of(need.tasks, source, progress)
    found = Found(
        [*weights.pieces, *data.pieces],
        list(dict.fromkeys([*need.extras, *weights.extras])),
        weights.left_out | data.left_out,
    )
    refuse_full(out, found.pieces)
    with whole_folder(out.resolve()) as new:
        gather(new / WHEELS, found.extras, need.plugins, machine, progress)
        refuse_full(new, found.pieces)
        copy(found.pieces, new, progress)
        manifest, sums = describe(new, replace(request, data=source), found, machine or this_machine(), progress)
    return Bundle(out, manifest, sums)


def refuse_full(place: Path, pieces: Sequence[Piece]) -> None:
    """Raise `StoreError` where the disk of a folder, which need not be there yet, has no room for the pieces."""
    disk = next(folder for folder in (place.resolve(), *place.resolve().parents) if folder.is_dir())
    size = sum(file.stat().st_size for piece in pieces for file, _ in piece.files())
    if size > shutil.disk_usage(disk).free:
        told = f"{place} ({size / MIB:,.0f} MiB of weights and data)"
        raise write_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), Path(told))


def copy(pieces: Sequence[Piece], into: Path, progress: Progress) -> None:
    """Copy weights and data to their places."""
    files = [pair for piece in pieces for pair in piece.files()]
    total = sum(file.stat().st_size for file, _ in files)
    done = 0
    for file, target in files:
        progress("weights and data, MiB", done // MIB, total // MIB)
        (into / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, into / target)
        done += file.stat().st_size
    progress("weights and data, MiB", total // MIB, total // MIB)


def describe(new: Path, request: Request, found: Found, machine: Machine, progress: Progress) -> tuple[Manifest, str]:
    """Write the script, the lists of packages and hashes, and the manifest; returns it and the hash of the hashes."""
    command = command_of(request)
    told = {
        "PYTHON": machine.python,
        "MACHINE": machine.told,
        "VERSION": harness_version(),
        "COMMAND": command,
        "LEFT_OUT": "\n".join(f"{name}: {reason}" for name, reason in found.left_out.items()) or "nothing",
    }
    for name in ("install.sh", "README.txt"):
        (new / name).write_text(filled(Path(__file__).with_name(name).read_text(), told))
    (new / "install.sh").chmod(0o755)
    (new / "command.txt").write_text(command + "\n")
    (new / "requirements.txt").write_text(pinned(new / WHEELS))
    manifest = Manifest(
        brainbench=harness_version(),
        git_revision=git_state()[0],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine.told,
        command=command,
        tasks=request.tasks,
        methods=request.methods,
        extras=tuple(found.extras),
        left_out=found.left_out,
        files=listed(new, progress),
    )
    (new / MANIFEST).write_text(manifest.model_dump_json(indent=1))
    sums = {name: file.digest for name, file in manifest.files.items()} | {MANIFEST: digest_file(new / MANIFEST)}
    (new / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
    return manifest, digest_file(new / SUMS)


def filled(text: str, told: dict[str, str]) -> str:
    """A template with its ``@NAMES@`` filled in."""
    for name, value in told.items():
        text = text.replace(f"@{name}@", value)
    return text


def command_of(request: Request) -> str:
    """The run that a bundle is made for, as it is typed."""
    words = ["brainbench", "run"]
    words += [word for task in request.tasks for word in ("--task", task)]
    words += [word for method in request.methods for word in ("--method", method)]
    words += ["--data", request.data]
    words += ["--preset", request.preset] if request.preset else []
    words += [word for setting in request.settings for word in ("--set", setting)]
    return shlex.join(words)


def listed(folder: Path, progress: Progress) -> dict[str, File]:
    """Size and hash of every file of a folder, by its path there."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    found = {}
    for done, file in enumerate(files, 1):
        found[file.relative_to(folder).as_posix()] = File(bytes=file.stat().st_size, digest=digest_file(file))
        progress("hashes", done, len(files))
    return found
