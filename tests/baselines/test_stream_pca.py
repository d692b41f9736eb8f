"""Streams are reduced as scikit-learn does it with everything in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from linear_films import STREAMS, TRAINED, make_films

from brainbench.baselines.stream_pca import first_showings, reduce_stream, reduced_streams, rows_of
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.kinds.encoding import Runs


def whole(runs: Runs, stream: str) -> np.ndarray:
    return np.concatenate([rows_of(runs[row], stream) for row in range(1, len(runs))])  # run 0 is shown again as run 1


@pytest.mark.parametrize("stream", STREAMS)
def test_components_are_those_of_scikit_learn(stream: str, tmp_path: Path) -> None:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    runs = make_films(tmp_path).train.inputs
    rows = whole(runs, stream)
    scaled = StandardScaler().fit_transform(rows.astype(float))
    peer = PCA(6, svd_solver="full").fit(scaled)
    found = reduce_stream(runs, stream, 6)
    ours, theirs = found(rows), peer.transform(scaled)
    signs = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs * signs, atol=2e-3)
    np.testing.assert_allclose(found.variances, theirs.var(axis=0), rtol=1e-3)
    assert found.variances[0] > found.variances[-1]


def test_few_columns_are_standardised_and_kept(tmp_path: Path) -> None:
    runs = make_films(tmp_path).train.inputs
    rows = whole(runs, "llama/layer")
    for components in (None, 30, 250):
        found = reduce_stream(runs, "llama/layer", components)(rows)
        assert found.shape[1] == 30
        np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-3)
        np.testing.assert_allclose(np.delete(found, 7, axis=1).std(axis=0), 1, atol=1e-3)
        np.testing.assert_allclose(found[:, 7], 0, atol=1e-5)  # constant


def test_a_large_mean_does_not_spoil_single_precision(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    runs = films.train.inputs
    plain = reduce_stream(runs, "vjepa2/norm", 5)
    lifted = [np.asarray(values, np.float32) + 1e4 for values in runs._items.arrays["features/vjepa2/norm"]]
    arrays = {**runs._items.arrays, "features/vjepa2/norm": lifted}
    far = reduce_stream(Runs(replace(runs._items, arrays=arrays)), "vjepa2/norm", 5)
    np.testing.assert_allclose(far.variances, plain.variances, rtol=2e-3)


def test_numbers_that_are_none_count_as_zero(tmp_path: Path) -> None:
    runs = make_films(tmp_path).train.inputs
    values = np.array(runs[3].read("llama/layer"))
    values[2, 3], values[4, 5] = np.nan, np.inf
    runs._items.arrays["features/llama/layer"][3] = values
    rows = rows_of(runs[3], "llama/layer")
    assert rows[2, 3] == rows[4, 5] == 0
    assert np.isfinite(reduce_stream(runs, "llama/layer", 4).weights).all()


def test_evened_streams_have_a_mean_variance_of_one(tmp_path: Path) -> None:
    runs = make_films(tmp_path).train.inputs
    found = reduce_stream(runs, "vjepa2/norm", 8).evened()
    rows = found(whole(runs, "vjepa2/norm"))
    assert rows.var(axis=0).mean() == pytest.approx(1, rel=1e-3)
    assert rows[:, 0].var() > 2 * rows[:, -1].var()


def test_a_stimulus_that_is_shown_twice_counts_once(tmp_path: Path) -> None:
    assert first_showings(make_films(tmp_path).train.inputs) == [0, *range(2, TRAINED)]


def test_reduced_streams_are_made_once_and_read_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films = make_films(tmp_path)
    context = replace(films.context, shared=tmp_path / "shared")
    asked = {"vjepa2/norm": 6, "whisper/fc2": None}
    first = reduced_streams(films.train.inputs, asked, context, evened=True)
    monkeypatch.setattr("brainbench.baselines.stream_pca.reduce_stream", None)
    again = reduced_streams(films.train.inputs, asked, context, evened=True)
    assert again.widths == {"vjepa2/norm": 6, "whisper/fc2": 24}
    for row in range(TRAINED):
        direct = first.test(films.train.inputs[row])
        for stream, values in again.train(row).items():
            np.testing.assert_array_equal(values, direct[stream])
    with pytest.raises(TypeError):  # another number of components is made anew
        reduced_streams(films.train.inputs, {"vjepa2/norm": 5}, context, evened=True)


def test_damaged_reduced_streams_are_made_again(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    context = replace(films.context, shared=tmp_path / "shared")
    first = reduced_streams(films.train.inputs, {"vjepa2/norm": 6}, context, evened=True).train(2)["vjepa2/norm"]
    file = next((tmp_path / "shared").glob("reduced-*/0.f32"))
    file.write_bytes(file.read_bytes()[:-4])
    again = reduced_streams(films.train.inputs, {"vjepa2/norm": 6}, context, evened=True)
    np.testing.assert_array_equal(again.train(2)["vjepa2/norm"], first)


def test_a_run_without_a_stream_has_no_rows_of_it(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    films.train.inputs._items.arrays["features/llama/layer"][4] = None
    found = reduced_streams(films.train.inputs, {"llama/layer": 5, "vjepa2/norm": 5}, films.context, evened=False)
    assert set(found.train(4)) == set(found.test(films.test[len(films.test) - 1])) == {"vjepa2/norm"}


def test_a_stream_that_no_training_run_has_is_refused(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    with pytest.raises(BadData, match="no training run has the stream"):
        reduce_stream(films.train.inputs, "bert/pooler", 3)
