"""Twins on disk: who is in them, the same for the same seed, and how data sets find them."""

from __future__ import annotations

import io
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
from brainbench.benchmark.simulate.abide import SPECS, simulate
from brainbench.benchmark.simulate.aggregate import aggregate
from brainbench.benchmark.simulate.people import Population
from brainbench.benchmark.simulate.twin import SIZES, parts


def silent(label: str, done: int, total: int) -> None: ...


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return simulate("abide2", "small", tmp_path_factory.mktemp("twin") / "t", seed=1)


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
    assert other.manifest.twin["ceiling"] == twin.manifest.twin["ceiling"]
    assert not set(other.scans()["digest"]) & set(twin.scans()["digest"])


@pytest.mark.parametrize(
    ("name", "subjects", "autism", "female", "sites"), [("abide1", 1112, 539, 164, 20), ("abide2", 1114, 521, 258, 19)]
)
def test_full_twin_has_the_people_of_the_public_tables(
    name: str, subjects: int, autism: int, female: int, sites: int
) -> None:
    _, population = parts(SPECS[name], SIZES["full"], None)
    people = population.sample(None, np.random.default_rng(0))
    assert len(people) == population.subjects == subjects
    assert people["label"].sum() == autism
    assert (people["sex"] == "female").sum() == female
    assert people["site"].nunique() == len(population.scans) == sites
    means = people.groupby("site")["age"].mean() - _table_means(population)
    assert means.abs().max() < 4


def _table_means(population: Population) -> pd.Series:
    groups = population.groups
    return (groups["age_mean"] * groups["n"]).groupby(groups["site"]).sum() / groups.groupby("site")["n"].sum()


def test_small_scans_are_shorter_never_longer() -> None:
    real = pd.Series([78, 116, 150, 236, 947])
    assert SIZES["small"].frames(real).tolist() == [78, 116, 120, 165, 663]
    assert SIZES["full"].frames(real).tolist() == real.tolist()


def test_aggregates_of_a_public_table() -> None:
    text = "SITE_ID,DX_GROUP,SEX,AGE_AT_SCAN \nABIDEII-X_1,1,1,10.2\nABIDEII-X_1,1,2,12.4\nABIDEII-X_1,2,1,9.0\n"
    found = aggregate(pd.read_csv(io.StringIO(text)), "t.csv").set_index("diagnosis")
    assert found.loc["autism", ["male", "female", "age_mean", "age_min", "age_max"]].tolist() == [1, 1, 11.3, 10, 13]
    assert found.loc["control", "site"] == "X_1"


@pytest.mark.parametrize(
    ("name", "file"),
    [("abide1", "ABIDE1_Phenotypic_V1_0b.csv"), ("abide2", "ABIDEII_Composite_Phenotypic.csv")],
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
    assert data.ceiling is not None
    assert data.ceiling.metric == "auc"
    assert calls
    seen = len(calls)
    assert ABIDE2().load("simulated:small", lambda *a: calls.append("again")).fingerprint == data.fingerprint
    assert len(calls) == seen
    assert twins().joinpath("abide2-small").is_dir()


def test_a_twin_of_an_older_generator_is_made_again(own_home: Path) -> None:
    path = ABIDE1().twin("small").path
    file = path / "cohort.json"
    file.write_text(file.read_text().replace('"version":1', '"version":0').replace('"version": 1', '"version": 0'))
    assert Cohort.open(path).manifest.twin["version"] == 0
    assert ABIDE1().twin("small").manifest.twin["version"] == 1


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
