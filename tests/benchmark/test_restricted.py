"""The reader of numpy's pickled dictionaries: it reads what numpy writes and runs nothing that a file asks for."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark import restricted, restricted_pickle
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.restricted import read_counts, read_object_array

HEADER_TEXT = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"


def header(text: bytes = HEADER_TEXT, version: bytes = b"\x01\x00") -> bytes:
    padded = text + b" " * ((-len(text) - 11) % 64) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(padded)) + padded


def outer(inside: bytes, protocol: int = 4) -> bytes:
    """A 0-dimensional object array around opcodes that leave one value."""
    return (
        bytes([0x80, protocol])
        + b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        + b"(K\x01)cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xff"
        + b"J\xff\xff\xff\xffK?tb\x89]"
        + inside
        + b"atb."
    )


def write(path: Path, inside: bytes, protocol: int = 4) -> Path:
    path.write_bytes(header() + outer(inside, protocol))
    return path


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def save(path: Path, value: object, protocol: int | None = None) -> Path:
    """As numpy.save writes it, or under another protocol."""
    if protocol is None:
        np.save(path, value, allow_pickle=True)
    else:
        wrapped = np.empty((), object)
        wrapped[()] = value
        path.write_bytes(header() + pickle.dumps(wrapped, protocol))
    return path


# --- what numpy writes is read ---


def test_sample_counts_as_the_challenge_stores_them(tmp_path):
    counts = {"chaplin1": 432, "chaplin2": np.int64(405), "wot1": np.uint16(353), "long": 70_000}
    found = read_counts(save(tmp_path / "sub-01_ood_fmri_samples.npy", counts))
    assert found == {"chaplin1": 432, "chaplin2": 405, "wot1": 353, "long": 70_000}
    assert all(type(count) is int for count in found.values())


@pytest.mark.parametrize("protocol", [None, 3, 4])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i8", "u1", "?"])
def test_a_submission_comes_back_value_by_value(dtype, protocol, tmp_path):
    rng = np.random.default_rng(0)
    whole = (100 * rng.normal(size=(7, 6))).astype(dtype)
    runs = {"C": whole, "F": np.asfortranarray(whole), "cut": whole[::2, 1::3], "none": whole[:0], "C again": whole}
    found = read_object_array(
        save(tmp_path / "a.npy", {"sub-01": runs, "sub-02": {"big": np.tile(whole, (99, 99))}}, protocol)
    )
    assert list(found) == ["sub-01", "sub-02"]
    for name, values in runs.items():
        assert found["sub-01"][name].dtype == values.dtype
        np.testing.assert_array_equal(found["sub-01"][name], values)
    np.testing.assert_array_equal(found["sub-02"]["big"], np.tile(whole, (99, 99)))


def test_names_of_numpy_one_are_read_as_those_of_numpy_two(tmp_path):
    new = save(tmp_path / "a.npy", {"a": np.arange(6, dtype="f4").reshape(2, 3), "n": np.int32(3)}, 3)
    old = tmp_path / "b.npy"
    old.write_bytes(new.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert b"_core" not in old.read_bytes()
    np.testing.assert_array_equal(read_object_array(old)["a"], [[0, 1, 2], [3, 4, 5]])
    assert read_object_array(old)["n"] == 3


def test_one_dictionary_may_stand_for_several_subjects(tmp_path):
    runs = {"wot1": np.ones((2, 3), "f4")}
    found = read_object_array(save(tmp_path / "a.npy", {"sub-01": runs, "sub-02": runs}))
    assert found["sub-02"]["wot1"].sum() == 6


def test_memory_is_that_of_the_data(tmp_path):
    import tracemalloc

    path = save(tmp_path / "a.npy", {"sub-01": {str(k): np.zeros((500, 1000), "f4") for k in range(20)}})
    tracemalloc.start()
    found = read_object_array(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found["sub-01"]) == 20
    assert peak < 1.2 * path.stat().st_size


# --- what is asked for is not run ---


class Ran(Exception):
    pass


class Call:
    """Pickles as a call."""

    def __init__(self, function, *given):
        self.made = (function, given)

    def __reduce__(self):
        return self.made


class State:
    """Pickles as an object with a state."""

    def __init__(self, **state):
        self.__dict__.update(state)


def hostile(path: Path, trace: Path) -> dict[str, bytes]:
    """Pickles that would leave a file at ``trace``, or take much, were they run: name -> bytes after the header."""
    touch = f"touch {trace}"
    code = f"open({str(trace)!r}, 'w').close()"
    array = np.ones(3, "f4")

    def inside(value: object, protocol: int = 4) -> bytes:
        wrapped = np.empty((), object)
        wrapped[()] = {"sub-01": value}
        return pickle.dumps(wrapped, protocol)

    chain = Call(getattr, Call(__import__, "os"), "system")
    return {
        "os.system": inside(Call(os.system, touch)),
        "os.system without an array around": pickle.dumps(Call(os.system, touch)),
        "os.system, protocol 0": pickle.dumps(Call(os.system, touch), 0),
        "eval": inside(Call(eval, code)),
        "exec, protocol 2": inside(Call(exec, code), 2),
        "getattr chain": inside(Call(getattr, chain, "__call__")),
        "numpy.load": inside(Call(np.load, str(path), "r", True)),
        "numpy.fromfile": inside(Call(np.fromfile, str(path))),
        "codecs": outer(text("_codecs") + text("encode") + b"\x93" + text("x") + text("rot13") + b"\x86R"),
        "a dotted name of an admitted module": outer(text("numpy") + text("ndarray.tofile") + b"\x93"),
        "numpy's own eval-like functions": outer(text("numpy.testing") + text("runstring") + b"\x93"),
        "a reduce of what the file built": outer(text("os.system") + text(touch) + b"\x85R"),
        "a reduce of a type": outer(b"cnumpy\nndarray\nK\x05\x85R"),
        "inst": outer(b"(" + text(touch) + b"ios\nsystem\n"),
        "obj": outer(b"(cos\nsystem\n" + text(touch) + b"o"),
        "newobj": outer(b"cnumpy\nndarray\n)\x81"),
        "persistent id": outer(b"Pevil\n"),
        "extension registry": outer(b"\x82\x01"),
        "build on a dictionary": outer(b"}}b"),
        "object with a state": inside(State(x=1)),
        "class": inside(Path),
        "dictionary as default factory": inside(__import__("collections").defaultdict(list, a=1)),
        "object array inside": inside(np.array([{"a": 1}], dtype=object)),
        "array of texts": inside(np.array(["a", "b"])),
        "structured array": inside(np.zeros(2, [("a", "f4")])),
        "masked array": inside(np.ma.masked_array(array, [0, 1, 0])),
        "date": inside(np.datetime64("2020-01-01")),
        "set": inside({1, 2}),
        "list": inside([array]),
        "tuple": inside((1, 2)),
        "bytes": inside(b"raw"),
        "none": inside(None),
        "complex": inside(1j),
        "float": inside(1.5),
        "truth value": inside(True),
        "number as a key": inside({1: array}),
        "three deep": inside({"a": {"b": array}}),
        "protocol 5": inside(array, 5),
        "protocol 1": inside(array, 1),
        "huge whole number": inside(1 << 4000),
    }


def names() -> list[str]:
    return sorted(hostile(Path("x"), Path("x")))


@pytest.mark.parametrize("name", names())
def test_hostile_pickles_are_refused_and_nothing_runs(name, tmp_path, monkeypatch):
    trace, path = tmp_path / "ran", tmp_path / "a.npy"
    path.write_bytes(header() + hostile(path, trace)[name])
    watched = watch(monkeypatch)
    with pytest.raises(BadData, match=r"a\.npy"):
        read_object_array(path)
    assert not trace.exists()
    assert watched == []


def watch(monkeypatch) -> list[str]:
    """Names of what ran, were it run: importing by name, unpickling, shells, evaluation."""
    ran: list[str] = []

    def trap(name):
        def run(*given, **named):
            ran.append(name)
            raise Ran(name)

        return run

    for module, name in (
        (os, "system"),
        (os, "popen"),
        (pickle, "Unpickler"),
        (pickle, "load"),
        (pickle, "loads"),
        (np, "load"),
    ):
        monkeypatch.setattr(module, name, trap(name))
    return ran


def test_the_hostile_pickles_do_run_elsewhere(tmp_path):
    """The traps are real: numpy's own reader runs them."""
    trace, path = tmp_path / "ran", tmp_path / "a.npy"
    path.write_bytes(header() + hostile(path, trace)["os.system"])
    np.load(path, allow_pickle=True)
    assert trace.exists()


