"""Weights by name: where they are found, what an import refuses, and what a machine without a network is told."""

from __future__ import annotations

import http.server
import json
import os
import pickle
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
models = pytest.importorskip("torchvision.models")
pytest.importorskip("timm")

from brainbench.benchmark import weights  # noqa: E402
from brainbench.benchmark.cli import app  # noqa: E402
from brainbench.benchmark.errors import BadData, BadOption, Unavailable, UnknownName  # noqa: E402
from brainbench.benchmark.files import digest_file  # noqa: E402

SMALL = "squeezenet1.1"


@pytest.fixture(autouse=True)
def no_caches(tmp_path, monkeypatch):
    """No test sees the machine's caches, nor asks a server."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "_in_hub_cache", lambda repository, file: None)
    monkeypatch.setattr(weights, "_silent", {})

    def refuse(url, path):
        raise OSError(f"a test asked for {url}")

    monkeypatch.setattr(weights, "_fetch", refuse)


def squeezenet(path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(models.squeezenet1_1().state_dict(), path)
    return path


def test_the_table_holds_what_torchvision_and_open_clip_name():
    from open_clip import pretrained

    for name, published in {
        "alexnet": models.AlexNet_Weights.IMAGENET1K_V1,
        "inception-v3": models.Inception_V3_Weights.DEFAULT,
        "efficientnet-b1-v1": models.EfficientNet_B1_Weights.IMAGENET1K_V1,
        "efficientnet-b1-v2": models.EfficientNet_B1_Weights.DEFAULT,
        "vgg16": models.VGG16_Weights.IMAGENET1K_V1,
        "squeezenet1.1": models.SqueezeNet1_1_Weights.IMAGENET1K_V1,
    }.items():
        entry = weights.ENTRIES[name]
        assert entry.url == published.url
        assert entry.url.endswith(entry.file)
        assert len(weights.published_hash(entry)) == 8
    for name, model in {"clip-vit-l-14": "ViT-L-14", "clip-vit-b-32": "ViT-B-32"}.items():
        settings = pretrained.get_pretrained_cfg(model, "openai")
        assert settings["hf_hub"].strip("/") == weights.ENTRIES[name].hub[0]
        assert weights.ENTRIES[name].hub[1] == pretrained.HF_SAFE_WEIGHTS_NAME


def test_what_is_nowhere_is_unavailable_and_says_how_to_get_it():
    with pytest.raises(Unavailable, match="alexnet") as error:
        weights.find("alexnet")
    assert "brainbench weights import alexnet FILE" in error.value.hint
    assert "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth" in error.value.hint
    with pytest.raises(Unavailable) as error:
        weights.find("taef2-encoder")
    assert error.value.hint == "brainbench weights import taef2-encoder FILE"
    with pytest.raises(UnknownName, match="alexnut"):
        weights.find("alexnut")


def test_an_import_is_found_before_the_cache_and_its_hash_is_kept(tmp_path):
    cached = weights.hub_folder() / weights.ENTRIES[SMALL].file
    cached.parent.mkdir(parents=True)
    squeezenet(cached)
    assert weights.locate(SMALL) == weights.Place(cached, "cached")
    source = squeezenet(tmp_path / "mine.pth")
    kept = weights.import_file(SMALL, source)
    assert weights.locate(SMALL) == weights.Place(kept, "imported")
    assert weights.find(SMALL) == kept
    assert kept.read_bytes() == source.read_bytes()
    assert weights.read_told(kept.parent)["sha256"] == digest_file(source) == weights.digest(kept)
    assert [file.name for file in kept.parent.parent.iterdir() if not file.name.startswith(".")] == [SMALL]


def test_a_checkpoint_that_wraps_its_weights_is_understood(tmp_path):
    torch.manual_seed(0)
    state = {f"module.{name}": value for name, value in models.resnet50().state_dict().items() if "fc." not in name}
    state["module.prototypes.weight"] = torch.zeros(30, 128)
    torch.save({"state_dict": state}, tmp_path / "swav.pth.tar")
    kept = weights.import_file("swav-resnet50", tmp_path / "swav.pth.tar")
    assert kept.name == "weights.pth.tar"


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("evil-was-here",))


def hostile(kind: str, folder: Path) -> Path:
    file = folder / "given.pth"
    if kind == "a pickle with code":
        torch.save({"features.0.weight": torch.zeros(3), "x": Evil()}, file)
    elif kind == "a plain pickle":
        file.write_bytes(pickle.dumps(Evil()))
    elif kind == "truncated":
        squeezenet(file)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "text":
        file.write_text("not weights")
    elif kind == "a table":
        file.write_text("root:x:0:0:root:/root:/bin/bash\nqaemon:x:1:1:daemon\n")
    elif kind == "bytes":
        file.write_bytes(b"q" + bytes(range(256)))
    elif kind == "a list":
        torch.save([torch.zeros(3)], file)
    elif kind == "another network":
        torch.save(models.resnet18().state_dict(), file)
    elif kind == "another shape":
        state = models.squeezenet1_1().state_dict()
        state["features.0.weight"] = torch.zeros(64, 3, 5, 5)
        torch.save(state, file)
    elif kind == "a broken safetensors":
        file = folder / "given.safetensors"
        file.write_bytes(b"\xff" * 100)
    elif kind == "a script module":
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(file))
    return file


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind",
    [
        "a pickle with code", "a plain pickle", "truncated", "empty", "text", "a table", "bytes", "a list",
        "another network", "another shape", "a broken safetensors", "a script module",
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_and_nothing_in_it_runs(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadData) as error:
        weights.import_file(SMALL, hostile(kind, tmp_path))
    assert "given" in error.value.message
    assert error.value.hint
    assert not (tmp_path / "evil-was-here").exists()
    assert weights.locate(SMALL) is None


def test_a_missing_file_and_an_unknown_name_are_told(tmp_path):
    with pytest.raises(BadOption, match="no such file"):
        weights.import_file(SMALL, tmp_path / "none.pth")
    with pytest.raises(UnknownName, match="the names are"):
        weights.import_file("nets", tmp_path / "none.pth")


def test_the_commands_import_and_list(tmp_path):
    runner = CliRunner()
    file = squeezenet(tmp_path / "mine.pth")
    done = runner.invoke(app, ["weights", "import", SMALL, str(file), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["sha256"] == digest_file(file)
    done = runner.invoke(app, ["weights", "import", SMALL, str(file)])
    assert "not the published file" in done.output
    done = runner.invoke(app, ["weights", "list", "--json"])
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows[SMALL]["state"] == "imported"
    assert rows[SMALL]["published"] == "no"
    assert rows["alexnet"]["state"] == "missing"
    assert "weights import alexnet" in rows["alexnet"]["get"]
    done = runner.invoke(app, ["weights", "list"])
    assert digest_file(file)[:12] in done.stdout
    here, missing = weights.summary()
    assert SMALL in here
    assert "alexnet" in missing


class Server:
    """A local server of one folder, and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        asked: list[str] = []
        self.asked = asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *told):
                super().__init__(*told, directory=str(folder))

            def do_GET(self):
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *told):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "_silent", {})
    (tmp_path / "served").mkdir()
    found = Server(tmp_path / "served")
    yield found
    found.close()


