"""Weights are written whole, for everybody who may read the folder, or not at all with a reason."""

from __future__ import annotations

import errno

import pytest

from brainbench.benchmark import files
from brainbench.benchmark.errors import StoreError

torch = pytest.importorskip("torch")

from brainbench.benchmark.nn.weights import load_weights, save_weights  # noqa: E402


def test_weights_have_the_permissions_of_the_other_files(tmp_path):
    save_weights(tmp_path / "w", {"a": torch.arange(3.0)}, {"width": 3})
    modes = {file.stat().st_mode for file in (tmp_path / "w").iterdir()}
    assert len(modes) == 1
    state, settings = load_weights(tmp_path / "w")
    assert state["a"].tolist() == [0, 1, 2]
    assert settings == {"width": 3}


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(StoreError, match="no space left"):
        save_weights(tmp_path / "w", {"a": torch.arange(3.0)}, {})
    assert not list((tmp_path / "w").iterdir())
