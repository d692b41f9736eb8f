"""Ways to spoil a file: its bytes, or what lies inside of JSON, tables, arrays, archives, pictures and HDF5.

Bytes alone are stopped by the first checksum or bracket. These take a sound file apart, spoil one part, and put it
together again, so that what is wrong reaches the code behind the format.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

Mutation = Callable[[bytes, Random], bytes]

NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**40, 2**63 - 1, 2**64 - 1)
"""Sizes and counts that break things."""

CELLS = (
    "", " ", "n/a", "nan", "inf", "-inf", "1e999", "-1", "0", "1_000", "0x10", "1,5", "'", '"', '""', "\x00", "\r",
    "\n", "\t", "²", "٣", "é", "\ud7ff", "\ufeff", "a" * 300, "../x", "/etc/passwd", "sub-01", "9" * 400, "True",
    "None", "[]", "{}", "1e-400", "=1+1", "%", "\u202e",
)  # fmt: skip
"""Cells of tables."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, 1e-308, float("nan"), float("inf"), "",
    "x", "a" * 300, "\x00", "\ud800", "1", [], [[]], [None], {}, {"": None}, [0] * 50, "2020-01-01", [1, 2, 3, 4],
)  # fmt: skip
"""Values of JSON files."""

DESCRIPTIONS = ("<f2", "<f4", "<f8", ">f4", "|O", "<i8", "|u1", "|b1", "<c8", "<U3", "|S4", "|V8", "<M8[ns]", "O", "f",
                "<f16", "", "?", "<f4,<f4")  # fmt: skip
"""Types in the header of an array."""


def spoil(content: bytes, sort: str, random: Random) -> bytes:
    """The content of a file of some sort (see `SORTS`) with one to four faults."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        inside = SORTS.get(sort)
        change = inside if inside is not None and random.random() < 0.75 else spoil_bytes
        try:
            content = change(content, random)
        except Exception:  # taken apart no more: it was spoilt too well before
            content = spoil_bytes(content, random)
    return content


def spoil_bytes(content: bytes, random: Random) -> bytes:
    """One fault among the bytes."""
    place = random.randrange(len(content) + 1)
    length = random.choice((1, 1, 2, 4, 8, 16, 64, 512))
    chosen = random.randrange(8)
    if chosen == 0:
        return content[:place]
    if chosen == 1:
        return content[:place] + content[place + length :]
    if chosen == 2:
        return content[:place] + random.randbytes(length) + content[place:]
    if chosen == 3:
        return content[:place] + content[place : place + length] * random.choice((2, 3, 50)) + content[place + length :]
    if chosen == 4:
        width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
        number = random.choice(NUMBERS) % 256**width
        return content[:place] + number.to_bytes(width, order) + content[place + width :]  # type: ignore[arg-type]
    if chosen == 5:
        return content[:place] + random.choice(CELLS).encode("utf-8", "replace") + content[place:]
    if chosen == 6 and content:
        at = random.randrange(len(content))
        return content[:at] + bytes([content[at] ^ (1 << random.randrange(8))]) + content[at + 1 :]
    other = random.randrange(len(content) + 1)
    return content[:place] + content[other : other + length] + content[place + length :]


def spoil_json(content: bytes, random: Random) -> bytes:
    """One node of a JSON tree changed, taken away or put in twice."""
    tree = json.loads(content)
    holders = list(_holders(tree))
    if not holders or random.random() < 0.03:
        return json.dumps(random.choice(VALUES)).encode()
    holder = random.choice(holders)
    key = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    chosen = random.randrange(6)
    if chosen == 0:
        del holder[key]
    elif chosen == 1 and isinstance(holder, dict):
        holder[random.choice(("", "x", "\x00", "__class__", "a" * 200))] = random.choice(VALUES)
    elif chosen == 2:
        other = random.choice(holders)
        holder[key] = json.loads(json.dumps(other))
    elif chosen == 3:
        text = json.dumps(tree)
        mark = "[" if random.random() < 0.5 else '{"a":'
        return text.replace(json.dumps(holder[key]), mark * 2000, 1).encode()
    elif isinstance(holder[key], (int, float)) and chosen == 4:
        holder[key] = random.choice((-holder[key], holder[key] + 1, holder[key] * 1e6, float(holder[key])))
    else:
        holder[key] = random.choice(VALUES)
    return json.dumps(tree).encode()


def _holders(tree: Any) -> Any:
    """Every list and object of a tree that holds something."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (list, dict)) and node:
            yield node
            waiting.extend(node.values() if isinstance(node, dict) else node)


def spoil_table(content: bytes, random: Random) -> bytes:
    """A cell, a row, a column or the separator of a table in text."""
    lines = content.decode("utf-8", "replace").split("\n")
    mark = max("\t,; ", key=lines[0].count)
    chosen, row = random.randrange(7), random.randrange(len(lines))
    cells = lines[row].split(mark)
    column = random.randrange(len(cells))
    if chosen == 0:
        lines.insert(row, random.choice(lines))
    elif chosen == 1:
        del lines[row]
    elif chosen == 2:
        lines[row] = mark.join(cells[:column] + cells[column + 1 :])
    elif chosen == 3:
        lines = [line.replace(mark, random.choice("\t,; |")) for line in lines]
    elif chosen == 4:
        lines[0] = mark.join([*lines[0].split(mark), random.choice(cells)])
    else:
        cells[column] = random.choice(CELLS)
        lines[row] = mark.join(cells)
    return "\n".join(lines).encode("utf-8", "replace")


