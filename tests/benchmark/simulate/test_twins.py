"""Twins on disk: who is in them, the same for the same seed, and how data sets find them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench.benchmark.datasets.abide import ABIDE1, ABIDE2
from brainbench.benchmark.datasets.cohort import COLUMNS, Cohort
from brainbench.benchmark.datasets.dataset import load_cohort
from brainbench.benchmark.datasets.twins import make_twin
from brainbench.benchmark.errors import BadOption, DataMissing
from brainbench.benchmark.home import cohorts, twins
from brainbench.benchmark.simulate import ceiling
from brainbench.benchmark.simulate.aggregate import aggregate
from brainbench.benchmark.simulate.people import Population
from brainbench.benchmark.simulate.twin import SIZES, Size, parts, size_of
from brainbench.benchmark.simulate.twins import ADHD_KINDS, SPECS, simulate
from brainbench.benchmark.simulate.versions import RESTING


def silent(label: str, done: int, total: int) -> None: ...


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Rough ceilings: how exact they are is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ceiling, "BATCH", 1000)
        patch.setattr(ceiling, "MOST_TRAINING_DRAWS", 1)
        yield


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Cohort]:
    """Small twins with seed 1, each made once."""
    folder = tmp_path_factory.mktemp("twins")

    @cache
    def made(name: str) -> Cohort:
        return simulate(name, "small", folder / name, seed=1)

    return made


@pytest.fixture(scope="module")
def twin(small: Callable[[str], Cohort]) -> Cohort:
    return small("abide2")


def test_small_twin_has_the_schema(twin: Cohort) -> None:
    table, manifest = twin.scans(), twin.manifest
    assert set(COLUMNS) - {"scan"} <= set(table.columns)
    assert manifest.origin == "twin"
    assert (manifest.scans, manifest.rois, manifest.dtype) == (240, 100, "<f4")
    assert set(table["diagnosis"]) == {"control", "autism"}
    assert set(table["sex"]) == {"female", "male"}
    assert table["age"].between(5, 64).all()
    assert table["motion"].gt(0).all()
    assert table["digest"].is_unique
    assert manifest.twin is not None
    assert manifest.twin["folds"] == 2
    assert len(manifest.atlas["networks"]) == 100
    series = twin.items().read("series", 0)
    assert np.isfinite(series).all()
    assert series.std(axis=0).min() > 0.1


def test_order_and_ids_do_not_give_the_label_away(twin: Cohort) -> None:
    table = twin.scans()
    label = (table["diagnosis"] == "autism").to_numpy(float)
    number = table.index.str[-4:].astype(int).to_numpy()
    assert abs(np.corrcoef(label, number)[0, 1]) < 0.2
    assert np.abs(np.diff(label)).mean() > 0.35


def test_same_seed_same_content_another_seed_another_cohort(twin: Cohort, tmp_path: Path) -> None:
    again = simulate("abide2", "small", tmp_path / "again", seed=1)
    other = simulate("abide2", "small", tmp_path / "other", seed=2)
    assert again.manifest.fingerprint == twin.manifest.fingerprint
    assert other.manifest.fingerprint != twin.manifest.fingerprint
    assert other.manifest.twin is not None
    assert twin.manifest.twin is not None
    assert other.manifest.twin["ceilings"] == twin.manifest.twin["ceilings"]
    assert not set(other.scans()["digest"]) & set(twin.scans()["digest"])


SCHEMAS = {
    "adhd200": ({"diagnosis", "adhd_type"}, 7, 7, 22),
    "ukb": ({"fluid"}, 4, 45, 82),
    "hcp": ({"fluid_composite", "flanker"}, 1, 22, 37),
    "hcp-aging": ({"fluid_composite", "flanker"}, 4, 36, 100),
    "abcd": ({"fluid_composite", "flanker"}, 21, 9, 11),
    "adni": ({"diagnosis", "apoe4"}, 12, 55, 95),
}


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_each_cohort_has_its_columns_sites_and_ages(small: Callable[[str], Cohort], name: str) -> None:
    labels, sites, youngest, oldest = SCHEMAS[name]
    cohort = small(name)
    table = cohort.scans()
    assert set(table.columns) == (set(COLUMNS) - {"scan"}) | labels
    assert (len(table), table["site"].nunique()) == (240, sites)
    assert table["age"].between(youngest, oldest).all()
    assert table["frames"].between(78, 150).all()
    assert table["sex"].value_counts(normalize=True)["female"] == pytest.approx(0.5, abs=0.15)
    assert not table[sorted(labels)].isna().any().any()
    assert cohort.manifest.dataset == name


def test_labels_have_the_tasks_codes(small: Callable[[str], Cohort]) -> None:
    adhd, adni = small("adhd200").scans(), small("adni").scans()
    assert set(adni["diagnosis"]) == {"CN", "MCI", "AD"}
    assert set(adni["apoe4"]) == {0, 1, 2}
    assert set(adhd.loc[adhd["diagnosis"] == "control", "adhd_type"]) == {"control"}
    assert set(adhd.loc[adhd["diagnosis"] == "ADHD", "adhd_type"]) <= set(ADHD_KINDS.kinds)
    assert small("ukb").scans()["fluid"].between(0, 13).all()


@pytest.mark.parametrize("name", ["hcp", "abcd"])
def test_relatives_share_a_family_and_a_site(small: Callable[[str], Cohort], name: str) -> None:
    cohort = small(name)
    table = cohort.scans()
    sizes = table["family"].value_counts()
    assert set(sizes) >= {1, 2}
    assert sizes.max() <= 3
    assert (table.groupby("family")["site"].nunique() == 1).all()
    assert table["family"].str.startswith(f"twin-{name}-1-family-").all()
    groups = cohort.items().table["group"]
    assert groups.nunique() == len(sizes) < table["subject"].nunique()


def test_unrelated_people_have_no_family(small: Callable[[str], Cohort]) -> None:
    assert (small("ukb").scans()["family"] == "").all()


@pytest.mark.parametrize(
    ("name", "subjects", "cases", "female", "sites"),
    [
        ("abide1", 1112, 539, 164, 20),
        ("abide2", 1114, 521, 258, 19),
        ("adhd200", 769, 282, 290, 7),
        ("ukb", 1000, 0, 530, 4),
        ("hcp", 990, 0, 530, 1),
        ("hcp-aging", 725, 0, 404, 4),
        ("abcd", 1000, 0, 477, 21),
        ("adni", 650, 350, 320, 12),
    ],
)
def test_full_twin_has_the_people_of_the_tables(name: str, subjects: int, cases: int, female: int, sites: int) -> None:
    population = parts(SPECS[name], SIZES["full"], None).population
    people = population.sample(None, np.random.default_rng(0))
    assert len(people) == population.subjects == subjects
    assert (people["label"] > 0).sum() == cases
    assert (people["sex"] == "female").sum() == female
    assert people["site"].nunique() == len(population.scans) == sites
    means = people.groupby("site")["age"].mean() - _table_means(population)
    assert means.abs().max() < 4


def _table_means(population: Population) -> pd.Series:
    groups = population.groups
    return (groups["age_mean"] * groups["n"]).groupby(groups["site"]).sum() / groups.groupby("site")["n"].sum()


def test_scans_are_shorter_never_longer() -> None:
    real = pd.Series([78, 116, 150, 190, 236, 947])
    assert SIZES["small"].frames(real).tolist() == [78, 116, 120, 133, 150, 150]
    assert SIZES["full"].frames(real).tolist() == [78, 116, 150, 190, 236, 490]


def test_a_number_of_people_is_a_size(tmp_path: Path) -> None:
    assert size_of("20000") == Size(100, 20000, "float16", None, 0.7, 120, 150)
    for wrong in ("99", "-5", "1e4", "²", "huge"):
        with pytest.raises(BadOption, match="a number of people"):
            size_of(wrong)
    cohort = simulate("hcp-aging", "300", tmp_path / "t")
    assert (cohort.manifest.scans, cohort.manifest.rois, cohort.manifest.dtype) == (300, 100, "<f2")
    assert cohort.manifest.twin is not None
    assert cohort.manifest.twin["folds"] is None
    assert cohort.manifest.twin["ceilings"]["sex"]["training_size"] == 240


def test_the_main_effect_can_be_set(tmp_path: Path) -> None:
    cohort = simulate("hcp", "100", tmp_path / "t", effect=0.0)
    assert cohort.manifest.twin is not None
    assert cohort.manifest.twin["effect"] == 0
    best = cohort.manifest.twin["ceilings"]
    assert best["sex"]["value"] == pytest.approx(0.5, abs=0.03)
    assert best["age"]["value"] > 0.6


def test_a_data_set_without_a_twin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="there are twins of: abide1"):
        simulate("oasis", "small", tmp_path / "t")


@pytest.mark.parametrize("name", ["ukb", "adni"])
def test_planted_signals_are_reached_through_connectivity(small: Callable[[str], Cohort], name: str) -> None:
    """Ridge on plain correlations, half of 240 people to learn from: well above chance for sex and for age."""
    cohort = small(name)
    items, table = cohort.items(), cohort.scans()
    upper = np.triu_indices(cohort.manifest.rois, 1)
    edges = np.array([np.arctanh(np.corrcoef(items.read("series", k).T)[upper]) for k in range(len(table))])
    kernel = (edges - edges.mean(axis=0)) @ (edges - edges.mean(axis=0)).T
    kernel /= kernel.trace() / len(kernel)
    wanted = {"sex": (table["sex"] == "male").to_numpy(float), "age": table["age"].to_numpy(float)}
    for column, least in [("sex", 0.3), ("age", 0.4)]:
        centred = wanted[column] - wanted[column].mean()
        predicted = np.empty(len(centred))
        for test in np.array_split(np.arange(len(centred)), 2):
            train = np.setdiff1d(np.arange(len(centred)), test)
            weights = np.linalg.solve(kernel[np.ix_(train, train)] + 0.3 * np.eye(len(train)), centred[train])
            predicted[test] = kernel[np.ix_(test, train)] @ weights
        assert np.corrcoef(predicted, centred)[0, 1] > least, column


def test_aggregates_of_a_public_table() -> None:
    text = "SITE_ID,DX_GROUP,SEX,AGE_AT_SCAN \nABIDEII-X_1,1,1,10.2\nABIDEII-X_1,1,2,12.4\nABIDEII-X_1,2,1,9.0\n"
    found = aggregate(pd.read_csv(io.StringIO(text)), "t.csv").set_index("diagnosis")
    assert found.loc["autism", ["male", "female", "age_mean", "age_min", "age_max"]].tolist() == [1, 1, 11.3, 10, 13]
    assert found.loc["control", "site"] == "X_1"


def test_aggregates_of_adhd200() -> None:
    text = "Site,Gender,Age,DX\n5,1,10.2,1\n5,0,12.4,3\n5,,12.4,2\n5,1,9.0,0\n4,1,9.0,pending\n"
    found = aggregate(pd.read_csv(io.StringIO(text)), "t.csv").set_index("diagnosis")
    assert found.loc["ADHD", ["male", "female", "age_mean", "age_min", "age_max"]].tolist() == [1, 1, 11.3, 10, 13]
    assert found.loc["control", "site"] == "NYU"
    assert len(found) == 2


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("abide1", "ABIDE1_Phenotypic_V1_0b.csv"),
        ("abide2", "ABIDEII_Composite_Phenotypic.csv"),
        ("adhd200", "adhd200_preprocessed_phenotypics.csv"),
    ],
)
def test_stored_aggregates_are_those_of_the_tables(shared: Path, name: str, file: str) -> None:
    path = shared / "phenotypes" / file
    if not path.exists():
        pytest.skip(f"no table {path}")
    made = aggregate(pd.read_csv(path, encoding="latin1"), file)
    stored = pd.read_csv(str(resources.files("brainbench.benchmark.simulate") / f"{name}_sites.csv"))
    pd.testing.assert_frame_equal(made, stored, check_dtype=False)


def test_load_makes_the_twin_once(own_home: Path) -> None:
    calls: list[str] = []
    data = ABIDE2().load("simulated", lambda label, done, total: calls.append(label))
    assert (data.origin, data.name, data.folds, len(data.items)) == ("twin", "abide2-small", 2, 240)
    assert {target: best.metric for target, best in data.ceilings.items()} == {
        "diagnosis": "auc",
        "sex": "auc",
        "age": "pearson-r",
        "age_group": "auc",
    }
    assert calls
    seen = len(calls)
    assert ABIDE2().load("simulated:small", lambda *a: calls.append("again")).fingerprint == data.fingerprint
    assert len(calls) == seen
    assert twins().joinpath("abide2-small").is_dir()


def test_a_twin_of_an_older_generator_is_made_again(own_home: Path) -> None:
    path = ABIDE1().twin("small").path
    file = path / "cohort.json"
    manifest = json.loads(file.read_text())
    manifest["twin"]["version"] = RESTING - 1
    file.write_text(json.dumps(manifest))
    again = ABIDE1().twin("small").manifest.twin
    assert again is not None
    assert again["version"] == RESTING


def test_missing_real_data_say_what_to_type(own_home: Path) -> None:
    with pytest.raises(DataMissing) as error:
        ABIDE1().load("real")
    for command in ("brainbench data get abide1", "brainbench data import abide1 PATH", "--data simulated"):
        assert command in str(error.value)
    assert not ABIDE1().installed()


@pytest.mark.parametrize("source", ["simulated:huge", "imagined"])
def test_unknown_sources_are_refused(own_home: Path, source: str) -> None:
    with pytest.raises(BadOption):
        ABIDE1().load(source)


def test_twin_by_name_and_a_named_cohort(own_home: Path) -> None:
    path = make_twin("abide1", "small", 3, silent).path
    assert path.name == "abide1-small-seed3"
    cohorts().mkdir(parents=True)
    path.rename(cohorts() / "lab")
    assert load_cohort("lab").name == "abide1-small"
    for wrong in ("nowhere", "../cohorts/lab"):
        with pytest.raises(DataMissing, match="installed"):
            load_cohort(wrong)


@pytest.mark.slow
def test_full_twin_streams(tmp_path: Path) -> None:
    cohort = simulate("abide1", "full", tmp_path / "full")
    assert (cohort.manifest.scans, cohort.manifest.rois, cohort.manifest.dtype) == (1112, 450, "<f2")
    table = cohort.scans()
    assert table.groupby("site")["frames"].first()["NYU"] == 176
    assert np.isfinite(cohort.items().read("series", 1111)).all()