def test_what_is_refused_is_named(tmp_path):
    path = tmp_path / "a.npy"
    for name, message in (
        ("os.system", "system"), ("eval", "builtins.eval"), ("object array inside", "Python objects inside"),
        ("numpy.load", "load"), ("codecs", "_codecs.encode"), ("inst", "INST"), ("protocol 5", "protocol 5"),
        ("three deep", "nested more than 2 deep"), ("number as a key", "a whole number as a key"),
        ("array of texts", "'U1'"), ("a dotted name of an admitted module", "ndarray.tofile"),
    ):  # fmt: skip
        path.write_bytes(header() + hostile(path, tmp_path / "ran")[name])
        with pytest.raises(BadData) as error:
            read_object_array(path)
        assert message in error.value.message


# --- claims, memo and recursion ---


@pytest.mark.parametrize(
    "inside",
    [
        b"B\xff\xff\xff\xff",
        b"\x8e" + struct.pack("<Q", 1 << 60) + b"x",
        b"\x8e" + struct.pack("<Q", (1 << 64) - 1),
        b"X\xff\xff\xff\xff",
        b"\x8d" + struct.pack("<Q", 1 << 60),
        b"\x96" + struct.pack("<Q", 1 << 60),
        b"\x8b" + struct.pack("<i", 1 << 30),
        b"}r\xff\xff\xff\x7f",
        b"}p2147483647\n",
        b"h\x07",
        b"j\x07\x00\x00\x00",
        b"0",
        b"1",
        b"2",
        b"\x95" + struct.pack("<Q", 1 << 60),
        b"(" * 300_000,
        b"]" * 300_000,
        text("x" * 5000),
    ],
    ids=range(18),
)
def test_claims_and_tricks_cost_nothing(inside, tmp_path):
    import tracemalloc

    path = write(tmp_path / "a.npy", inside)
    tracemalloc.start()
    with pytest.raises(BadData):
        read_object_array(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


def test_a_structure_that_holds_itself_is_refused(tmp_path):
    with pytest.raises(BadData, match="nested"):
        read_object_array(write(tmp_path / "a.npy", b"}\x94" + text("a") + b"h\x00s"))
    with pytest.raises(BadData, match="a list"):
        read_object_array(write(tmp_path / "b.npy", b"]\x94h\x00a"))


def test_a_dictionary_meant_many_times_over_is_refused_soon(tmp_path):
    wide = b"}\x94(" + b"".join(text(f"{k}") + b"K\x01" for k in range(3000)) + b"u"
    many = b"}(" + b"".join(text(f"k{k}") + b"h\x00" for k in range(3000)) + b"u"
    path = write(tmp_path / "a.npy", b"}" + text("x") + wide + b"s" + text("y") + many + b"s")
    with pytest.raises(BadData, match="nested"):
        read_object_array(path)
    flat = b"}(" + text("x") + wide + b"".join(text(f"k{k}") + b"h\x00" for k in range(3000)) + b"u"
    with pytest.raises(BadData, match="more than 200,000 values"):
        read_object_array(write(tmp_path / "b.npy", flat))


def test_deep_nesting_does_not_exhaust_the_stack(tmp_path):
    deep = b")" + b"\x85" * 150_000
    with pytest.raises(BadData, match="a tuple"):
        read_object_array(write(tmp_path / "a.npy", deep))


def test_an_array_whose_bytes_do_not_fit_is_refused(tmp_path):
    good = save(tmp_path / "a.npy", {"sub-01": np.arange(300, dtype="f4")}).read_bytes()
    bad = good.replace(b"M\x2c\x01\x85", b"M\x2d\x01\x85")
    assert bad != good
    (tmp_path / "a.npy").write_bytes(bad)
    with pytest.raises(BadData, match=r"shape \(301,\) with 1,200 bytes"):
        read_object_array(tmp_path / "a.npy")


# --- files ---


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a .npy file"),
        (b"PK\x03\x04 not numpy", "not a .npy file"),
        (pickle.dumps({"a": 1}), "not a .npy file"),
        (header(version=b"\x02\x00"), "version 1.0"),
        (header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }") + b"x" * 12, "'<f4'"),
        (header(b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }"), "not one dictionary"),
        (header(b"{'descr': '|O', 'fortran_order': False, 'shape': (), 'x': __import__('os')}"), "not the header"),
        (header() + outer(b"}")[:-5], "truncated"),
        (header() + outer(b"}") + b"more", "4 bytes after the end"),
        (header() + b"\x80\x04..", "0 values at its end"),
        (header() + b"\x80\x04K\x01.", "not an array"),
    ],
)
def test_other_files_are_refused_with_the_reason(content, message, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(BadData, match=message):
        read_object_array(path)


def test_sizes_are_bounded_and_paths_are_checked(tmp_path):
    path = save(tmp_path / "a.npy", {"a": 1})
    with pytest.raises(BadData, match="more than 10"):
        read_object_array(path, most=10)
    with pytest.raises(BadData, match="no such file"):
        read_counts(tmp_path / "b.npy")
    with pytest.raises(BadData, match="a folder"):
        read_counts(tmp_path)


@pytest.mark.parametrize("value", [{"a": 0}, {"a": -3}, {"a": np.ones(2)}, {"a": {"b": 1}}])
def test_counts_are_numbers_above_zero(value, tmp_path):
    with pytest.raises(BadData, match="samples"):
        read_counts(save(tmp_path / "a.npy", value))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_give_data_or_one_clear_error(data):
    """Any change of a byte ends in a value or in `BadData`, never in another error."""
    good = GOOD
    place = data.draw(st.integers(0, len(good) - 1))
    change = data.draw(st.integers(0, 255))
    bad = good[:place] + bytes([change]) + good[place + 1 :]
    with suppress(BadData):
        restricted.read_object_stream(io.BytesIO(bad), len(bad), "a file")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_noise_after_the_header_gives_data_or_one_clear_error(noise):
    bad = header() + b"\x80\x04" + noise
    with suppress(BadData):
        restricted.read_object_stream(io.BytesIO(bad), len(bad), "a file")


def good() -> bytes:
    held = io.BytesIO()
    np.save(
        held, {"sub-01": {"a": np.arange(6, dtype="f4").reshape(2, 3)}, "n": np.int64(7), "m": 9}, allow_pickle=True
    )
    return held.getvalue()


GOOD = good()


def test_every_opcode_of_what_numpy_writes_is_known_and_no_other_acts():
    written = {op.code.encode("latin-1") for op, _, _ in pickletools.genops(GOOD[GOOD.index(b"\n") + 1 :])}
    assert written <= {*restricted_pickle.STEPS, b"."}
    acting = {"REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4"}
    known = {op.name for op in pickletools.opcodes if op.code.encode("latin-1") in restricted_pickle.STEPS}
    assert acting & known == {"REDUCE", "BUILD"}
