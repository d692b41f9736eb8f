"""MedARC on short films with a known lag: crops, early stopping, what is missing, and the plugin as a whole."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from film_toy import LAG, PARCELS, SILENT, STREAMS, SUBJECTS, mean_r, one_subject_each, toy_items, train_of

from brainbench.benchmark.contracts import Context, TaskInfo
from brainbench.benchmark.errors import BadData, BadOption, Skipped
from brainbench.benchmark.items import Items
from brainbench.benchmark.nn.inner_movies import hold_out
from brainbench.methods.medarc import training
from brainbench.methods.medarc.crops import footage, statistics, streams_used
from brainbench.methods.medarc.method import MedARC
from brainbench.methods.medarc.options import CONTROLS, Options
from brainbench.methods.medarc.training import Fitted, fit_one

FEW = {"width": 12, "kernel": 11, "crops": 160, "crop": 48, "epochs": 2, "attention_heads": 2, "depth": 1,
       "standardise": True, "rate": 1e-2}  # fmt: skip


def context(folder, seed=0) -> Context:
    return Context(TaskInfo("toy", "encoding", "responses"), seed, folder)


def few(**options) -> MedARC:
    return MedARC(**{**FEW, **options})


def fit(folder, items, seed=0, **options) -> Fitted:
    train = train_of(items)
    rows, held = hold_out(train.inputs)
    return fit_one(few(**options), train.inputs, train.targets, rows, held, context(folder, seed))


def films(items):
    return train_of(items).inputs


def test_it_learns_and_finds_the_planted_lag(tmp_path):
    method = few(epochs=8)
    method.fit(train_of(toy_items(seed=1)), context(tmp_path))
    unseen = toy_items(movies=("life",), seed=2)
    predicted = method.predict(films(unseen), context(tmp_path))
    assert mean_r(unseen, predicted) > 0.45
    told = json.loads(json.dumps(method.report()))
    assert {name: lag["peak_lag"] for name, lag in told["kernel_lags"].items()} == dict.fromkeys(STREAMS, LAG)
    assert told["validation_r"] == pytest.approx(mean_r(unseen, predicted), abs=0.1)
    assert set(told["validation_r_by_movie"]) == {"figures"}
    assert set(told["validation_r_by_network"]) == {"Vis", "Default"}
    assert list(told["validation_r_by_subject"]) == list(SUBJECTS)


def test_a_planted_lead_is_told_as_negative(tmp_path):
    """Responses that come before the stimulus: only a kernel that sees the future can follow them."""
    items = toy_items(seed=1)
    ahead = {
        name: [None if v is None else np.roll(v, -LAG - 2, axis=0) for v in values] if "responses" in name else values
        for name, values in items.arrays.items()
    }
    moved = Items(items.table, ahead, items.meta)
    open_, causal = (fit(tmp_path, moved, epochs=5, causal=causal) for causal in (False, True))
    assert {lag["peak_lag"] for lag in open_.report()["kernel_lags"].values()} == {-2}
    assert causal.validation.score < open_.validation.score - 0.1


@pytest.mark.parametrize("control", [*CONTROLS, "linear", "attention", "transformer", "convnext", "one-stream"])
def test_each_ablation_runs(tmp_path, control):
    more = {"linear": {"pool": "linear"}, "attention": {"pool": "attention"}, "one-stream": {"streams": "whisper"}}
    more |= {name: {"hidden": name} for name in ("transformer", "convnext")}
    items = toy_items(stimuli=1)
    fitted = fit(tmp_path, items, **{"epochs": 1, "crops": 32, **CONTROLS.get(control, {}), **more.get(control, {})})
    predicted = fitted.predict_run(films(items)[0])
    assert {name: values.shape for name, values in predicted.items()} == {
        name: (films(items)[0].frames[name], PARCELS) for name in SUBJECTS
    }
    assert len(fitted.parts) == (3 if control == "single-subject" else 1)
    assert all(np.isfinite(values).all() and values.std() > 0 for values in predicted.values())


def test_a_silent_film_is_predicted_from_what_it_has(tmp_path):
    fitted = fit(tmp_path, toy_items(seed=1), epochs=5)
    silent = toy_items(movies=(SILENT,), seed=3)
    assert "llama/layer" not in films(silent)[0].streams
    predicted = [fitted.predict_run(run) for run in films(silent)]
    assert mean_r(silent, predicted) > 0.3
    nothing = Items(silent.table, {"features/other": silent.arrays["features/vjepa2/norm"]}, silent.meta)
    with pytest.raises(BadData, match="none of the streams"):
        fitted.predict_run(films(nothing)[0])


def test_predictions_have_the_frames_that_are_asked(tmp_path):
    fitted = fit(tmp_path, toy_items(stimuli=1), epochs=1)
    run = films(toy_items(movies=("life",), stimuli=1))[0]
    for asked in (1, 20, 130, 160):
        frames = {"sub-03": asked, "sub-01": asked + 2}
        predicted = fitted.predict_run(replace(run, frames=frames))
        assert {name: len(values) for name, values in predicted.items()} == frames
    with pytest.raises(BadData, match="sub-09"):
        fitted.predict_run(replace(run, frames={"sub-09": 3}))


def test_the_same_seed_gives_the_same_predictions_and_another_does_not(tmp_path):
    items = toy_items(stimuli=1)
    one, same, other = (fit(tmp_path, items, seed).predict_run(films(items)[0])["sub-01"] for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_weights_of_the_best_epoch_are_kept_and_live_ones_are_not(tmp_path, monkeypatch):
    """The second epoch is told to be worse: its weights stay only where references are kept instead of copies."""
    seen: list[np.ndarray] = []
    items = toy_items(stimuli=1)
    run = films(items)[0]

    def score(self, network):
        network.eval()
        self.found.append(self.watched.validate(network, self.source.streams, self.source.subjects))
        seen.append(network.reading()[0].detach().numpy().copy())
        if self.options.live_weights:
            self.live = {name: value.clone() for name, value in network.state_dict().items()}
        return -float(len(seen))

    monkeypatch.setattr(training._Training, "_score", score)
    kept = fit(tmp_path, items, epochs=5)
    copied, later = seen[0], seen[1]
    assert len(seen) == 2  # stopped at the first epoch that is no better
    assert not np.allclose(copied, later)
    np.testing.assert_array_equal(kept.parts[0].network.reading()[0].detach(), copied)
    assert (kept.parts[0].best_epoch, kept.parts[0].epochs) == (1, 2)
    seen.clear()
    live = fit(tmp_path, items, epochs=5, live_weights=True)
    np.testing.assert_array_equal(live.parts[0].network.reading()[0].detach(), later)
    np.testing.assert_array_equal(live.validation.r, kept.validation.r)  # the best epoch's figures, as there
    assert not np.allclose(live.predict_run(run)["sub-01"], kept.predict_run(run)["sub-01"])


def test_validation_is_that_of_the_weights_that_are_kept(tmp_path):
    items = toy_items(seed=1)
    fitted = fit(tmp_path, items, epochs=3, patience=5, rate=0.03)
    train = train_of(items)
    _, held = hold_out(train.inputs)
    predicted = [fitted.predict_run(train.inputs[int(row)]) for row in held]
    assert fitted.validation.score == pytest.approx(mean_r(items.take(held), predicted), abs=1e-4)


def test_what_a_subject_lacks_counts_for_others_unless_runs_are_common(tmp_path):
    lacking = toy_items(stimuli=2, lacking=("sub-02", "s100"))
    train = train_of(lacking)
    rows, _ = hold_out(train.inputs)
    streams = streams_used(train.inputs, few())

    def source(common):
        return footage(train.inputs, train.targets, rows, streams, SUBJECTS, common)

    every, common = source(False), source(True)
    names = [run.stimulus for run in every.runs]
    assert "s100" in names
    assert "s100" not in [run.stimulus for run in common.runs]
    place = names.index("s100")
    assert list(every.lengths[place]) == [131, 0, 131]
    assert common.lengths.min() == 131
    assert (common.lengths == common.lengths[:, :1]).all()
    batch = every.read([(place, 3)], 20)
    assert batch.mask[0].all(axis=0).tolist() == [True, False, True]
    assert not batch.wanted[0, :, 1].any()
    assert fit(tmp_path, lacking, epochs=1).parts[0].subjects == SUBJECTS


def test_crops_are_what_lies_on_disk_and_the_last_row_is_repeated(tmp_path):
    items = toy_items(stimuli=1)
    train = train_of(items)
    pooled = streams_used(train.inputs, few())
    layered = streams_used(train.inputs, few(pool="linear"))
    assert (pooled["whisper/layers"], layered["whisper/layers"]) == ((3,), (2, 3))
    source = footage(train.inputs, train.targets, range(len(train.inputs)), pooled, SUBJECTS, False)
    batch = source.read([(0, 100), (1, 5)], 32)
    assert batch.present.tolist() == [[1, 1, 1]] * 2
    names = list(pooled)
    video = items.arrays["features/vjepa2/norm"][0].astype(np.float32)
    sound = items.arrays["features/whisper/layers"][1].astype(np.float32)
    np.testing.assert_array_equal(batch.features[names.index("vjepa2/norm")][0, :30], video[100:130])
    np.testing.assert_array_equal(batch.features[names.index("vjepa2/norm")][0, 30:], [video[-1]] * 2)
    np.testing.assert_allclose(batch.features[names.index("whisper/layers")][1], sound[5:37].mean(1), rtol=1e-6)
    np.testing.assert_array_equal(batch.wanted[0, :31, 0], items.arrays["responses/sub-01"][0][100:131])
    assert batch.mask[0].sum(axis=0).tolist() == [31, 32, 31]  # runs are 131, 132 and 131 TRs long


def test_crops_go_through_all_runs_and_reach_both_ends():
    train = train_of(toy_items(stimuli=1))
    source = footage(train.inputs, train.targets, range(5), streams_used(train.inputs, few()), SUBJECTS, False)
    drawn = source.crops(100, np.random.default_rng(0))
    crops = [next(drawn) for _ in range(1000)]
    for first in range(0, 1000, 5):
        assert sorted(run for run, _ in crops[first : first + 5]) == list(range(5))
    starts = {start for _, start in crops}
    assert starts == set(range(132 - 100 + 1))


def test_features_are_standardised_by_training_runs(tmp_path):
    """Streams of other units and offsets leave the result alone, up to rounding."""
    items = toy_items(stimuli=1)
    scaled = {
        name: [None if v is None else 300 * v.astype(np.float32) + 50 for v in values] if "features" in name else values
        for name, values in items.arrays.items()
    }
    moved = Items(items.table, scaled, items.meta)
    one, other = (fit(tmp_path, each).predict_run(films(each)[0])["sub-01"] for each in (items, moved))
    np.testing.assert_allclose(one, other, atol=2e-3)


def test_statistics_are_those_of_the_runs_that_have_the_stream():
    items = toy_items(movies=("s1", "s2", SILENT), stimuli=2)
    train = train_of(items)
    source = footage(train.inputs, train.targets, range(6), streams_used(train.inputs, few()), SUBJECTS, False)
    mean, spread = statistics(source, 64, np.random.default_rng(0))["llama/layer"]
    words = np.concatenate([v for v in items.arrays["features/llama/layer"] if v is not None]).astype(np.float64)
    np.testing.assert_allclose(mean, words.mean(axis=0), atol=0.15)
    np.testing.assert_allclose(spread, words.std(axis=0), rtol=0.15)


def test_what_is_saved_predicts_the_same(tmp_path):
    items = toy_items(stimuli=1)
    fitted = fit(tmp_path, items, joint=False)
    (tmp_path / "kept").mkdir()
    fitted.save(tmp_path / "kept")
    again = Fitted.load(tmp_path / "kept", fitted.options)
    for name, values in fitted.predict_run(films(items)[0]).items():
        np.testing.assert_array_equal(values, again.predict_run(films(items)[0])[name])
    assert again.report(["Vis"] * PARCELS) == fitted.report(["Vis"] * PARCELS)
    np.testing.assert_array_equal(again.validation.r, fitted.validation.r)
    with pytest.raises(BadData, match="not the weights of this network"):
        Fitted.load(tmp_path / "kept", replace(fitted.options, kernel=5))
    (tmp_path / "kept" / "weights.json").write_text("{}")
    with pytest.raises(BadData, match="not an encoder"):
        Fitted.load(tmp_path / "kept", fitted.options)


def test_other_brains_are_no_features_of_a_film(tmp_path):
    items = toy_items(stimuli=1)
    brains = {name: values for name, values in items.arrays.items() if "responses/" in name}
    added = {f"features/{name}": values for name, values in brains.items()}
    assert set(streams_used(films(Items(items.table, {**items.arrays, **added}, items.meta)), few())) == set(STREAMS)
    with pytest.raises(Skipped, match="no feature streams"):
        few().fit(train_of(one_subject_each(items)), context(tmp_path))


def test_streams_are_chosen_by_name_or_place():
    inputs = films(toy_items(stimuli=1))
    known = sorted(STREAMS)
    assert list(streams_used(inputs, few())) == known
    assert list(streams_used(inputs, few(streams="whisper, llama/l"))) == ["llama/layer", "whisper/layers"]
    assert list(streams_used(inputs, few(streams="but:1"))) == known[1:]
    with pytest.raises(BadOption, match="qwen"):
        streams_used(inputs, few(streams="whisper,qwen"))


def test_values_that_are_no_numbers_are_told(tmp_path):
    items = toy_items(stimuli=1)
    for values in items.arrays["responses/sub-02"]:
        values[50:60] = np.nan
    with pytest.raises(BadData, match="not a number"):
        fit(tmp_path, items)


def test_predicting_before_fitting_is_refused(tmp_path):
    with pytest.raises(BadOption, match="before it was fitted"):
        MedARC().predict(films(toy_items(stimuli=1)), context(tmp_path))


def test_methods_are_listed_without_torch():
    import subprocess
    import sys

    code = "import sys, brainbench.methods.medarc.method; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_defaults_are_those_of_the_preset_published():
    assert Options() == Options(**{**MedARC.presets["published"], "common_runs": False, "member_space": "small"})
    assert next(iter(MedARC.presets)) == "small"
