"""Features of transcripts: whose words a row knows, and that windows change nothing that they should not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import make_model

from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.extraction.layers import choose
from brainbench.benchmark.extraction.models import Loaded, load
from brainbench.benchmark.extraction.text import TextExtractor, _by_chunk, _sliding, tokens

TEXTS = ["", "hello there", "and you?", "", "", "fine.", "i was", "never", "", "better"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Loaded]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: load(str(make_model(kind, folder / kind))) for kind in ("llama", "bert")}


def transcript(folder: Path, texts: list[str]) -> Path:
    path = folder / "s01e01a.tsv"
    path.write_text("episode\ttext_per_tr\n" + "".join(f"x\t{text}\n" for text in texts))
    return path


def features(loaded: Loaded, path: Path, context: int = 64, pool: str = "mean", batch: int = 3, layer: str = "1.0"):
    extractor = TextExtractor(loaded, choose(loaded.model, [layer]), context, pool, batch)
    (found,) = extractor(path, lambda done, total: None).values()
    return found


def test_a_causal_row_is_the_mean_of_its_tokens_states(models: dict[str, Loaded], tmp_path: Path) -> None:
    loaded = models["llama"]
    found = features(loaded, transcript(tmp_path, TEXTS), layer="model.layers.2")
    ids, chunks = tokens(loaded.processor, TEXTS)
    letters = np.array(loaded.processor.convert_ids_to_tokens(ids))
    assert "".join(letters) == "helloĠthereĠandĠyou?Ġfine.ĠiĠwasĠneverĠbetter"
    assert "".join(letters[chunks == 5]).strip("Ġ") == "fine."
    with torch.inference_mode():
        whole = torch.as_tensor([[loaded.processor.bos_token_id, *ids]])
        states = loaded.model(whole, output_hidden_states=True).hidden_states[3][0, 1:].numpy()
    for k in (1, 2, 5, 6, 7, 9):
        np.testing.assert_allclose(found[k], states[chunks == k].mean(0), atol=1e-5)
    last = features(loaded, transcript(tmp_path, TEXTS), pool="last", layer="model.layers.2")
    np.testing.assert_allclose(last[5], states[np.flatnonzero(chunks == 5)[-1]], atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_silent_rows_are_carried_and_zero_before_the_first_word(
    models: dict[str, Loaded], tmp_path: Path, kind: str
) -> None:
    found = features(models[kind], transcript(tmp_path, TEXTS))
    assert found.shape == (10, 16)
    assert not found[0].any()
    np.testing.assert_array_equal(found[3], found[2])
    np.testing.assert_array_equal(found[4], found[2])
    np.testing.assert_array_equal(found[8], found[7])
    assert np.abs(np.diff(found[[1, 2, 5, 6, 7, 9]], axis=0)).max(axis=1).min() > 1e-3


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_no_row_knows_later_words(models: dict[str, Loaded], tmp_path: Path, kind: str) -> None:
    before = features(models[kind], transcript(tmp_path, TEXTS))
    after = features(models[kind], transcript(tmp_path, [*TEXTS[:6], "something", "else", "was", "said"]))
    np.testing.assert_allclose(after[:6], before[:6], atol=1e-5)
    assert np.abs(after[6:] - before[6:]).max(axis=1).min() > 1e-3


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_rows_know_the_words_before_them(models: dict[str, Loaded], tmp_path: Path, kind: str) -> None:
    before = features(models[kind], transcript(tmp_path, TEXTS))
    after = features(models[kind], transcript(tmp_path, ["", "goodbye folk", *TEXTS[2:]]))
    assert np.abs(after[2] - before[2]).max() > 1e-4
    short = features(models[kind], transcript(tmp_path, TEXTS), context=14)
    other = features(models[kind], transcript(tmp_path, ["", "jelly thyme", *TEXTS[2:]]), context=14)
    np.testing.assert_allclose(short[9], other[9], atol=1e-5)  # the change lies before its context


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_batches_change_nothing(models: dict[str, Loaded], tmp_path: Path, kind: str) -> None:
    path = transcript(tmp_path, TEXTS)
    one, many = (features(models[kind], path, context=20, batch=batch) for batch in (1, 50))
    np.testing.assert_allclose(one, many, atol=1e-5)


def test_which_way_a_model_looks_is_found_out(models: dict[str, Loaded]) -> None:
    ways = {
        kind: TextExtractor(loaded, choose(loaded.model, ()), 64, "mean", 1).facts["causal"]
        for kind, loaded in models.items()
    }
    assert ways == {"llama": True, "bert": False}


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 200), st.integers(2, 40))
def test_sliding_windows_give_every_token_once_with_half_a_context_before_it(count: int, size: int) -> None:
    windows = _sliding(count, size)
    kept = [token for w in windows for token in range(w.keep, w.stop)]
    assert kept == list(range(count))
    for w in windows:
        assert 0 < w.stop - w.start <= size
        assert w.keep - w.start >= min(w.keep, size // 2)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(2, 15))
def test_windows_of_chunks_end_with_their_chunk(lengths: list[int], size: int) -> None:
    chunks = np.repeat(np.arange(len(lengths)) * 2, lengths)
    windows = _by_chunk(chunks, size)
    assert [w.stop for w in windows] == np.cumsum(lengths).tolist()
    assert [w.stop - w.keep for w in windows] == [min(length, size) for length in lengths]
    assert all(w.stop - w.start == min(w.stop, size) for w in windows)


def test_silent_films_and_contexts_without_room_are_refused(models: dict[str, Loaded], tmp_path: Path) -> None:
    with pytest.raises(BadData, match="nothing is said in it"):
        features(models["llama"], transcript(tmp_path, ["", "", ""]))
    with pytest.raises(BadOption, match="no room for text"):
        features(models["bert"], transcript(tmp_path, TEXTS), context=3)


def test_contexts_end_at_the_positions_that_a_model_has(models: dict[str, Loaded], tmp_path: Path) -> None:
    path = transcript(tmp_path, ["word " * 30] * 4)
    assert TextExtractor(models["bert"], ("encoder.layer.0",), 9999, "mean", 1).facts["context"] == 64
    assert np.isfinite(features(models["bert"], path, context=9999)).all()
