"""Linear encoding models find a planted response; the challenge's baseline keeps its edge rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear_films import LAG, PARCELS, SUBJECTS, Films, make_films

from brainbench.baselines.algonauts_baseline import ALPHAS, CUT, AlgonautsBaseline, single_chunks, windows
from brainbench.baselines.banded_ridge import BandedRidge
from brainbench.baselines.delayed_ridge import DelayedRidge
from brainbench.baselines.encoding_rows import Delays, stimulus_folds
from brainbench.baselines.mean_response import MeanResponse
from brainbench.benchmark.contracts import Method
from brainbench.benchmark.errors import BadData, BadOption, Skipped
from brainbench.benchmark.kinds.encoding import Encoding

MODELS: list[tuple[type[Method], dict[str, Any]]] = [
    (AlgonautsBaseline, {}),
    (DelayedRidge, {}),
    (BandedRidge, {"draws": 4, "components": 12}),
]


def fitted(method: Method, films: Films) -> Method:
    method.fit(films.train, films.context)
    return method


@pytest.mark.parametrize(("method", "options"), MODELS)
def test_a_planted_response_is_found_and_another_is_not(
    method: type[Method], options: dict[str, Any], tmp_path: Path
) -> None:
    films = make_films(tmp_path)
    model = fitted(method(**options), films)
    prediction = model.predict(films.test, films.context)
    Encoding().check(prediction, films.test._items, films.context.task)
    assert films.r(prediction) > 0.85
    assert films.r(prediction, silent=True) > 0.3  # a silent film without text
    mixed = [
        {subject: np.resize(other[subject], values.shape) for subject, values in run.items()}
        for run, other in zip(prediction, prediction[1:] + prediction[:1], strict=True)
    ]
    assert abs(films.r(mixed)) < 0.15
    assert model.report()["parameters"] > 0


@pytest.mark.parametrize(("method", "options"), MODELS)
def test_one_tested_run_never_changes_another(method: type[Method], options: dict[str, Any], tmp_path: Path) -> None:
    films = make_films(tmp_path)
    model = fitted(method(**options), films)
    before = model.predict(films.test, films.context)
    films.test._items.arrays["features/vjepa2/norm"][1] = films.test[1].read("vjepa2/norm")[::-1]
    after = model.predict(films.test, films.context)
    same = [np.array_equal(a[SUBJECTS[0]], b[SUBJECTS[0]]) for a, b in zip(before, after, strict=True)]
    assert same == [True, False, True]


# The challenge's baseline. A sample s of a training run is TR s + 5; of a tested run, TR s.
LENGTH = 40


@pytest.mark.parametrize(
    ("tr", "sight", "language"),
    [
        (5, range(5, 10), 5),  # the first eight samples: chunks 5 to 9, some of them in the future
        (7, range(5, 10), 5),
        (8, range(5, 10), 5),  # language follows from the fourth sample on
        (12, range(5, 10), 9),
        (13, range(6, 11), 10),  # t - 7 to t - 3
        (20, range(13, 18), 17),
        (39, range(32, 37), 36),
        (40, range(33, 38), 39),  # language: the last row where its index is 3 or fewer before the end
        (42, range(35, 40), 39),
        (43, range(35, 40), 39),  # past the end of the stream: its last five chunks
        (45, range(35, 40), 39),
    ],
)
def test_chunks_of_training_samples(tr: int, sight: range, language: int) -> None:
    samples = 46 - CUT
    assert windows(samples, LENGTH, CUT)[tr - CUT].tolist() == list(sight)
    assert single_chunks(samples, LENGTH, CUT)[tr - CUT] == language


@pytest.mark.parametrize(
    ("tr", "sight", "language"),
    [
        (0, range(0, 5), 0),
        (2, range(0, 5), 0),
        (3, range(0, 5), 0),
        (4, range(0, 5), 1),
        (7, range(0, 5), 4),
        (8, range(1, 6), 5),
        (20, range(13, 18), 17),
        (39, range(32, 37), 36),
        (40, range(33, 38), 39),
        (43, range(35, 40), 39),
        (50, range(35, 40), 39),
    ],
)
def test_chunks_of_tested_samples(tr: int, sight: range, language: int) -> None:
    assert windows(51, LENGTH, 0)[tr].tolist() == list(sight)
    assert single_chunks(51, LENGTH, 0)[tr] == language


def test_streams_shorter_than_a_window_repeat_their_first_chunk() -> None:
    assert windows(3, 2, 0).min() == 0


def test_the_baseline_is_scikit_learns_on_the_written_rows(tmp_path: Path) -> None:
    from sklearn.linear_model import RidgeCV

    films = make_films(tmp_path)
    model = fitted(AlgonautsBaseline(), films)
    runs, measured = films.train.inputs, films.train.targets
    rows, responses = [], []
    for row, run in enumerate(runs):
        if "sub-02" not in measured.subjects(row):
            continue
        reduced = model._reduced.test(run)
        frames = measured.frames(row, "sub-02")
        for s in range(frames - 2 * CUT):
            start = 5 if s < 8 else s - 2
            parts = []
            for stream in ("vjepa2/norm", "whisper/fc2"):
                end = min(start + 5, len(reduced[stream]))
                parts.append(reduced[stream][end - 5 : end].ravel())
            index = 5 if s < 3 else s + 2
            length = len(reduced["llama/layer"])
            rows.append(np.concatenate([*parts, reduced["llama/layer"][-1 if index >= length - 3 else index]]))
        responses.append(measured.read(row, "sub-02")[CUT : frames - CUT])
    x, y = np.array(rows, float), np.concatenate(responses).astype(float)
    peer = RidgeCV(ALPHAS, alpha_per_target=True).fit(x, y)
    ours = model._models["sub-02"]
    assert ours.weights.shape == (40 * 5 + 20 * 5 + 30, PARCELS)
    np.testing.assert_array_equal(ours.alphas, peer.alpha_)
    np.testing.assert_allclose(ours.weights, peer.coef_.T, atol=1e-3 * np.abs(peer.coef_).max())


def test_a_silent_film_gets_the_other_columns_and_the_intercept(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    model = fitted(AlgonautsBaseline(), films)
    silent = films.test[len(films.test) - 1]
    frames = silent.frames["sub-01"]
    x = model.design(model._reduced.test(silent), frames, 0)
    assert not x[:, -30:].any()
    ours = model._models["sub-01"]
    expected = x[:, :-30] @ ours.weights[:-30] + ours.offset
    np.testing.assert_allclose(model.predict(films.test, films.context)[-1]["sub-01"], expected, atol=1e-5)


def test_modalities_are_variants_of_the_baseline(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    for name, columns in {"visual": 200, "audio": 100, "language": 30}.items():
        model = fitted(AlgonautsBaseline(**AlgonautsBaseline.controls[name]), films)
        assert model.report()["columns"] == {name: columns}
    named = fitted(AlgonautsBaseline(modality="visual", visual="llama/layer"), films)
    assert named.report()["streams"] == {"visual": "llama/layer"}
    with pytest.raises(BadOption, match="no stream 'bert'"):
        fitted(AlgonautsBaseline(language="bert"), films)
    del films.train.inputs.streams["whisper/fc2"]
    with pytest.raises(Skipped, match="no stream speaks of audio"):
        fitted(AlgonautsBaseline(modality="audio"), films)


def test_delays_reach_back_and_never_forward() -> None:
    design = Delays({"a": 2, "b": 1}, 3)
    a, b = np.arange(1, 11, dtype=np.float32).reshape(5, 2), np.full((5, 1), 9, np.float32)
    x = design({"a": a}, 8)
    assert x.shape == (8, design.columns) == (8, 9)
    np.testing.assert_array_equal(x[0], 0)
    np.testing.assert_array_equal(x[1, :6], [*a[0], 0, 0, 0, 0])
    np.testing.assert_array_equal(x[3, :6], [*a[2], *a[1], *a[0]])
    np.testing.assert_array_equal(x[7, :6], [*a[4], *a[4], *a[4]])  # the last row beyond the stream's end
    assert not x[:, 6:].any()
    assert design({"a": a, "b": b}, 8)[1:, 6].tolist() == [9] * 7
    assert design.groups.tolist() == [0] * 6 + [1] * 3


def test_weights_sit_at_the_planted_lag(tmp_path: Path) -> None:
    films = make_films(tmp_path, noise=0.1)
    model = fitted(DelayedRidge(components=10), films)
    widths, weights = model._delays.widths, model._models["sub-01"].weights
    column = 0
    for width in widths.values():
        energy = (weights[column : column + width * 5] ** 2).reshape(5, -1).sum(axis=1)
        assert energy.argmax() + 1 == LAG
        column += width * 5


@pytest.mark.parametrize(("method", "options"), MODELS[1:])
def test_moments_and_himalaya_agree(method: type[Method], options: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("himalaya")
    films = make_films(tmp_path, noise=1)
    own, peer = (
        fitted(method(**{**options, "components": 8, "solver": solver}), films) for solver in ("moments", "himalaya")
    )
    for subject in SUBJECTS:
        a, b = own._models[subject], peer._models[subject]
        np.testing.assert_allclose(a.alphas, b.alphas, rtol=1e-3)
        assert len(set(a.alphas)) > 1
        np.testing.assert_allclose(a.weights, b.weights, atol=2e-3 * np.abs(b.weights).max())
        np.testing.assert_allclose(a.offset, b.offset, atol=1e-3)


def test_banded_ridge_weighs_streams_by_what_they_explain(tmp_path: Path) -> None:
    films = make_films(tmp_path, noise=2)
    rng = np.random.default_rng(5)
    for field in ("features/vjepa2/norm", "features/whisper/fc2"):  # streams of other films
        for items in (films.train.inputs._items, films.test._items):
            items.arrays[field][:] = [rng.permutation(values) for values in items.arrays[field]]
    plain, banded = fitted(DelayedRidge(components=12), films), fitted(BandedRidge(draws=16, components=12), films)
    told = banded._models["sub-01"].weights ** 2
    group = banded._delays.groups
    share = [told[group == number].sum() for number in range(3)]
    assert banded._delays.widths.keys() == {"llama/layer": 0, "vjepa2/norm": 0, "whisper/fc2": 0}.keys()
    assert share[0] > 5 * (share[1] + share[2])
    scores = [films.r(model.predict(films.test, films.context)) for model in (plain, banded)]
    assert scores[1] > scores[0]
    inner = [model.report()["validation_r"] for model in (plain, banded)]
    assert inner[1] > inner[0]


def test_inner_folds_never_cut_a_stimulus() -> None:
    groups = np.array([4, 4, 7, 1, 7, 2, 3, 3, 9])
    fold = stimulus_folds(groups, 5, seed=0)
    assert all(len(set(fold[groups == group])) == 1 for group in groups)
    assert set(fold) == set(range(5))
    assert set(stimulus_folds(np.array([3, 3, 8]), 5, 0)) == {0, 1}
    assert not stimulus_folds(np.array([3, 3]), 5, 0).any()


def test_inner_correlation_foretells_the_tested_one(tmp_path: Path) -> None:
    films = make_films(tmp_path, noise=1, tested=8)
    model = fitted(DelayedRidge(), films)
    score = films.r(model.predict(films.test, films.context))
    assert model.report()["validation_r"] == pytest.approx(score, abs=0.05)


def test_one_stimulus_is_enough(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    part = replace(films.train, groups=np.zeros_like(films.train.groups))
    for model in (DelayedRidge(), BandedRidge()):
        model.fit(part, films.context)
        assert model.report()["validation_r"] is None
        assert films.r(model.predict(films.test, films.context)) > 0.8


def test_named_streams_alone_are_used(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    model = fitted(DelayedRidge(streams="whisper/fc2, llama/layer"), films)
    assert set(model.report()["components"]) == {"whisper/fc2", "llama/layer"}
    with pytest.raises(BadOption, match="no stream 'bert'"):
        fitted(DelayedRidge(streams="bert"), films)


def test_somebody_without_training_data_is_refused(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    model = fitted(DelayedRidge(), films)
    del model._models["sub-03"]
    with pytest.raises(BadData, match="no training response of 'sub-03'"):
        model.predict(films.test, films.context)


def test_the_mean_is_constant_and_scores_zero(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    measured = films.train.targets
    prediction = fitted(MeanResponse(), films).predict(films.test, films.context)
    rows = np.concatenate([measured.read(row, "sub-02") for row in range(1, len(measured))])
    np.testing.assert_allclose(
        prediction[0]["sub-02"], np.broadcast_to(rows.mean(axis=0), prediction[0]["sub-02"].shape), atol=1e-5
    )
    assert films.r(prediction) == 0


def test_the_mean_course_finds_what_every_run_starts_with(tmp_path: Path) -> None:
    films = make_films(tmp_path)
    onset = 20 * np.exp(-np.arange(30) / 5)[:, None]
    for items in (films.train.targets._items, films.truth._items):
        for name in SUBJECTS:
            for values in items.arrays[f"responses/{name}"]:
                if values is not None:
                    values[:30] += onset
    model = fitted(MeanResponse(course=True), films)
    assert films.r(model.predict(films.test, films.context)) > 0.7