def spoil_array(content: bytes, random: Random) -> bytes:
    """Another shape, type, order or version in the header of a ``.npy`` file."""
    begin = 10 + int.from_bytes(content[8:10], "little")
    header, body = content[10:begin].decode("latin1"), content[begin:]
    told = eval(header, {"__builtins__": {}})
    chosen = random.randrange(5)
    if chosen == 0:
        told["descr"] = random.choice(DESCRIPTIONS)
    elif chosen == 1:
        told["shape"] = tuple(random.choice((0, 1, -1, 3, *NUMBERS)) for _ in range(random.randrange(5)))
    elif chosen == 2:
        told["fortran_order"] = random.choice((True, 1, "x", None))
    elif chosen == 3:
        told["descr"] = [("a", random.choice(DESCRIPTIONS))]
    else:
        body = body[: random.randrange(len(body) + 1)]
    text = repr(told) if random.random() < 0.9 else repr(told).replace("}", "}" + "(" * 500)
    version = random.choice((b"\x01\x00",) * 8 + (b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    size = len(text) + 1 if random.random() < 0.9 else random.choice(NUMBERS) % 2**16
    return b"\x93NUMPY" + version + size.to_bytes(2 if version[0] == 1 else 4, "little") + text.encode() + b"\n" + body


def spoil_zip(content: bytes, random: Random) -> bytes:
    """A member of a zip spoilt, taken away, twice there, renamed, or packed otherwise."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    place = random.randrange(len(members))
    name, inside = members[place]
    chosen = random.randrange(8)
    if chosen == 0:
        del members[place]
    elif chosen == 1:
        members.append((name, inside))
    elif chosen == 2:
        members[place] = random.choice(("../x", "/x", "", "a/b", "\\x", "x" * 300, name + "\x00", "0", ".npy")), inside
    elif chosen == 3:
        members[place] = name, bytes(random.choice((0, 1 << 16, 1 << 22)))
    else:
        members[place] = name, spoil(inside, sort_of(name, inside), random)
    out = io.BytesIO()
    packing = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, inside in members:
            archive.writestr(name or "x", inside)
    return out.getvalue()


def spoil_tar(content: bytes, random: Random) -> bytes:
    """The same of a packed tar; members may become links, devices, or say another size."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = [(info, archive.extractfile(info)) for info in archive]
        told = [(info, file.read() if file else b"") for info, file in members]
    info, inside = told[random.randrange(len(told))]
    chosen = random.randrange(6)
    if chosen == 0:
        info.type = random.choice(
            (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"S", b"x", b"L")
        )
        info.linkname = "/etc/passwd"
    elif chosen == 1:
        info.name = random.choice(("../x", "/x", "", "x" * 300, "a/b"))
    elif chosen == 2:
        told.append((info, inside))
    else:
        place = next(k for k, one in enumerate(told) if one[0] is info)
        told[place] = info, spoil(inside, sort_of(info.name, inside), random)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for info, inside in told:
            if info.type == tarfile.REGTYPE:
                info.size = len(inside)
            archive.addfile(info, io.BytesIO(inside))
    raw = gzip.decompress(out.getvalue())
    return gzip.compress(spoil_bytes(raw, random) if random.random() < 0.3 else raw, 1)


def spoil_gzip(content: bytes, random: Random) -> bytes:
    """What was packed, spoilt and packed again; its header more often than the rest."""
    raw = gzip.decompress(content)
    cut = min(len(raw), 400)
    cut = cut if random.random() < 0.8 else len(raw)
    return gzip.compress(spoil_bytes(raw[:cut], random) + raw[cut:], 1)


def spoil_parquet(content: bytes, random: Random) -> bytes:
    """Another type or values in a column of a Parquet table, other columns or rows, or another note of pandas."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    rows = table.num_rows
    place = random.randrange(table.num_columns)
    name = table.column_names[place]
    chosen = random.randrange(7)
    if chosen == 0:
        table = table.drop_columns([name])
    elif chosen == 1:
        table = (
            table.slice(0, random.randrange(rows + 1)) if random.random() < 0.5 else pa.concat_tables([table, table])
        )
    elif chosen == 2:
        table = table.rename_columns([random.choice(("x", "", name)) if k == place else c
                                      for k, c in enumerate(table.column_names)])  # fmt: skip
    elif chosen == 3 and table.schema.metadata and b"pandas" in table.schema.metadata:
        note = spoil(table.schema.metadata[b"pandas"], "json", random)
        table = table.replace_schema_metadata({b"pandas": note})
    else:
        table = table.set_column(place, name, _column(table.column(place), rows, random))
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _column(column: Any, rows: int, random: Random) -> Any:
    """A column of other values, at times of another type."""
    import pyarrow as pa

    columns: list[list[Any]] = [
        [None] * rows, [0] * rows, [-1] * rows, [2**62] * rows, [float("nan")] * rows, [1e300] * rows, ["x"] * rows,
        ["{}"] * rows, ["[1"] * rows, ["[" * 2000] * rows, [b"\xff"] * rows, [[1, 2]] * rows, [{"a": 1}] * rows,
        [True] * rows, ["[-1, 3]"] * rows, ['{"a": 1}'] * rows, ["[[0, 0, 1, 1]]"] * rows, ["9" * 5000] * rows,
    ]  # fmt: skip
    values = column.to_pylist()
    if rows and random.random() < 0.4:
        values[random.randrange(rows)] = random.choice(columns)[0]
    else:
        values = random.choice(columns)
    return pa.array(values)


def spoil_picture(content: bytes, random: Random) -> bytes:
    """A chunk of a PNG spoilt, under a fresh checksum."""
    chunks, place = [], 8
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    at = random.randrange(len(chunks))
    kind, inside = chunks[at]
    chosen = random.randrange(6)
    if chosen == 0:
        del chunks[at]
    elif chosen == 1:
        chunks.insert(at, chunks[random.randrange(len(chunks))])
    elif chosen == 2:
        kinds = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"pHYs")
        chunks.insert(at, (random.choice(kinds), random.randbytes(random.choice((0, 4, 13, 40)))))
    elif chosen == 3 and kind == b"IDAT":
        chunks[at] = kind, zlib.compress(spoil_bytes(zlib.decompress(inside), random))
    else:
        chunks[at] = kind, spoil_bytes(inside, random)
    return content[:8] + b"".join(
        len(inside).to_bytes(4, "big") + kind + inside + zlib.crc32(kind + inside).to_bytes(4, "big")
        for kind, inside in chunks
    )


def spoil_hdf5(content: bytes, random: Random) -> bytes:
    """An array of an HDF5 file of another type or shape, a link, or nothing."""
    import h5py
    import numpy as np

    held = io.BytesIO(content)
    with h5py.File(held, "r+") as file:
        name = random.choice(sorted(file))
        values = file[name][()] if isinstance(file[name], h5py.Dataset) else np.zeros(3)
        del file[name]
        chosen = random.randrange(8)
        if chosen == 1:
            file[name] = h5py.SoftLink(random.choice(("/", "/nowhere", "/" + name)))
        elif chosen == 2:
            file[name] = h5py.ExternalLink("/etc/passwd", "/")
        elif chosen == 3:
            file.create_group(name)
        elif chosen == 4:
            file.create_dataset(name, shape=random.choice(((), (0,), (2**40,), (3, 2**33))), dtype="f4", chunks=None)
        elif chosen == 5:
            file[name] = np.asarray(values).reshape(-1)
        elif chosen == 6:
            file[name] = random.choice(("text", b"bytes", 1.5, [True], np.zeros((2, 2), "i8"), np.full(3, np.nan)))
        elif chosen == 7:
            kinds = ("f2", "f8", "i1", "u8", ">f4", "S3", "c8", "?")
            file[name] = np.zeros(np.shape(values), random.choice(kinds))
    return held.getvalue()


def spoil_tensors(content: bytes, random: Random) -> bytes:
    """The JSON header of a safetensors file spoilt."""
    size = int.from_bytes(content[:8], "little")
    header = spoil(content[8 : 8 + size], "json", random)
    length = len(header) if random.random() < 0.9 else random.choice(NUMBERS)
    return length.to_bytes(8, "little") + header + content[8 + size :]


def spoil_lines(content: bytes, random: Random) -> bytes:
    """One line of JSON of several spoilt."""
    lines = content.split(b"\n")
    place = random.randrange(len(lines))
    lines[place] = spoil(lines[place], "json", random)
    return b"\n".join(lines)


SORTS: dict[str, Mutation] = {
    "json": spoil_json,
    "lines": spoil_lines,
    "table": spoil_table,
    "npy": spoil_array,
    "zip": spoil_zip,
    "tar": spoil_tar,
    "gzip": spoil_gzip,
    "parquet": spoil_parquet,
    "png": spoil_picture,
    "hdf5": spoil_hdf5,
    "safetensors": spoil_tensors,
}
"""Sort of file -> what spoils the inside of one; other files are spoilt byte by byte."""

ENDINGS = {
    ".json": "json", ".jsonl": "lines", ".csv": "table", ".tsv": "table", ".txt": "table", ".1D": "table",
    ".npy": "npy", ".npz": "zip", ".zip": "zip", ".pt": "zip",
    ".tar.gz": "tar", ".nii.gz": "gzip", ".parquet": "parquet",
    ".png": "png", ".h5": "hdf5", ".hdf5": "hdf5", ".safetensors": "safetensors",
}  # fmt: skip


def sort_of(name: str, content: bytes = b"") -> str:
    """The sort of a file by its name, "" for one that is spoilt by its bytes; pickled arrays are such."""
    if b"|O" in content[:80]:
        return ""
    return next((sort for ending, sort in ENDINGS.items() if name.endswith(ending)), "")
