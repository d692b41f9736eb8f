"""Choosing layers by name and depth, and loading models of every class."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_models import MAKERS, make_model
from torch import nn

from brainbench.benchmark.errors import BadOption, DataMissing
from brainbench.benchmark.extraction.layers import choose, pooled, run, stack
from brainbench.benchmark.extraction.models import load

WHAT = {
    "llama": ("text", "LlamaModel", "model.layers.3"),
    "bert": ("text", "BertModel", "encoder.layer.1"),
    "whisper": ("audio", "WhisperEncoder", "layers.1"),
    "wav2vec2": ("audio", "Wav2Vec2Model", "encoder.layers.1"),
    "vjepa2": ("video", "VJEPA2Model", "encoder.layer.2"),
    "videomae": ("video", "VideoMAEModel", "encoder.layer.1"),
    "vit": ("video", "ViTModel", "layers.1"),
    "clip": ("video", "CLIPVisionModel", "encoder.layers.1"),
    "resnet": ("video", "ResNetModel", "encoder.stages.1"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_class_of_model_tells_what_it_reads_and_its_last_block(kind: str, tmp_path: Path) -> None:
    loaded = load(str(make_model(kind, tmp_path / kind)))
    assert (loaded.modality, type(loaded.forward).__name__, choose(loaded.model, ["1.0"])[0]) == WHAT[kind]
    assert not any(weight.requires_grad for weight in loaded.model.parameters())


class Blocks(nn.Module):
    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.GELU()) for _ in range(blocks))
        self.norm = nn.LayerNorm(2)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        for block in self.layers:
            x = block(x)
        return self.norm(x), 0


@pytest.mark.parametrize(
    ("depth", "block"), [("0.5", 14), ("0.75", 22), ("1.0", 29), ("1", 29), (".01", 0), ("0.34", 10), ("0.1", 2)]
)
def test_depths_are_shares_of_the_stack(depth: str, block: int) -> None:
    assert choose(Blocks(30), [depth]) == (f"layers.{block}",)


def test_layers_are_taken_once_in_the_order_asked() -> None:
    assert choose(Blocks(4), ["norm", "1.0", "layers.3", " layers.0.1 "]) == ("norm", "layers.3", "layers.0.1")
    assert choose(Blocks(4), ()) == ("layers.1", "layers.2", "layers.3")
    assert stack(Blocks(2)) == ("layers.0", "layers.1")


def test_the_beginning_of_a_name_may_be_left_out(tmp_path: Path) -> None:
    loaded = load(str(make_model("llama", tmp_path / "llama")))
    assert choose(loaded.model, ["layers.1.mlp"]) == ("model.layers.1.mlp",)
    with pytest.raises(BadOption, match="4 layers 'mlp'"):
        choose(loaded.model, ["mlp"])


@pytest.mark.parametrize("asked", ["layers.9", "0", "0.0", "1.5", "nothing", "layers"])
def test_layers_that_are_not_there_are_refused(asked: str) -> None:
    with pytest.raises(BadOption):
        choose(Blocks(4), [asked])


def test_outputs_are_those_of_the_named_modules_and_hooks_do_not_stay() -> None:
    model, x = Blocks(2), torch.randn(3, 5, 2)
    heard = run(model, model, ("layers.0", "norm"), x=x)
    torch.testing.assert_close(heard["layers.0"], model.layers[0](x).detach())
    torch.testing.assert_close(heard["norm"], model(x)[0].detach())
    with pytest.raises(BadOption, match="does not run unused"):
        run(model, model, ("unused",), x=x)
    assert not any(module._forward_hooks for module in model.modules())


def test_states_are_averaged_over_all_but_batch_and_width() -> None:
    states = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(pooled(states), states.mean((2, 3)))  # (batch, dim, height, width)
    torch.testing.assert_close(pooled(states[0]), states[0].mean(1))
    torch.testing.assert_close(pooled(states[0, 0]), states[0, 0])


def test_models_in_several_files_load_from_the_hubs_cache_without_a_network(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "hub" / "models--somebody--tiny-llama"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit)
    folder = make_model("llama", kept / "snapshots" / commit)
    load(str(folder)).model.save_pretrained(folder, max_shard_size="8KB")
    (folder / "model.safetensors").unlink()
    assert (folder / "model.safetensors.index.json").exists()
    told = subprocess.run(
        [sys.executable, "-c", ASKED],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert told.stdout.split("\n")[:2] == [f"hub somebody/tiny-llama (cached) {commit} text", "ok"], told.stderr


ASKED = """
from brainbench.benchmark.extraction.models import load
loaded = load("somebody/tiny-llama")
print(loaded.source, loaded.revision, loaded.modality)
print("ok" if loaded.model.model.layers[3].mlp.up_proj.weight.std() > 0.05 else "random weights")
"""


def test_what_cannot_be_loaded_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataMissing, match="openai/whisper-none") as told:
        load("openai/whisper-none")
    assert "hf download openai/whisper-none" in told.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadOption, match="could not be loaded"):
        load(str(tmp_path / "empty"))
    with pytest.raises(BadOption, match="reads no audio"):
        load("tiny-random", "audio")
    with pytest.raises(BadOption, match="no time series of the sound"):
        load(str(make_model("vit", tmp_path / "vit")), "audio")
