"""Archives and folders that are made to harm whoever opens them: each is refused, and nothing is written outside."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from brainbench.benchmark.errors import BadData
from brainbench.benchmark.submitting.archive import Refused, received
from brainbench.benchmark.submitting.layout import Limits, colliding, wrong_path

GOOD = {"submission.json": b"{}", "records/a--b--1/record.json": b"{}", "method/my.py": b"pass"}


def zipped(path: Path, files: dict[str, bytes], root: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(root + name, content)
    return path


def tarred(path: Path, files: dict[str, bytes], root: str = "", kind: bytes = tarfile.REGTYPE, link: str = "") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(root + name)
            info.size, info.type, info.linkname = (0 if link else len(content)), kind, link
            archive.addfile(info, io.BytesIO(content))
    return path


def names(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("root", ["", "jane/"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_reads_what_is_plain(tmp_path, pack, root):
    with received(pack(tmp_path / "a.bin", GOOD, root)) as folder:
        assert names(folder) == set(GOOD)
        assert (folder / "method/my.py").read_bytes() == b"pass"
        private = folder
    assert not private.exists()


def test_reads_what_common_tools_pack(tmp_path):
    for name, content in GOOD.items():
        (tmp_path / "jane" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "jane" / name).write_bytes(content)
    for form in ("zip", "gztar"):
        packed = shutil.make_archive(str(tmp_path / "packed"), form, tmp_path, "jane")
        with received(Path(packed)) as folder:
            assert names(folder) == set(GOOD)
    with received(tmp_path / "jane") as folder:
        assert names(folder) == set(GOOD)


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil.py", "it leads out of the folder"),
        ("records/../../evil.py", "it leads out of the folder"),
        ("/etc/cron.d/evil", "it leads out of the folder"),
        ("..\\..\\evil.py", "no plain name"),
        ("C:\\evil.py", "no plain name"),
        ("method/.git/hooks.py", "no plain name"),
        ("method/con.py", "no plain name"),
        ("method/a b.py", "no plain name"),
        ("method/\u202egnp.py", "no plain name"),
        ("method/<script>.py", "no plain name"),
        ("method/evil.so", "no file of a submission"),
        ("run.sh", "no file of a submission"),
        ("__init__.py", "no file of a submission"),
        ("records/a/cells/f/prediction/weights.pkl", "no file of a submission"),
        ("accepted.json", "written by the board's keeper alone"),
    ],
)
def test_refuses_paths(tmp_path, pack, name, reason):
    (tmp_path / "in").mkdir()
    packed = pack(tmp_path / "in" / "a.bin", {**GOOD, name: b"x"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Refused, match=reason), received(packed):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_names_every_bad_path(tmp_path):
    with pytest.raises(Refused) as error, received(zipped(tmp_path / "a.zip", {**GOOD, "../a": b"", "b.exe": b""})):
        pass
    assert len(error.value.reasons) == 2


def test_names_a_path_that_leads_out_before_files_that_are_merely_foreign(tmp_path):
    files = {**{f"jane/method/m{k}.py": b"" for k in range(30)}, "../evil.py": b""}
    with (
        pytest.raises(Refused, match=r"refused: \.\./evil\.py: it leads out"),
        received(zipped(tmp_path / "a.zip", files)),
    ):
        pass


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "submission.json"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_refuses_links_of_a_tar(tmp_path, target, kind):
    packed = tarred(tmp_path / "a.tar.gz", {"method/my.py": b""}, kind=kind, link=target)
    with pytest.raises(Refused, match="a link or a device"), received(packed):
        pass


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"K"])
def test_refuses_devices_of_a_tar(tmp_path, kind):
    with pytest.raises(Refused), received(tarred(tmp_path / "a.tar.gz", {"method/my.py": b""}, kind=kind)):
        pass


def test_refuses_a_link_of_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("method/my.py")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(Refused, match="a link or a device"), received(tmp_path / "a.zip"):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_refuses_links_and_pipes_of_a_folder(tmp_path):
    source = tmp_path / "jane"
    (source / "method").mkdir(parents=True)
    (source / "method" / "my.py").symlink_to("/etc/passwd")
    os.mkfifo(source / "submission.json")
    with pytest.raises(Refused) as error, received(source):
        pass
    assert len(error.value.reasons) == 2
    (tmp_path / "door").symlink_to(source)
    with pytest.raises(BadData), received(tmp_path / "door"):
        pass


def test_refuses_a_zip_bomb_before_it_unfolds(tmp_path):
    packed = zipped(tmp_path / "a.zip", {**GOOD, "method/my.txt": bytes(64 << 20)})
    assert packed.stat().st_size < 1 << 20
    with pytest.raises(Refused, match="67,108,864 bytes; at most"), received(packed):
        pass
    many = {f"records/a/cells/c/prediction/{k}.png": bytes(1 << 20) for k in range(40)}
    with pytest.raises(Refused, match="bytes in all"), received(zipped(packed, many), Limits(total_bytes=32 << 20)):
        pass


def test_refuses_a_zip_bomb_that_lies(tmp_path):
    packed = zipped(tmp_path / "a.zip", {**GOOD, "method/my.txt": bytes(1 << 20)})
    content = packed.read_bytes().replace(struct.pack("<I", 1 << 20), struct.pack("<I", 100))
    packed.write_bytes(content)
    with pytest.raises(Refused, match=r"damaged|holds"), received(packed):
        pass


def test_refuses_a_tar_bomb(tmp_path):
    packed = tarred(tmp_path / "a.tar.gz", {**GOOD, "method/my.txt": bytes(64 << 20)})
    assert packed.stat().st_size < 1 << 20
    with pytest.raises(Refused, match="67,108,864 bytes; at most"), received(packed):
        pass


def test_refuses_a_header_that_would_fill_the_memory(tmp_path):
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
            info = tarfile.TarInfo("x")
            info.type, info.size = kind, 32 << 20
            archive.addfile(info, io.BytesIO(bytes(32 << 20)))
        with pytest.raises(Refused, match="a header of 33,554,432 bytes"), received(tmp_path / "a.tar.gz"):
            pass


def test_refuses_too_many_files(tmp_path):
    many = {f"method/m{k}.py": b"" for k in range(30)}
    for packed in (zipped(tmp_path / "a.zip", many), tarred(tmp_path / "a.tar.gz", many)):
        with pytest.raises(Refused, match="more than 10 files"), received(packed, Limits(files=10)):
            pass


def test_refuses_names_that_collide(tmp_path):
    files = {"records/abc/record.json": b"{}", "records/ABC/record.json": b"{}"}
    for packed in (zipped(tmp_path / "a.zip", files), tarred(tmp_path / "a.tar.gz", files)):
        with pytest.raises(Refused, match="one name on some systems"), received(packed):
            pass
    assert colliding(["records/a/x", "records/A/y"]) == [("records/a", "records/A")]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refuses_a_file_that_is_there_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("submission.json", "{}")
        archive.writestr("submission.json", "[]")
    with pytest.raises(Refused, match="twice in the archive"), received(tmp_path / "a.zip"):
        pass


@pytest.mark.parametrize("tail", [b"PK\x06\x07" + bytes(16), b"a comment"])
def test_refuses_unusual_zips(tmp_path, tail):
    packed = zipped(tmp_path / "a.zip", GOOD)
    content = packed.read_bytes()
    packed.write_bytes(content[:-22] + tail + content[-22:] if tail[:2] == b"PK" else content + tail)
    with pytest.raises(Refused), received(packed):
        pass


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_refuses_unusual_compression(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("submission.json", "{}")
    with pytest.raises(Refused, match="unusual"), received(tmp_path / "a.zip"):
        pass


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(100), b"\x1f\x8b" + bytes(50), b"Rar!\x1a\x07"])
def test_refuses_what_is_no_archive(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(Refused), received(tmp_path / "a.zip"):
        pass


def test_truncated_archives_give_no_part_of_a_file(tmp_path):
    whole = {**GOOD, "method/noise.txt": os.urandom(2000)}
    refused = 0
    for packed in (zipped(tmp_path / "a.zip", whole), tarred(tmp_path / "a.tar.gz", whole)):
        content = packed.read_bytes()
        for cut in range(0, len(content), 97):
            packed.write_bytes(content[:cut])
            try:
                with received(packed) as folder:  # the end of a tar may be missing: its files are listed by checksums
                    assert all((folder / name).read_bytes() == whole[name] for name in names(folder))
            except Refused:
                refused += 1
    assert refused > 40


def test_says_what_is_not_there(tmp_path):
    with pytest.raises(BadData, match="no such folder or archive"), received(tmp_path / "none.zip"):
        pass


@pytest.mark.parametrize("path", ["", "/", ".", "a//b.py", "method//my.py", "method/my.py/", "./submission.json"])
def test_no_path_is_written_in_two_ways(path):
    assert wrong_path(path)
