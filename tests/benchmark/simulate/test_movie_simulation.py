import os
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

from brainbench.benchmark.datasets.movies import MovieCohort
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.simulate import movie_brains
from brainbench.benchmark.simulate.movie_brains import LAG, NOISE, ROLES, brains, convolved, hrf, moments, networks
from brainbench.benchmark.simulate.movie_plan import OOD, SUBJECTS, TR, Showing
from brainbench.benchmark.simulate.movie_runs import Agreement, made_runs
from brainbench.benchmark.simulate.movie_streams import STREAMS, TEXT, group_slices, latents, readings
from brainbench.benchmark.simulate.movie_twin import planned, simulate
from brainbench.benchmark.simulate.versions import FILMS

TRAIN = ("s1", "s2", "s3", "s4", "s5", "bourne", "wolf")
TESTED = ("s6", "figures", "life")
DELAYS = range(1, 7)
COMPONENTS = 80
PENALTY = 2e4
NETWORKS = np.array(networks())
ALL = tuple(stream.name for stream in STREAMS)


def correlation(x, y):
    """Of columns."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return (x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))


class Ridge:
    """Ridge on delayed principal components of z-scored streams, one penalty for all."""

    def __init__(self, runs, subject, streams=ALL, delays=DELAYS):
        self.streams, self.delays, self.subject = streams, delays, subject
        train = [run for run in runs if run.showing.movie in TRAIN and subject in run.responses]
        stacked = {name: np.concatenate([run.features[name] for run in train]) for name in streams}
        self.scale = {name: (values.mean(axis=0), values.std(axis=0)) for name, values in stacked.items()}
        flat = np.concatenate([self.flat(run) for run in train])
        _, vectors = np.linalg.eigh(flat.T @ flat)
        self.components = vectors[:, ::-1][:, :COMPONENTS]
        x = np.concatenate([self.design(run) for run in train])
        y = np.concatenate([run.responses[subject] for run in train])
        self.weights = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1], dtype=x.dtype), x.T @ y)

    def flat(self, run):
        parts = []
        for name in self.streams:
            mean, sd = self.scale[name]
            values = run.features[name]
            known = np.zeros((run.showing.chunks, *mean.shape), np.float32) if values is None else (values - mean) / sd
            parts.append(known.reshape(len(known), -1))
        return np.concatenate(parts, axis=1)

    def design(self, run, other=None):
        """(frames, columns), from the features of the run or of another one."""
        frames = run.showing.frames[self.subject]
        reduced = self.flat(other or run) @ self.components
        at = [np.clip(np.arange(frames) - delay, -1, len(reduced) - 1) for delay in self.delays]
        return np.concatenate([np.where(rows[:, None] < 0, 0, reduced[rows]) for rows in at], axis=1)

    def r(self, runs, movie, wrong=False):
        """(parcels,) on a film, or with the features of a run of another film."""
        tested = of_film(runs, movie, self.subject)
        others = [run for run in runs if run.showing.movie == ("s7" if movie != "s7" else "s6")]
        pairs = [(run, others[k % len(others)] if wrong else None) for k, run in enumerate(tested)]
        said = np.concatenate([self.design(run, other) @ self.weights for run, other in pairs])
        return correlation(said, np.concatenate([run.responses[self.subject] for run in tested]))

    def energy(self):
        """Delay -> sum of squared weights."""
        squares = (self.weights**2).sum(axis=1).reshape(len(self.delays), -1).sum(axis=1)
        return dict(zip(self.delays, squares, strict=True))


def of_film(runs, movie, subject):
    shown = [run for run in runs if (run.showing.movie, run.showing.showing) == (movie, 1)]
    return [run for run in shown if subject in run.responses]


@pytest.fixture(scope="module")
def runs():
    return list(made_runs(planned("small"), "small", 0))


@pytest.fixture(scope="module")
def ceilings(runs):
    agreement = Agreement()
    for run in runs:
        agreement.add(run)
    return agreement.found()


@pytest.fixture(scope="module")
def ridge(runs):
    return {subject: Ridge(runs, subject) for subject in ("sub-01", "sub-05")}


@pytest.fixture(scope="module")
def long_film():
    """An hour of Friends."""
    return latents("s01e99a", "s1", 40_000, 7)


# --------------------------------------------------------------------------------------------------- what is learnt


def test_a_linear_model_reaches_a_good_part_of_the_ceiling(runs, ceilings, ridge):
    for subject, model in ridge.items():
        for movie in TESTED:
            share = model.r(runs, movie).mean() / ceilings[subject, movie].mean()
            assert 0.5 < share < 0.75, (subject, movie, share)
    reached = np.mean([ridge["sub-01"].r(runs, movie).mean() for movie in TESTED])
    assert 0.22 < reached < 0.3
    assert 0.1 < ridge["sub-01"].r(runs, "chaplin").mean() < ridge["sub-01"].r(runs, "s7").mean() - 0.05


def test_features_of_another_film_tell_nothing(runs, ridge):
    for movie in (*TESTED, "wot"):
        assert abs(ridge["sub-01"].r(runs, movie, wrong=True).mean()) < 0.03


def test_the_time_in_a_run_tells_nothing(runs):
    train = [run.responses["sub-01"] for run in runs if run.showing.movie in TRAIN]
    least = min(map(len, train))
    course = np.mean([values[:least] for values in train], axis=0)
    for movie in TESTED:
        tested = [run.responses["sub-01"] for run in of_film(runs, movie, "sub-01")]
        lengths = [min(least, len(values)) for values in tested]
        said = np.concatenate([course[:length] for length in lengths])
        measured = np.concatenate([values[:length] for values, length in zip(tested, lengths, strict=True)])
        assert abs(correlation(said, measured).mean()) < 0.03


def test_runs_are_centred_and_scaled_alike_by_parcel(runs):
    """So neither mean nor size of a run tells which one it is; parcels differ, and stay below one."""
    for brain in brains():
        for run in (run for run in runs if brain.name in run.responses):
            values = run.responses[brain.name]
            assert np.allclose(values.mean(axis=0), 0, atol=1e-5)
            assert np.allclose(values.std(axis=0), brain.spread, rtol=1e-4)
        assert 0.05 < brain.spread.std() < 0.2
        assert brain.spread.max() < 1


def test_the_recovered_kernel_peaks_at_the_planted_lag(runs):
    model = Ridge(runs, "sub-01", delays=range(-2, 10))
    energy = model.energy()
    assert max(energy, key=energy.__getitem__) == LAG == 3
    assert max(energy[-2], energy[-1]) < 0.7 * energy[LAG], "what is left is noise of the estimate"


def test_a_kernel_with_another_lag_is_recovered_there(monkeypatch):
    """Which shows that the test above would notice."""
    late = np.concatenate([np.zeros(3), hrf()])
    monkeypatch.setattr(movie_brains, "hrf", lambda: late)
    shifted = list(made_runs([run for run in planned("small") if run.movie in TRAIN], "small", 0))
    energy = Ridge(shifted, "sub-01", delays=range(-2, 10)).energy()
    assert max(energy, key=energy.__getitem__) == LAG + 3


def test_streams_help_where_their_sense_is_at_home(runs, ceilings):
    seen = Ridge(runs, "sub-01", ("vjepa2-vitg/norm",)).r(runs, "s6") / ceilings["sub-01", "s6"]
    said = Ridge(runs, "sub-01", TEXT).r(runs, "s6") / ceilings["sub-01", "s6"]
    visual, default = NETWORKS == "Vis", NETWORKS == "Default"
    assert seen[visual].mean() > 1.4 * seen[default].mean()
    assert said[default].mean() > 2 * said[visual].mean()


# ----------------------------------------------------------------------------------------------------------- ceilings


def test_ceilings_are_the_correlation_with_the_signal(runs, ceilings):
    for subject, movie in (("sub-02", "s5"), ("sub-05", "figures"), ("sub-03", "wot")):
        shown = of_film(runs, movie, subject)
        signal, measured = (np.concatenate([held(run)[subject] for run in shown]) for held in (signals, responses))
        assert np.allclose(ceilings[subject, movie], correlation(signal, measured), atol=1e-4)
    assert set(ceilings) == {(who, run.showing.movie) for run in runs for who in SUBJECTS}


def signals(run):
    return run.signals


def responses(run):
    return run.responses


def test_ceilings_are_as_high_as_planned(ceilings):
    means = {key: r.mean() for key, r in ceilings.items()}
    val = np.mean([means[who, movie] for who in SUBJECTS for movie in TESTED])
    assert 0.35 < val < 0.45
    assert 0.2 < np.mean([means[who, movie] for who in SUBJECTS for movie in OOD]) < val
    assert means["sub-05", "s6"] < means["sub-01", "s6"] - 0.04
    by_network = {name: ceilings["sub-01", "s6"][name == NETWORKS].mean() for name in ROLES}
    assert max(by_network, key=by_network.__getitem__) == "Vis"
    assert min(by_network, key=by_network.__getitem__) == "Limbic"


def test_ceilings_agree_with_the_share_of_variance_of_the_film():
    """Over much Friends, the squared correlation is the share that the brain was made with."""
    shown = [Showing(f"s01e{k}a", "friends", "s1", f"s01e{k}a", 1, 800, {"sub-03": 801}) for k in range(30, 50)]
    agreement = Agreement()
    for run in made_runs(shown, "small", 5):
        agreement.add(run)
    share = next(brain.share for brain in brains() if brain.name == "sub-03")
    found = agreement.found()["sub-03", "s1"]
    assert abs((found**2).mean() - share.mean()) < 0.015
    assert np.corrcoef(found**2, share)[0, 1] > 0.97


def test_two_showings_agree_as_ceilings_say(runs, ceilings):
    """The correlation of repeats is the product of both ceilings, whatever the noise in common to parcels."""
    by_id = {run.showing.id: run for run in runs}
    for movie, subject in (("figures", "sub-01"), ("life", "sub-03")):
        first = of_film(runs, movie, subject)
        pairs = [(run, by_id[f"{run.showing.stimulus}_run-2"]) for run in first]
        cut = [min(len(run.responses[subject]) for run in pair) for pair in pairs]
        one, two = (
            np.concatenate([pair[k].responses[subject][:frames] for pair, frames in zip(pairs, cut, strict=True)])
            for k in (0, 1)
        )
        found, planned_r = correlation(one, two), ceilings[subject, movie] ** 2
        assert abs(found.mean() - planned_r.mean()) < 0.03, (found.mean(), planned_r.mean())
        for run, again in pairs:
            assert all(np.array_equal(run.features[name], again.features[name]) for name in ALL)


# ---------------------------------------------------------------------------------------------------------- responses


def test_the_response_peaks_in_the_fifth_second_and_then_undershoots():
    taps = hrf()
    assert taps.argmax() == LAG
    assert 4 < LAG * TR < 6
    assert taps[0] == 0
    assert taps[10:14].max() < 0
    assert taps.sum() == pytest.approx(1)
    assert abs(taps[-1]) < 1e-3


def test_the_response_outlasts_the_film_and_does_not_foresee_it():
    series = np.zeros((10, 2))
    series[4, 0] = 1
    found = convolved(series, 30)
    assert np.allclose(found[4:30, 0], np.pad(hrf(), (0, 30))[:26])
    assert not found[:4].any()
    assert not found[:, 1].any()
    assert np.allclose(convolved(series, 12), found[:12])


def test_noise_has_the_planned_variance_memory_and_common_part():
    brain = brains()[0]
    noise = brain.noise(3000, np.random.default_rng(0)) / np.sqrt(1 - brain.share)
    assert noise.var(axis=0).mean() == pytest.approx(1, abs=0.05)
    lagged = np.mean([np.corrcoef(noise[1:, k], noise[:-1, k])[0, 1] for k in range(0, 1000, 10)])
    shared = (NOISE["brain"] + NOISE["network"]) * 0.6
    assert lagged == pytest.approx(NOISE["own"] * brain.memory.mean() + NOISE["drift"] * 0.985 + shared, abs=0.03)
    chosen = np.corrcoef(noise[:, ::9].T)
    same = NETWORKS[::9][:, None] == NETWORKS[::9][None]
    off = ~np.eye(len(chosen), dtype=bool)
    assert chosen[same & off].mean() == pytest.approx(NOISE["brain"] + NOISE["network"], abs=0.04)
    assert chosen[~same].mean() == pytest.approx(NOISE["brain"], abs=0.04)


def test_brains_share_part_of_their_weights_and_neighbours_are_alike():
    first, second = brains()[:2]
    between = correlation(first.weights, second.weights).mean()
    within = correlation(first.weights[:, :80], first.weights[:, 1:81]).mean()
    apart = correlation(first.weights[:, :40], first.weights[:, 40:80]).mean()
    assert 0.5 < between < 0.85
    assert within > 0.7 > 0.3 > apart
    # Each parcel's signal has the variance that is said.
    variance = np.einsum("kp,kl,lp->p", first.weights, moments(), first.weights, optimize=True)
    assert np.allclose(variance, first.share, rtol=1e-3)


# ----------------------------------------------------------------------------------------------------------- latents


def test_latent_series_have_mean_0_and_variance_1(long_film):
    assert np.abs(long_film.mean(axis=0)).max() < 0.15
    for name, columns in group_slices().items():
        assert long_film[:, columns].var() == pytest.approx(1, abs=0.06), name


def test_what_is_seen_keeps_as_long_as_shots_and_scenes(long_film):
    seen = long_film[:, group_slices()["seen"]]
    scene, shot, quick, story = 1 - TR / 60, (1 - TR / 4) * (1 - TR / 60), np.exp(-TR / 1.5), np.exp(-TR / 30)
    for lag in (1, 3):
        expected = 0.8 * (0.35 * scene**lag + 0.5 * shot**lag + 0.15 * quick**lag) + 0.2 * (
            0.5 * scene**lag + 0.5 * story**lag
        )
        assert (seen[lag:] * seen[:-lag]).mean() == pytest.approx(expected, abs=0.04), lag


def test_people_speak_in_bursts(long_film):
    spoken = (long_film[:, group_slices()["said"]] != 0).any(axis=1)
    assert spoken.mean() == pytest.approx(0.7, abs=0.03)
    stops = (spoken[:-1] & ~spoken[1:]).sum()
    assert spoken.sum() / stops * TR == pytest.approx(8, rel=0.1)
    assert not latents("chaplin1", "chaplin", 400, 0)[:, group_slices()["said"]].any()


def test_senses_follow_the_story_in_part(long_film):
    parts = {name: long_film[:, columns] for name, columns in group_slices().items()}

    def explained(name):
        weights, *_ = np.linalg.lstsq(parts["story"], parts[name], rcond=None)
        return 1 - (parts[name] - parts["story"] @ weights).var() / parts[name].var()

    assert explained("seen") == pytest.approx(0.2, abs=0.05)
    assert explained("heard") == pytest.approx(0.15, abs=0.05)
    assert explained("said") < 0.05


# ----------------------------------------------------------------------------------------------------------- streams


def test_streams_have_the_shapes_of_their_size(runs):
    full = {reading.stream.name: reading.shape for reading in readings("full")}
    assert sorted(shape[-1] for shape in full.values()) == [1280, 1408, 2048, 3072, 3584]
    assert sum(len(shape) == 2 for shape in full.values()) == 1
    small = {name: values.shape[1:] for name, values in runs[0].features.items()}
    assert {name: len(shape) for name, shape in small.items()} == {name: len(shape) for name, shape in full.items()}
    assert all(48 <= shape[-1] <= 128 for shape in small.values())


def test_only_the_silent_film_lacks_text(runs):
    for run in runs:
        lacks = {name for name, values in run.features.items() if values is None}
        assert lacks == (set(TEXT) if run.showing.movie == "chaplin" else set()), run.showing.id
        assert all(len(values) == run.showing.chunks for values in run.features.values() if values is not None)


def test_features_change_slowly_and_differ_in_scale(runs):
    sizes = {}
    for name in ALL:
        values = np.concatenate([(run.features[name] - run.features[name].mean(axis=0)) for run in runs[:6]])
        lagged = (values[1:] * values[:-1]).mean() / (values**2).mean()
        assert 0.3 < lagged < 0.7, (name, lagged)
        sizes[name] = values.std()
    assert max(sizes.values()) > 3 * min(sizes.values())


def test_layers_of_a_stream_are_alike_and_not_the_same(runs):
    values = runs[0].features["whisper-large-v3/layers.12.fc2"]
    first, second = values[:, 0], values[:, 1]
    between = np.abs(correlation(first, second)).mean()
    assert 0.2 < between < 0.9


# ------------------------------------------------------------------------------------------------------- determinism


def test_a_run_does_not_depend_on_the_others(runs):
    wanted = next(run for run in runs if run.showing.id == "life02_run-2")
    alone = next(iter(made_runs([wanted.showing], "small", 0)))
    assert all(np.array_equal(alone.responses[who], wanted.responses[who]) for who in SUBJECTS)
    assert all(np.array_equal(alone.features[name], wanted.features[name]) for name in ALL)


def test_another_seed_gives_other_films_to_the_same_brains(runs):
    other = next(iter(made_runs([runs[0].showing], "small", 1)))
    assert np.abs(correlation(other.responses["sub-01"], runs[0].responses["sub-01"]).mean()) < 0.1
    model = Ridge(runs, "sub-01")
    shown = [run.showing for run in runs if run.showing.movie in ("s6", "s7")]
    elsewhere = list(made_runs(shown, "small", 1))
    assert model.r(elsewhere, "s6").mean() > 0.2, "weights of features and brains stay"


def test_runs_are_made_one_at_a_time(monkeypatch):
    shown = list(planned("full"))
    first = list(islice(made_runs(shown, "full", 0), 1))
    assert first[0].features["llama-3.2-3b/model.layers.11"].shape == (shown[0].chunks, 3072)


# ----------------------------------------------------------------------------------------------------------- on disk


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return simulate("2500", tmp_path_factory.mktemp("movies") / "twin", 3)


def test_a_twin_holds_what_was_asked_for(cohort):
    manifest = cohort.manifest
    twin = manifest.twin
    assert (manifest.origin, manifest.name, manifest.tr) == ("twin", "algonauts2025-2500", TR)
    assert (twin["version"], twin["seed"], twin["lag"]) == (FILMS, 3, 3)
    assert (len(manifest.parcels), len(set(manifest.parcels))) == (1000, 1000)
    assert manifest.networks == list(networks())
    assert manifest.subjects == list(SUBJECTS)
    assert set(manifest.streams) == set(ALL)
    items = cohort.items()
    shown = {run.id: run for run in planned("2500")}
    assert set(items.table.index) == set(shown)
    run = next(iter(made_runs([shown["wolf01"]], "small", 3)))
    row = list(items.table.index).index("wolf01")
    for subject in SUBJECTS:
        assert np.allclose(items.read(f"responses/{subject}", row), run.responses[subject], atol=2e-3)
    assert np.allclose(
        items.read("features/vjepa2-vitg/norm", row), run.features["vjepa2-vitg/norm"], rtol=1e-2, atol=0.01
    )
    table = items.table
    assert (table.loc[table["movie"].isin(["s7", *OOD]), [f"frames:{who}" for who in SUBJECTS]] > 0).all(axis=None)
    assert all(items.arrays["responses/sub-03"]), "truth of every run is there"
    assert cohort.changed() == []


def test_ceilings_are_written(cohort):
    table = cohort.ceilings()
    assert len(table) == 4 * 17
    agreement = Agreement()
    for run in made_runs([run for run in planned("2500") if run.movie == "wot"], "small", 3):
        agreement.add(run)
    row = table[(table["subject"] == "sub-02") & (table["movie"] == "wot")].iloc[0]
    assert np.allclose(row["r"], agreement.found()["sub-02", "wot"], atol=1e-6)


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_threads(cohort, tmp_path):
    script = (
        "import sys; from pathlib import Path; from brainbench.benchmark.simulate.movie_twin import simulate\n"
        "print(simulate('2500', Path(sys.argv[1]), 3).manifest.fingerprint)"
    )
    threads = {name: "2" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, "-c", script, str(tmp_path / "again")]
    said = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == cohort.manifest.fingerprint


def test_a_twin_that_fails_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(BadOption):
        simulate("huge", tmp_path / "twin")

    def fail(*args):
        raise OSError("no")

    monkeypatch.setattr(Agreement, "add", fail)
    with pytest.raises(Exception, match="no"):
        simulate("2500", tmp_path / "twin")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Exception, match="no responses"):
        MovieCohort.open(tmp_path / "twin")


def test_progress_is_told(tmp_path):
    told = []
    simulate("2500", tmp_path / "twin", progress=lambda *what: told.append(what))
    count = len(planned("2500"))
    assert told[0] == ("simulate runs", 0, count)
    assert told[-1] == ("simulate runs", count, count)
