"""Taking in a submission: a folder, a .zip or a .tar.gz becomes a private folder of plain files, or is refused.

Names, kinds and sizes are checked before anything is written, and sizes again while it is: what an archive says of
itself is believed by nobody. Whatever is verified afterwards is this copy, so that it cannot change meanwhile.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import BadData
from .layout import ACCEPTED, FOREIGN, MANIFEST, Limits, colliding, most_bytes, wrong_path

CHUNK = 1 << 20
LONGEST_PATH = 1000
LARGEST_DIRECTORY = 32 << 20
"""Bytes of a zip's table of contents."""
LARGEST_HEADER = 1 << 16
"""Bytes of one header of a tar: a long name, or a list of attributes."""
NAMED = 10
"""Reasons of one sort that are listed."""

HINT = "make it with  brainbench submit METHOD --to DIR  and change nothing in it"


class Refused(BadData):
    """A submission that is not taken in, with every reason that was found."""

    def __init__(self, reasons: Sequence[str], hint: str = HINT) -> None:
        super().__init__("refused: " + "; ".join(reasons), hint)
        self.reasons = tuple(reasons)


def no_submission() -> Refused:
    """What is said of everything else: an empty archive, a record, a store, a package."""
    return Refused([f"no {MANIFEST}: this is no submission"], "make one:  brainbench submit METHOD --to DIR")


@dataclass(frozen=True)
class Member:
    """A file of a submission: its path in it, the bytes it says it has, and how to open it."""

    path: str
    size: int
    open: Callable[[], IO[bytes]]


@contextmanager
def received(source: Path, limits: Limits | None = None) -> Iterator[Path]:
    """A private folder with the files of a submission, removed at the end of the block.

    Raises `Refused` for links, devices, paths that lead elsewhere, names that are one on some systems, foreign
    files, and for more files or bytes than ``limits``; `BadData` where there is no such source.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="brainbench-submission-") as place:
        folder = Path(place) / "submission"
        folder.mkdir()
        if source.is_dir() and not source.is_symlink():
            if not any(os.path.lexists(place / MANIFEST) for place in (source, *source.glob("*"))):
                raise no_submission()
            write(list(from_folder(source, limits)), folder, limits)
        elif not source.is_file():
            raise BadData(f"{source}: no such folder or archive", "give a folder, a .zip or a .tar.gz")
        elif source.stat().st_size > limits.total_bytes:
            raise Refused([f"the archive has more than {limits.total_bytes:,} bytes"])
        else:
            unpack(source, folder, limits)
        yield folder


def unpack(source: Path, folder: Path, limits: Limits) -> None:
    """The files of an archive. Raises `Refused`."""
    with open(source, "rb") as file:
        start = file.read(4)
    try:
        if start[:2] == b"PK":
            check_directory(source)
            with zipfile.ZipFile(source) as archive:
                write(list(from_zip(archive, limits)), folder, limits)
        elif start[:2] == b"\x1f\x8b":
            unpack_tar(source, folder, limits)
        else:
            raise Refused(["neither a folder nor a .zip nor a .tar.gz"], "pack the folder as one of these")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise Refused([f"a damaged archive ({error})"], "pack the folder again") from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # of the disk; a damaged zip may ask for a place before its start
            raise
        raise Refused([f"a damaged archive ({error})"], "pack the folder again") from None


def from_folder(source: Path, limits: Limits) -> Iterator[Member]:
    """The files of a folder; nothing is followed or opened before it is known to be a plain file."""
    todo, count = [source], 0
    reasons = []
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                count += 1
                if count > 2 * limits.files:
                    raise Refused([f"more than {limits.files:,} files"])
                path = Path(entry.path)
                name = path.relative_to(source).as_posix()
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    if len(path.relative_to(source).parts) > 12:
                        raise Refused([f"{shown(name)}: folders within folders within folders"])
                    todo.append(path)
                elif stat.S_ISREG(found.st_mode):
                    yield Member(name, found.st_size, lambda path=path: opened(path))  # type: ignore[misc]
                else:
                    reasons.append(f"{shown(name)}: a link or a device, not a file")
    if reasons:
        raise Refused(few(reasons))


def opened(path: Path) -> IO[bytes]:
    """A plain file, opened without following a link that took its place."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    return os.fdopen(descriptor, "rb")


def check_directory(source: Path) -> None:
    """Raise `Refused` where a zip's table of contents is too large to be read, or is not at its very end."""
    with open(source, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 42))
        tail = file.read()
    end = tail[-22:]
    if len(end) < 22 or end[:4] != b"PK\x05\x06":
        raise Refused(["a zip with something behind its table of contents"], "pack the folder again, without a comment")
    if tail[:4] == b"PK\x06\x07" or int.from_bytes(end[12:16], "little") > LARGEST_DIRECTORY:
        raise Refused(["a zip with too many files, or too large"], "pack it as .tar.gz")


def from_zip(archive: zipfile.ZipFile, limits: Limits) -> Iterator[Member]:
    """The files of a zip. Raises `Refused` for links, passwords and unusual compression."""
    reasons = []
    if len(archive.infolist()) > 2 * limits.files:
        raise Refused([f"more than {limits.files:,} files"])
    for info in archive.infolist():
        sort = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            continue
        if sort not in (0, stat.S_IFREG):
            reasons.append(f"{shown(info.filename)}: a link or a device, not a file")
        elif info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            reasons.append(f"{shown(info.filename)}: encrypted, or packed in an unusual way")
        else:
            # The name as it stands in the archive: the library would cut it at a null byte.
            yield Member(info.orig_filename, info.file_size, lambda info=info: archive.open(info))  # type: ignore[misc]
    if reasons:
        raise Refused(few(reasons))


