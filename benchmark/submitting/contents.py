"""What lies in files of predictions, looked at in a process of its own with limits on memory and seconds.

A file of a few bytes may unfold to any size, and a damaged one may end the process that reads it: both must happen to
a process that holds nothing. What passes here is read again by the kind of the task, which checks shapes and ranges.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from .archive import few, shown
from .text import Unreadable, read_json

MEMORY = 6 << 30
"""Bytes of address space that the process may use."""
SECONDS = 1800
MOST_COLUMNS = 4096
LARGEST_VALUES = 4 << 30
"""Bytes of the values of one file, unpacked."""
LONGEST_SIDE = 1024
"""Pixels of a picture's side."""
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"


def unsafe(cells: Sequence[tuple[Path, int]]) -> list[str]:
    """What is wrong with the predictions of cells, each a folder and its number of test items; empty where nothing."""
    asked = json.dumps([MEMORY, [[str(folder), items] for folder, items in cells]])
    command = [sys.executable, "-P", "-m", f"{__package__}.contents"]
    try:
        done = subprocess.run(command, input=asked.encode(), capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [f"the predictions could not be read within {SECONDS} s"]
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return [f"reading the predictions broke off within {MEMORY >> 30} GiB of memory ({shown(' '.join(last))})"]
    return [str(reason) for reason in json.loads(done.stdout)]


def main() -> None:
    """Read the list of cells on standard input and print a list of reasons."""
    memory, cells = json.loads(sys.stdin.buffer.read())
    limit(memory)
    reasons = [reason for folder, items in cells for reason in wrong_cell(Path(folder), items)]
    print(json.dumps(few(reasons)))


def limit(memory: int) -> None:
    """Bound the memory and processor seconds of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def wrong_cell(folder: Path, items: int) -> Iterator[str]:
    """What is wrong with the files of one cell's predictions."""
    files = sorted((folder / "prediction").iterdir()) if (folder / "prediction").is_dir() else []
    if not files:
        yield f"{folder.name}: no predictions"
    pictures = sum(file.suffix == ".png" for file in files)
    if pictures and pictures != items:
        yield f"{folder.name}: {pictures:,} pictures for {items:,} test items"
        return
    for file in files:
        try:
            READERS[file.suffix](file, items)
        except MemoryError:
            yield f"{folder.name}/{shown(file.name)}: unfolds to more than is read"
        except Exception as error:  # whatever a reader says of a file that was made to break it
            told = str(error).splitlines() or [type(error).__name__]
            yield f"{folder.name}/{shown(file.name)}: {shown(told[0])}"


def read_parquet(path: Path, items: int) -> None:
    """A table of one row an item, of numbers and texts."""
    import pyarrow.parquet as parquet
    import pyarrow.types as types

    with parquet.ParquetFile(path) as file:
        about = file.metadata
        if about.num_rows != items:
            raise ValueError(f"{about.num_rows:,} rows for {items:,} test items")
        if about.num_columns > MOST_COLUMNS:
            raise ValueError(f"{about.num_columns:,} columns")
        schema = file.schema_arrow
        plain: Sequence[Callable[[Any], bool]] = (types.is_floating, types.is_integer, types.is_boolean,
                                                  types.is_string, types.is_large_string)  # fmt: skip
        odd = [field.name for field in schema if not any(test(field.type) for test in plain)]
        if odd:
            raise ValueError(f"column {shown(odd[0])!r} holds neither numbers nor texts")
        size = 0
        for batch in file.iter_batches(batch_size=256, use_threads=False):
            size += batch.nbytes
            if size > LARGEST_VALUES:
                raise MemoryError
            refuse_odd(batch)


def refuse_odd(batch: Any) -> None:
    """Raise `ValueError` for missing values, numbers that are not finite, and texts that a terminal would obey."""
    import pyarrow.compute as compute
    import pyarrow.types as types

    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count:
            raise ValueError(f"column {shown(name)!r} has missing values")
        if types.is_floating(column.type) and not compute.all(compute.is_finite(column)).as_py():
            raise ValueError(f"column {shown(name)!r} holds NaN or infinity")
        texts = types.is_string(column.type) or types.is_large_string(column.type)
        if texts and compute.any(compute.match_substring_regex(column, CONTROL)).as_py():
            raise ValueError(f"column {shown(name)!r} holds control characters")


def read_npz(path: Path, items: int) -> None:
    """An archive of one array an item, none of them a pickle."""
    with zipfile.ZipFile(path) as archive:
        found = archive.infolist()
        if len(found) != items:
            raise ValueError(f"{len(found):,} arrays for {items:,} test items")
        if {info.filename for info in found} != {f"{number}.npy" for number in range(items)}:
            raise ValueError("arrays that are not numbered")
        if sum(info.file_size for info in found) > LARGEST_VALUES:
            raise MemoryError
        for info in found:
            with archive.open(info) as member:
                check_array(member, info.file_size)
                while member.read(1 << 20):  # the checksum of all that is there
                    pass


def read_npy(path: Path, _items: int) -> None:
    """One array, not a pickle."""
    with open(path, "rb") as file:
        check_array(file, path.stat().st_size)


def check_array(file: IO[bytes], size: int) -> None:
    """Raise `ValueError` where a file of so many bytes is not one array of plain numbers."""
    from ..npy import checked_header

    checked_header(file, size)


def read_png(path: Path, _items: int) -> None:
    """A picture of bounded size."""
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as image:
        if max(image.size) > LONGEST_SIDE:
            raise ValueError(f"{image.size[0]} x {image.size[1]} pixels; at most {LONGEST_SIDE} a side are read")
        image.load()


def read_tree(path: Path, _items: int) -> None:
    """A JSON file."""
    try:
        read_json(path)
    except Unreadable as error:
        raise ValueError(str(error)) from None


READERS: dict[str, Callable[[Path, int], None]] = {
    ".parquet": read_parquet,
    ".npz": read_npz,
    ".npy": read_npy,
    ".png": read_png,
    ".json": read_tree,
}

if __name__ == "__main__":
    main()
