import numpy as np
import pytest

from brainbench.benchmark.errors import BadData
from brainbench.benchmark.simulate.movie_brains import LAG
from brainbench.benchmark.simulate.movie_given import COMPONENTS, Given, Stimulus, _largest
from brainbench.benchmark.simulate.movie_runs import Agreement
from brainbench.benchmark.simulate.movie_streams import autoregressive
from brainbench.benchmark.simulate.movie_twin import simulate

h5py = pytest.importorskip("h5py")

HALVES = {"s01e01a": 400, "s01e01b": 390, "s01e02a": 410, "s01e02b": 395}


def write(path, **layers):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in layers.items():
            file[name] = values
    return path


def made_features(rows, dims, rng, dtype=np.float16):
    """Few strong series, mixed into many dimensions of different sizes."""
    mixing = np.random.default_rng(9).standard_normal((6, dims)) * np.linspace(0.2, 3, dims)
    series = autoregressive(rng.standard_normal((rows, 6)), 0.5)
    return (5 + series @ mixing + 0.3 * rng.standard_normal((rows, dims))).astype(dtype)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four half episodes of two layers, two parts of other films, and a stream that only one film has."""
    root, rng = tmp_path_factory.mktemp("features"), np.random.default_rng(0)
    for name, rows in HALVES.items():
        text = made_features(rows, 40, rng)
        layers = np.stack([made_features(rows, 24, rng), made_features(rows, 24, rng)], axis=1)
        write(root / "llm" / "friends" / "s1" / f"friends_{name}.h5", **{"layers.3": text, "layers.5": layers})
    write(root / "llm" / "movie10" / "figures" / "figures01.h5", **{"layers.3": made_features(80, 40, rng)})
    write(root / "see" / "ood" / "chaplin" / "task-chaplin1_video.h5", norm=made_features(81, 30, rng))
    write(root / "see" / "friends" / "s1" / "s01e01a.h5", norm=made_features(399, 30, rng))
    (root / "llm" / "settings.json").write_text("{}")
    return root


@pytest.fixture(scope="module")
def cohort(folder, tmp_path_factory):
    return simulate("features", tmp_path_factory.mktemp("given") / "twin", 0, features=folder)


def test_runs_are_those_of_the_features(cohort, folder):
    table = cohort.items().table
    wanted = {*HALVES, "figures01_run-1", "figures01_run-2", "chaplin1"}
    assert set(table.index) == wanted
    assert dict(zip(table.index, table["movie"], strict=True))["chaplin1"] == "chaplin"
    assert table.loc["figures01_run-2", "showing"] == 2
    assert table.loc["s01e01a", "series"] == "friends"
    for name, rows in HALVES.items():
        for subject in ("sub-01", "sub-02", "sub-03", "sub-05"):
            assert table.loc[name, f"frames:{subject}"] - rows in (1, 2)
    assert cohort.manifest.streams == {"llm/layers.3": (40,), "llm/layers.5": (2, 24), "see/norm": (30,)}
    assert cohort.manifest.twin["lag"] == LAG
    assert cohort.manifest.twin["features"] == folder.name
    assert cohort.manifest.origin == "twin"


def test_features_are_kept_as_they_were_given(cohort, folder):
    items = cohort.items()
    rows = {name: row for row, name in enumerate(items.table.index)}
    with h5py.File(folder / "llm" / "friends" / "s1" / "friends_s01e02a.h5") as file:
        assert np.array_equal(items.read("features/llm/layers.5", rows["s01e02a"]), file["layers.5"][:])
    assert items.arrays["features/see/norm"][rows["s01e02a"]] is None
    assert len(items.read("features/see/norm", rows["s01e01a"])) == 399
    assert items.arrays["features/llm/layers.3"][rows["chaplin1"]] is None


def design(values, delays):
    parts = [np.pad(values, ((max(delay, 0), 0), (0, 0)))[: len(values)] for delay in delays]
    return np.concatenate(parts, axis=1)


def test_responses_are_learnt_from_the_features_at_the_planted_lag(cohort):
    """Ridge on three half episodes, tested on the fourth."""
    items = cohort.items()
    delays = range(1, 9)
    rows = {name: row for row, name in enumerate(items.table.index)}
    data = {}
    for name, count in HALVES.items():
        text = items.read("features/llm/layers.3", rows[name]).astype(np.float32)
        layer = items.read("features/llm/layers.5", rows[name]).astype(np.float32).mean(axis=1)
        data[name] = np.concatenate([text, layer], axis=1), items.read("responses/sub-01", rows[name])[:count]
    train = [name for name in HALVES if name != "s01e02b"]
    stacked = np.concatenate([data[name][0] for name in train])
    mean, sd = stacked.mean(axis=0), stacked.std(axis=0)
    _, vectors = np.linalg.eigh(np.corrcoef(stacked.T))
    known = {name: design((x - mean) / sd @ vectors[:, -12:], delays) for name, (x, _) in data.items()}
    x, y = np.concatenate([known[n] for n in train]), np.concatenate([data[n][1] for n in train]).astype(float)
    weights = np.linalg.solve(x.T @ x + 1e3 * np.eye(x.shape[1]), x.T @ y)
    said, truth = known["s01e02b"] @ weights, data["s01e02b"][1].astype(float)
    r = np.mean([np.corrcoef(said[:, k], truth[:, k])[0, 1] for k in range(1000)])
    ceilings = cohort.ceilings()
    ceiling = np.mean(ceilings[(ceilings["subject"] == "sub-01") & (ceilings["movie"] == "s1")].iloc[0]["r"])
    assert 0.35 < ceiling < 0.55
    assert 0.5 * ceiling < r < 0.95 * ceiling, (r, ceiling)
    energy = (weights**2).sum(axis=1).reshape(len(delays), -1).sum(axis=1)
    assert delays[int(energy.argmax())] == LAG


def test_the_same_features_and_seed_give_the_same_twin(cohort, folder, tmp_path):
    again = simulate("features", tmp_path / "again", 0, features=folder)
    other = simulate("features", tmp_path / "other", 1, features=folder)
    assert again.manifest.fingerprint == cohort.manifest.fingerprint != other.manifest.fingerprint


def test_parts_of_32_bits_are_kept_as_such(tmp_path):
    rng = np.random.default_rng(1)
    large = made_features(120, 20, rng, np.float32) * 1e5
    write(tmp_path / "f" / "llm" / "friends" / "s1" / "s01e01a.h5", a=large)
    made = simulate("features", tmp_path / "twin", features=tmp_path / "f")
    assert made.manifest.dtype == "<f4"
    assert np.array_equal(made.items().read("features/llm/a", 0), large)


def test_components_do_not_depend_on_signs_or_solver():
    values = np.random.default_rng(0).standard_normal((500, 120)) * np.linspace(3, 0.1, 120)
    covariance = np.cov(values.T)
    few, many = _largest(covariance, 4), _largest(covariance, 60)
    assert np.allclose(few[0], many[0][:4])
    assert np.allclose(few[1], many[1][:, :4], atol=1e-6)
    assert (np.diff(many[0]) <= 0).all()


def test_a_narrow_or_flat_stream_makes_no_noise_of_its_own(tmp_path):
    """Dimensions that repeat each other have components of no variance, which stay 0."""
    one = np.random.default_rng(0).standard_normal((100, 1)).astype(np.float32)
    path = write(tmp_path / "m" / "friends" / "s1" / "s01e01a.h5", a=np.repeat(one, 5, axis=1))
    given = Given.read(tmp_path)
    mean, weights = given._components("m/a")
    latents = (Stimulus("friends", "s1", "s01e01a", {"m/a": path}).summary("m/a") - mean) @ weights
    assert np.allclose(latents.std(axis=0), [1, 0, 0, 0, 0], atol=1e-3)
    assert COMPONENTS > 5
    write(tmp_path / "m" / "friends" / "s1" / "s01e01a.h5", a=np.ones((100, 4)))
    with pytest.raises(BadData, match="do not vary"):
        next(Given.read(tmp_path).runs(0, lambda *_: None))


def test_features_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(BadData, match="no features of films"):
        simulate("features", tmp_path / "twin", features=tmp_path)
    folder = tmp_path / "m" / "friends" / "s1"
    path = write(folder / "s01e01a.h5", a=np.ones((30, 4)))
    with pytest.raises(BadData, match="30 chunks"):
        simulate("features", tmp_path / "twin", features=tmp_path)
    write(folder / "s01e01b.h5", a=np.ones((30, 5)))
    with pytest.raises(BadData, match=r"rows \(5,\), elsewhere \(4,\)"):
        Given.read(tmp_path)
    write(folder / "s01e01b.h5", a=np.full((60, 4), np.nan))
    with pytest.raises(BadData, match="not finite"):
        simulate("features", tmp_path / "twin", features=tmp_path)
    write(folder / "s01e01b.h5", a=np.ones(4))
    with pytest.raises(BadData, match="expected"):
        Given.read(tmp_path)
    (folder / "s01e01b.h5").write_bytes(b"nothing")
    with pytest.raises(BadData, match="not an HDF5 file"):
        Given.read(tmp_path)
    (folder / "s01e01b.h5").unlink()
    write(folder / "again_s01e01a.h5", a=np.ones((30, 4)))
    with pytest.raises(BadData, match="is also in"):
        Given.read(tmp_path)
    with h5py.File(path, "w") as file:
        file["a"] = h5py.ExternalLink("elsewhere.h5", "a")
    (folder / "again_s01e01a.h5").unlink()
    with pytest.raises(BadData, match="link"):
        Given.read(tmp_path)
    assert not (tmp_path / "twin").exists()


def test_ceilings_count_first_showings_alone(folder):
    agreement, first = Agreement(), Agreement()
    for run in Given.read(folder).runs(0, lambda *_: None):
        agreement.add(run)
        if run.showing.showing == 1:
            first.add(run)
    assert all(np.array_equal(r, first.found()[key]) for key, r in agreement.found().items())