class _Header(tarfile.TarInfo):
    """A header of a tar that is refused before what it announces is read into memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
            if not 0 <= self.size <= LARGEST_HEADER:
                raise Refused([f"an archive with a header of {self.size:,} bytes"])
        elif self.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
            raise Refused([f"{shown(self.name)}: a link or a device, not a file"])
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found


def unpack_tar(source: Path, folder: Path, limits: Limits) -> None:
    """The files of a .tar.gz, read once from beginning to end: first its names, then its contents."""
    members = []
    with tarfile.open(source, "r|gz", tarinfo=_Header) as archive:
        for count, info in enumerate(archive):
            if count > 2 * limits.files:
                raise Refused([f"more than {limits.files:,} files"])
            if info.isdir():
                continue
            if info.size < 0 or info.issparse():
                raise Refused([f"{shown(info.name)}: packed in an unusual way"])
            members.append(Member(info.name, info.size, lambda: io.BytesIO()))
            if sum_over(members[-1:], limits.file_bytes) or len(members) > limits.files:
                break
    root, _ = checked(members, limits)
    with tarfile.open(source, "r|gz", tarinfo=_Header) as archive:
        left = limits.total_bytes
        for info in archive:
            if info.isdir():
                continue
            content = archive.extractfile(info)
            if content is None:
                raise Refused([f"{shown(info.name)}: not a file"])
            left -= copy(Member(info.name, info.size, lambda content=content: content), root, folder, left)  # type: ignore[misc]


def write(members: list[Member], folder: Path, limits: Limits) -> None:
    """Check the names and sizes of all files, then copy them."""
    root, members = checked(members, limits)
    left = limits.total_bytes
    for member in members:
        left -= copy(member, root, folder, left)


def checked(members: list[Member], limits: Limits) -> tuple[str, list[Member]]:
    """The folder that all files lie in, with a slash, or ""; and the files. Raises `Refused` with every reason."""
    if len(members) > limits.files:
        raise Refused([f"more than {limits.files:,} files"])
    if sum_over(members, limits.total_bytes):
        raise Refused([f"more than {limits.total_bytes:,} bytes in all"])
    root = common_root([member.path for member in members])
    paths = [member.path.removeprefix(root) for member in members]
    if ACCEPTED in paths:
        raise Refused(
            [f"{ACCEPTED}: {wrong_path(ACCEPTED)}"],
            "accepted already? its numbers are checked by  brainbench rescore FOLDER/records/ID ; else remove the file",
        )
    twice = [path for path, count in Counter(paths).items() if count > 1]
    large = [over(path, member.size, limits) for path, member in zip(paths, members, strict=True)]
    wrong = sorted(
        ((path, wrong) for path in paths if (wrong := wrong_path(path))), key=lambda told: told[1] == FOREIGN
    )
    pairs = colliding(paths)
    hostile = bool(twice or pairs) or any(path[:1] == "/" or ".." in PurePosixPath(path).parts for path in paths)
    if not hostile and not any(PurePosixPath(path).name == MANIFEST for path in paths):
        raise no_submission()
    reasons = few([f"{shown(path)}: {why}" for path, why in wrong])
    reasons += few([f"{shown(path)}: twice in the archive" for path in twice])
    reasons += few([f"{shown(a)} and {shown(b)} are one name on some systems" for a, b in pairs])
    reasons += few([reason for reason in large if reason])
    if reasons:
        raise Refused(reasons)
    return root, members


def over(path: str, size: int, limits: Limits) -> str:
    """What to say of a file that is too large; "" of others."""
    most = min(most_bytes(path) or 0, limits.file_bytes)
    return f"{shown(path)}: {size:,} bytes; at most {most:,} are read" if not wrong_path(path) and size > most else ""


def sum_over(members: Sequence[Member], most: int) -> bool:
    """Whether files say that they have more bytes together."""
    return sum(member.size for member in members) > most


def common_root(paths: Sequence[str]) -> str:
    """``NAME/`` where an archive holds one folder with everything in it; "" else."""
    tops = {PurePosixPath(path).parts[:1] for path in paths}
    if len(tops) != 1 or any("/" not in path for path in paths):
        return ""
    (top,) = tops
    return f"{top[0]}/" if top and top[0] not in ("/", "..", ".") else ""


def copy(member: Member, root: str, folder: Path, left: int) -> int:
    """Copy a file whose path was checked; returns its bytes. Raises `Refused` where it has more than it said."""
    path = member.path.removeprefix(root)
    if wrong := wrong_path(path):
        raise Refused([f"{shown(path)}: {wrong}"])
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with member.open() as source, open(place, "xb") as out:
        while block := source.read(CHUNK):
            written += len(block)
            if written > min(member.size, left):
                raise Refused([f"{shown(path)}: holds more than the {member.size:,} bytes that it says"])
            out.write(block)
    if written != member.size:
        raise Refused([f"{shown(path)}: holds {written:,} bytes; it says {member.size:,}"])
    return written


def shown(text: str, longest: int = 120) -> str:
    """A name from outside, for a message: short, and without anything that a terminal would obey."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[: longest + 1])
    return plain if len(plain) <= longest else f"{plain[:longest]}..."


def few(reasons: Sequence[str]) -> list[str]:
    """The first reasons of one sort, and how many more there are."""
    more = len(reasons) - NAMED
    return [*reasons[:NAMED], *([f"and {more:,} more like it"] if more > 0 else [])]