def serve(server: Server, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    entry = replace(weights.ENTRIES[SMALL], url=f"{server.address}/{file}", file=file)
    monkeypatch.setitem(weights.ENTRIES, SMALL, entry)


def test_weights_are_downloaded_once_and_checked_by_the_hash_in_their_name(tmp_path, server, monkeypatch):
    source = squeezenet(tmp_path / "mine.pth")
    named = f"net-{digest_file(source)[:8]}.pth"
    source.rename(tmp_path / "served" / named)
    serve(server, monkeypatch, named)
    path = weights.find(SMALL)
    assert weights.find(SMALL) == path
    assert len(server.asked) == 1
    assert weights.locate(SMALL).state == "downloaded"
    assert not list(path.parent.parent.glob(".*.download"))


def test_a_download_with_another_hash_is_refused(tmp_path, server, monkeypatch):
    squeezenet(tmp_path / "served" / "net-00000000.pth")
    serve(server, monkeypatch, "net-00000000.pth")
    with pytest.raises(Unavailable, match="its hash differs"):
        weights.find(SMALL)
    assert weights.locate(SMALL) is None


def test_a_server_that_does_not_answer_is_asked_once_and_not_for_long(tmp_path, server, monkeypatch):
    serve(server, monkeypatch, "absent.pth")
    for _ in range(3):
        with pytest.raises(Unavailable, match="was not reached"):
            weights.find(SMALL)
    assert len(server.asked) == 1
    monkeypatch.setitem(
        weights.ENTRIES, SMALL, replace(weights.ENTRIES[SMALL], url="http://weights.invalid/net.pth", file="")
    )
    start = time.perf_counter()
    with pytest.raises(Unavailable, match=r"weights\.invalid was not reached"):
        weights.find(SMALL)
    assert time.perf_counter() - start < 30
