"""The files of a copy from outside: in a folder, and in the archives that lie there, without unpacking them."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path
from types import TracebackType

from ...errors import BadData

MAX_FILE = 256 * 2**20
"""Bytes; no file of the known copies comes near."""

MAX_ARCHIVE = 4 * 2**30
MAX_MEMBERS = 100_000
LINK = "a link, which is not followed: put the file itself in its place"
DEVICE = "no regular file"
ARCHIVES = (".tar.gz", ".tgz", ".tar")


class Files:
    """Regular files below a folder or inside an archive, by name.

    A member of an archive is named ``archive.tar.gz:path/in/it``. Links, devices and hidden folders
    are passed over, the first two with a word; nothing is written. Use as a context manager.

    Attributes
    ----------
    names
        Sorted names, members of an archive in its order.
    damaged
        Archive -> what is wrong with it. Its members are not listed.
    passed
        Link or device -> what it is.
    """

    def __init__(self, path: Path) -> None:
        """Look at ``path``, a folder or an archive. Raises `BadData` when it is neither."""
        self.path = path
        self.names: list[str] = []
        self.damaged: dict[str, str] = {}
        self.passed: dict[str, str] = {}
        self._open: dict[str, tarfile.TarFile] = {}
        self._members: dict[str, tuple[tarfile.TarFile, tarfile.TarInfo]] = {}
        self._paths: dict[str, Path] = {}
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                name = file.relative_to(path)
                if not any(part.startswith(".") for part in name.parts):
                    self._look(file, name.as_posix())
        elif path.is_file() and path.name.endswith(ARCHIVES):
            self._add(path, path.name)
        else:
            raise BadData(f"{path}: neither a folder nor a .tar.gz archive", "give the folder that holds the files")

    def __enter__(self) -> Files:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for archive in self._open.values():
            archive.close()

    def _look(self, file: Path, name: str) -> None:
        """List what lies in the folder, if it is a file."""
        if file.is_symlink():
            self.passed[name] = LINK
        elif file.is_file():
            self._add(file, name)
        elif not file.is_dir():
            self.passed[name] = DEVICE

    def _add(self, file: Path, name: str) -> None:
        if not name.endswith(ARCHIVES):
            self._paths[name] = file
            self.names.append(name)
            return
        try:
            self._list(file, name)
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            self.damaged[name] = f"damaged or truncated archive ({error})"
        except BadData as error:
            self.damaged[name] = error.message

    def _list(self, file: Path, name: str) -> None:
        """List the regular files of an archive."""
        archive = tarfile.open(file)  # noqa: SIM115 - closed by __exit__
        self._open[name] = archive
        found, total = {}, 0
        for count, member in enumerate(archive):
            total += member.size
            if count >= MAX_MEMBERS or total > MAX_ARCHIVE:
                raise BadData("more files or bytes than any known copy has: not read")
            if member.isfile():
                found[f"{name}:{member.name}"] = (archive, member)
            elif not member.isdir():
                self.passed[f"{name}:{member.name}"] = LINK if member.issym() or member.islnk() else DEVICE
        self._members.update(found)
        self.names.extend(found)

    def full(self, name: str) -> str:
        """The name with that of the folder given by the person before it, which may be the telling one."""
        return f"{self.path.resolve().name}/{name}"

    def read(self, name: str) -> bytes:
        """The content of a file. Raises `BadData` when it is empty, too large or cannot be read."""
        try:
            raw = self._member(name) if name in self._members else self._file(name)
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise BadData(f"{name}: cannot be read ({error})", "copy the file again") from None
        if not raw:
            raise BadData(f"{name}: the file is empty", "copy the file again, or go on without it")
        return raw

    def _member(self, name: str) -> bytes:
        archive, member = self._members[name]
        _limit(name, member.size)
        file = archive.extractfile(member)
        return file.read() if file else b""

    def _file(self, name: str) -> bytes:
        path = self._paths[name]
        _limit(name, path.stat().st_size)
        return path.read_bytes()


def _limit(name: str, size: int) -> None:
    if size > MAX_FILE:
        raise BadData(f"{name}: {size} bytes, more than any known file has ({MAX_FILE})", "give another copy")
