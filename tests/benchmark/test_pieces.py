"""Registry, cells, items, files, source hashes and the audit's detectors."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainbench import Card, Items, Method
from brainbench.benchmark import audit, registry
from brainbench.benchmark.cells import Cell, MethodSpec, configure, parse_value
from brainbench.benchmark.errors import BadData, BadOption, PluginBroken, StoreError, UnknownName
from brainbench.benchmark.files import whole_folder, write_error, write_text
from brainbench.benchmark.items import ArrayRef
from brainbench.benchmark.plan import weights_hash
from brainbench.benchmark.source import ROOT, _relative_imports, closure, source_hash
from brainbench.benchmark.splits import SplitManifest


@dataclass
class Sized(Method):
    width: int = 8
    rate: float | None = 0.1
    bias: bool = True
    mode: str = "a"
    sizes: tuple[int, ...] = (1, 2)
    card = Card("sized", "")
    supports = ("classification",)
    presets = {"small": {"width": 4}, "big": {"width": 64, "sizes": (8,)}}

    def fit(self, train, context) -> None: ...

    def predict(self, test, context): ...


def test_options_take_the_types_of_the_fields():
    preset, options = configure(Sized, None, {})
    assert (preset, options["width"]) == ("small", 4)
    _, options = configure(Sized, "big", {"width": "9", "rate": "none", "bias": "false", "sizes": "[3, 4]"})
    assert options == {"width": 9, "rate": None, "bias": False, "mode": "a", "sizes": (3, 4)}


@pytest.mark.parametrize(
    ("preset", "settings", "message"),
    [("huge", {}, "no preset 'huge'"), (None, {"depth": "1"}, "no option 'depth'"), (None, {"width": "x"}, "int")],
)
def test_wrong_options_say_what_is_known(preset, settings, message):
    with pytest.raises(BadOption, match=message):
        configure(Sized, preset, settings)
    with pytest.raises(BadOption, match="cannot be typed"):
        parse_value("weights", "1", np.ndarray)


def cell(**changes) -> Cell:
    spec = {"name": "m", "ref": "m", "preset": "", "options": {}, "source": "s", **changes.pop("method", {})}
    base = {"task": "t", "version": 1, "data": "d", "split": "p", "fold": "f", "seed": 0}
    return Cell(**{**base, **changes}, method=MethodSpec(**spec))


def test_the_key_changes_with_all_that_matters_and_nothing_else():
    keys = {cell().key}
    for change in ({"version": 2}, {"data": "e"}, {"split": "q"}, {"fold": "g"}, {"seed": 1}, {"device": "cuda"},
                   {"draw": 1}, {"scope": "one"}, {"track": "group"}, {"method": {"source": "z"}},
                   {"method": {"options": {"a": 1}}}, {"method": {"weights": "w"}},
                   {"method": {"ref": "n"}}):  # fmt: skip
        keys.add(cell(**change).key)
    assert len(keys) == 14
    assert cell(method={"name": "other", "preset": "x"}).key == cell().key


def test_unknown_names_answer_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'abide2-asd'"):
        registry.find("tasks", "abide2-ads")
    with pytest.raises(UnknownName, match="no file"):
        registry.find("methods", "./nowhere.py:Method")


def test_a_broken_plugin_shows_its_own_error(tmp_path, monkeypatch):
    (tmp_path / "bad.py").write_text("import does_not_exist\n")
    entry = registry.find("methods", f"{tmp_path / 'bad.py'}:Method")
    with pytest.raises(PluginBroken, match="does_not_exist"):
        entry.load()
    (tmp_path / "odd.py").write_text("thing = 3\n")
    with pytest.raises(PluginBroken, match="not a Method"):
        registry.find("methods", f"{tmp_path / 'odd.py'}:thing").load()
    (tmp_path / "bare.py").write_text("from brainbench import Method\nclass Bare(Method): pass\n")
    with pytest.raises(PluginBroken, match="no card and no supports"):
        registry.find("methods", f"{tmp_path / 'bare.py'}:Bare").load()
    (tmp_path / "script.py").write_text("raise SystemExit(0)\n")
    with pytest.raises(PluginBroken, match="SystemExit"):
        registry.find("methods", f"{tmp_path / 'script.py'}:Method").load()


def test_entry_points_are_found(monkeypatch):
    point = SimpleNamespace(name="theirs", module="tests_theirs", attr="M", dist=SimpleNamespace(name="their-package"))
    monkeypatch.setattr(registry, "installed_points", lambda group: (point,))
    found = registry.entries("methods")
    assert found["theirs"].origin == "their-package"
    assert found["fc-svm"].origin == "built-in"
    listed = dict((entry.name, plugin) for entry, plugin in registry.load_all("methods"))
    assert isinstance(listed["theirs"], PluginBroken)


def test_every_builtin_plugin_imports_without_torch():
    import subprocess
    import sys

    code = (
        "import sys\nfrom brainbench.benchmark.registry import BUILTIN, load_all\n"
        "bad = [(e.name, str(p)) for g in BUILTIN for e, p in load_all(g) if isinstance(p, Exception)]\n"
        "assert not bad, bad\nassert 'torch' not in sys.modules and 'nilearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_source_hash_follows_relative_imports():
    from brainbench.baselines.fc_linear import FcSvm

    files = closure(ROOT / "baselines" / "fc_linear.py", _relative_imports)
    assert ROOT / "benchmark" / "fc.py" in files
    assert ROOT / "benchmark" / "run.py" not in files
    assert source_hash(FcSvm) == source_hash(FcSvm)


def test_the_source_hash_follows_packages_and_their_tables():
    files = closure(ROOT / "methods" / "fmri_lm" / "method.py", _relative_imports)
    names = {str(file.relative_to(ROOT)) for file in files}
    assert {"benchmark/prompts/asking.py", "benchmark/prompts/stems.json", "benchmark/describe/graph.py"} <= names
    assert "benchmark/cli/main.py" not in names


def test_the_source_hash_of_a_file_changes_with_it(tmp_path):
    import sys

    text = "from brainbench import Card, Method\nclass M(Method):\n    card = Card('m', '')\n    supports = ()\n"
    file = tmp_path / "changing.py"
    hashes = []
    for more in ("", "    x = 1\n"):
        file.write_text(text + more)
        for name in [name for name in sys.modules if "changing" in name]:
            del sys.modules[name]
        hashes.append(source_hash(registry.find("methods", f"{file}:M").load()))
    assert hashes[0] != hashes[1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=5))
def test_items_survive_a_round_trip(shapes):
    import tempfile

    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float16) for shape in shapes]
    table = pd.DataFrame({"x": range(len(shapes)), "texts": [["a", "b"]] * len(shapes)},
                         index=[f"i{k}" for k in range(len(shapes))])  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        Items(table, {"series": arrays, "other": [None] * len(shapes)}, {"atlas": {"name": "a"}}).save(
            Path(folder) / "items.parquet"
        )
        again = Items.load(Path(folder) / "items.parquet")
        for row, array in enumerate(arrays):
            np.testing.assert_array_equal(again.read("series", row), array)
        assert again.meta == {"atlas": {"name": "a"}}
        with pytest.raises(BadData, match="no array 'other'"):
            again.read("other", 0)


def test_a_truncated_file_and_objects_are_refused(tmp_path):
    (tmp_path / "short.bin").write_bytes(b"1234")
    with pytest.raises(BadData, match="truncated, 4 of 8 bytes"):
        ArrayRef(str(tmp_path / "short.bin"), 0, (2,), "<f4").read()
    with pytest.raises(BadData, match="objects"):
        ArrayRef(str(tmp_path / "short.bin"), 0, (2,), "|O").read()
    with pytest.raises(BadData, match="gone"):
        ArrayRef(str(tmp_path / "none.bin"), 0, (2,), "<f4").read()


@given(st.integers(0, 31), st.integers(0, 7))
def test_a_bit_that_flips_in_an_array_whose_digest_is_known_is_never_read(tmp_path_factory, byte, bit):
    file = tmp_path_factory.mktemp("flips") / "values.bin"
    raw = bytearray(np.arange(8, dtype="<f4").tobytes())
    ref = ArrayRef(str(file), 0, (8,), "<f4", hashlib.sha256(raw).hexdigest())
    file.write_bytes(raw)
    assert ArrayRef.of(json.loads(json.dumps(ref))).read()[3] == 3
    raw[byte] ^= 1 << bit
    file.write_bytes(raw)
    with pytest.raises(BadData, match="damaged or edited"):
        ref.read()
    assert len(ref.rows(2, 4).read()) == 2  # a part is not compared


def test_select_keeps_only_what_is_named_and_families():
    items = Items(pd.DataFrame({"age": [1], "label": ["x"], "frames:one": [3]}, index=["a"]),
                  {"series": [np.ones(2)], "features/video": [np.ones(3)], "responses/one": [np.ones(1)]})  # fmt: skip
    seen = items.select(("age", "features/", "frames:"))
    assert (list(seen.table.columns), list(seen.arrays)) == (["age", "frames:one"], ["features/video"])


@pytest.mark.parametrize(("code", "told"), [(errno.ENOSPC, "no space left while writing x"), (errno.EACCES, "denied")])
def test_a_disk_that_fills_while_a_folder_is_copied_is_told_as_any_other(code, told):
    one = OSError(code, "No space left" if code == errno.ENOSPC else "Permission denied")
    several = shutil.Error([("a", "b", str(one)), ("c", "d", str(one))])  # as shutil.copytree tells it
    message = write_error(several, Path("x")).message
    assert told in message
    assert "('a'" not in message


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "cohort"
    with whole_folder(target) as folder:
        (folder / "a").write_text("one")
    with pytest.raises(ZeroDivisionError), whole_folder(target) as folder:
        (folder / "a").write_text(str(1 / 0))
    assert (target / "a").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["cohort"]


def test_a_place_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_text(tmp_path / "file" / "below", "x")


def split(train: list[str], test: list[str]) -> SplitManifest:
    return SplitManifest(rule="r", seed=0, data="d", folds={"f": {"train": tuple(train), "test": tuple(test)}})


def test_duplicate_scans_fire_on_a_planted_copy_and_not_on_clean_data():
    table = pd.DataFrame({"subject": list("abcd"), "digest": ["1", "2", "3", "4"]}, index=list("abcd"))
    assert audit.duplicate_scans(audit.Case(None, Items(table), split(["a", "b"], ["c", "d"]))).level == "ok"
    leaky = Items(table.assign(digest=["1", "2", "2", "4"]))
    finding = audit.duplicate_scans(audit.Case(None, leaky, split(["a", "b"], ["c", "d"])))
    assert (finding.level, "1 test scans" in finding.message) == ("leak", True)


def test_site_and_class_fire_when_one_site_holds_one_class():
    task = SimpleNamespace(kind="classification", target="y")
    table = pd.DataFrame({"site": ["a"] * 20 + ["b"] * 20, "y": ["p"] * 20 + ["q"] * 20})
    assert "1.00" in audit.site_imbalance(audit.Case(task, Items(table), split([], []))).message
    even = audit.site_imbalance(audit.Case(task, Items(table.assign(y=["p", "q"] * 20)), split([], [])))
    assert even.level == "ok"


def test_pretraining_overlap_refuses_marks_and_clears(tmp_path):
    items = Items(pd.DataFrame({"subject": list("abcd")}, index=list("abcd")))
    manifest = split(["a", "b"], ["c", "d"])
    assert audit.pretraining_overlap(tmp_path, items, manifest, False).level == "note"
    audit.leave_manifest(tmp_path, "x", ["a", "b"])
    assert audit.pretraining_overlap(tmp_path, items, manifest, False).level == "ok"
    audit.leave_manifest(tmp_path, "x", ["c"])
    with pytest.raises(BadOption, match="1 of 2 test subjects"):
        audit.pretraining_overlap(tmp_path, items, manifest, False)
    assert audit.pretraining_overlap(tmp_path, items, manifest, True).level == "leak"
    (tmp_path / audit.SEEN).write_text(json.dumps({"subjects": 3}))
    with pytest.raises(BadData, match="not a list of subjects"):
        audit.pretraining_overlap(tmp_path, items, manifest, False)


def test_the_source_hash_of_a_file_changes_with_what_it_imports_beside_it(tmp_path):
    (tmp_path / "with_helper.py").write_text(
        "import bb_helper\nfrom brainbench import Card, Method\n"
        "class M(Method):\n    card = Card('m', '')\n    supports = ()\n"
    )
    hashes = []
    for text in ("x = 1\n", "x = 2\n"):
        (tmp_path / "bb_helper.py").write_text(text)
        hashes.append(source_hash(registry.find("methods", f"{tmp_path / 'with_helper.py'}:M").load()))
    assert hashes[0] != hashes[1]


def test_weights_are_told_apart_by_every_file_of_a_folder(tmp_path):
    for name in "abcdefg":
        (tmp_path / name).write_text(name)
    first = weights_hash(tmp_path)
    (tmp_path / "g").write_text("other")
    assert weights_hash(tmp_path) != first
    assert max(len(first), len(weights_hash(tmp_path / "a"))) <= 64
