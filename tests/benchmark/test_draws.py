"""The resamples of a record: written beside it, read back with suspicion, and those that its interval comes from."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from brainbench.benchmark import draws as module
from brainbench.benchmark.cli import app
from brainbench.benchmark.draws import Draws, as_draws, read_draws, same_draws, write_draws
from brainbench.benchmark.errors import StoreError
from brainbench.benchmark.metrics.classification import AUC, Accuracy
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.score import Judged, score_cells
from brainbench.benchmark.stats import Resampling, Scored, bootstrap, interval, paired, resampling, two_sided
from support import plan_of, write_planted

OF_WHAT = Resampling("a hash", 40)


def some(rows: int = 2, resamples: int = 50) -> Draws:
    values = np.random.default_rng(0).normal(size=(rows, resamples))
    found = as_draws({f"m{k}": row for k, row in enumerate(values)}, OF_WHAT)
    assert found is not None
    return found


def test_what_is_written_is_read(tmp_path):
    written = as_draws({"auc": np.array([0.5, np.nan, 0.7]), "absent": None}, OF_WHAT, seed=3)
    write_draws(tmp_path, written)
    found = read_draws(tmp_path)
    np.testing.assert_array_equal(found.values, np.array([[0.5, np.nan, 0.7], [np.nan] * 3], np.float32))
    assert (found.metrics, found.of_what, found.seed) == (("auc", "absent"), OF_WHAT, 3)
    assert found.resampled == written.resampled == ("a hash", 3, 3)
    assert found.of("absent") is None
    assert found.of("unknown") is None
    assert same_draws(tmp_path, written)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draws.json", "draws.npy"]


def test_where_nothing_was_resampled_there_are_none(tmp_path):
    assert as_draws({"auc": None}, OF_WHAT) is None
    assert read_draws(tmp_path) is None
    assert not same_draws(tmp_path, some())


def reseal(folder, content: bytes, **changes) -> None:
    """Files as somebody who edits them would leave them, with a hash that fits."""
    part = json.loads((folder / "draws.json").read_text())
    (folder / "draws.npy").write_bytes(content)
    (folder / "draws.json").write_text(json.dumps({**part, "sha256": hashlib.sha256(content).hexdigest(), **changes}))


def saved(values, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


def huge() -> bytes:
    """A header that says 4 TB."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "changes", "told"),
    [
        (saved(np.zeros((2, 50))), {}, "not 2 x 50 numbers of 32 bits"),
        (saved(np.zeros((3, 50), np.float32)), {}, "not 2 x 50 numbers of 32 bits"),
        (saved(np.zeros((2, 50), np.float32, order="F")), {}, "not 2 x 50 numbers of 32 bits"),
        (saved(np.zeros((2, 50), np.float32)) + b"more", {}, "not 2 x 50 numbers of 32 bits"),
        (saved(np.zeros((2, 50), np.float32))[:-4], {}, "not 2 x 50 numbers of 32 bits"),
        (saved(np.array([{}]), allow_pickle=True), {}, "not 2 x 50 numbers of 32 bits"),
        (huge(), {}, "not 2 x 50 numbers of 32 bits"),
        (huge(), {"metrics": ["m"] * 10, "resamples": 10**9}, "not a description of draws"),
        (b"PK\x03\x04 nothing of ours", {}, "magic"),
        (b"", {}, "draws"),
        (saved(np.zeros((2, 50), np.float32)), {"more": 1}, "not a description of draws"),
        (saved(np.zeros((2, 50), np.float32)), {"units": 0}, "not a description of draws"),
        (saved(np.zeros((2, 50), np.float32)), {"sha256": "other"}, "edited"),
    ],
)
def test_anything_else_is_refused_with_what_to_type(tmp_path, content, changes, told):
    write_draws(tmp_path, some())
    reseal(tmp_path, content, **changes)
    with pytest.raises(StoreError, match=told) as error:
        read_draws(tmp_path)
    assert "brainbench rescore" in error.value.hint
    assert not same_draws(tmp_path, some())


@pytest.mark.parametrize("gone", ["draws.json", "draws.npy"])
def test_half_of_them_is_damage(tmp_path, gone):
    write_draws(tmp_path, some())
    (tmp_path / gone).unlink()
    with pytest.raises(StoreError):
        read_draws(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    write_draws(tmp_path, some())
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    with pytest.raises(StoreError, match="larger than 100 bytes"):
        read_draws(tmp_path)


def folds(rng: np.random.Generator, shift: float) -> list[Scored]:
    """Predictions of three folds of 60 people, of whom some have two scans."""
    made = []
    for fold in range(3):
        truth = np.arange(70) % 2
        score = rng.normal(size=70) + shift * truth
        people = [f"p{fold}-{k % 60}" for k in range(70)]
        made.append(Scored(truth, np.c_[-score, score], people, f"draw{fold}"))
    return made


@pytest.mark.parametrize("over_folds", [False, True])
@pytest.mark.parametrize("metric", [AUC(), Accuracy()])
def test_the_difference_of_draws_is_the_paired_bootstrap(metric, over_folds):
    rng = np.random.default_rng(3)
    one, two = folds(rng, 0.9), folds(rng, 0.7)
    of_what = resampling(one, over_folds=over_folds)
    assert of_what == resampling(two, over_folds=over_folds)
    rows = [bootstrap(metric, made, over_folds=over_folds).draws for made in (one, two)]
    kept = [as_draws({"m": row}, of_what).of("m") for row in rows]
    expected = paired(metric, one, two, over_folds=over_folds)
    assert two_sided(kept[0] - kept[1], of_what.units) == pytest.approx(expected.p, rel=1e-5)
    np.testing.assert_allclose(interval(kept[0] - kept[1]), (expected.low, expected.high), atol=1e-6)


def test_other_people_draws_or_seeds_are_another_resampling():
    rng = np.random.default_rng(0)
    one = folds(rng, 1)
    moved = [fold._replace(clusters=[f"x{name}" for name in fold.clusters]) for fold in one]
    redrawn = [fold._replace(draw="other") for fold in one]
    assert resampling(one) == resampling(one[::-1])
    assert resampling(one).clusters != resampling(moved).clusters
    assert resampling(one) == resampling(redrawn)
    assert resampling(one, over_folds=True).clusters != resampling(redrawn, over_folds=True).clusters
    assert resampling(one).clusters != resampling(one, seed=1).clusters
    assert (resampling(one).units, resampling(one, over_folds=True).units) == (180, 3)


def test_a_run_keeps_the_draws_of_its_intervals(own_home, run_plan, store):
    write_planted(own_home, "abide2", n=40)
    (record,) = run_plan(plan_of("abide2-asd", "majority", data="real", folds=2))
    draws = store.draws(record)
    assert draws.metrics == record.task.metrics
    assert draws.of_what.units == 40
    for name, score in record.scores.items():
        row = draws.of(name)
        if row is not None:
            np.testing.assert_allclose(interval(row), (score.low, score.high), rtol=1e-5, atol=1e-6)


def test_a_range_has_none():
    task, _ = load_task("abide2-asd")
    rng = np.random.default_rng(0)
    cells = [Judged("all", seed, *folds(rng, 1)[0][:3], True) for seed in (0, 1)]
    scores, _, draws = score_cells(replace(task, interval="range", metrics=("auc",)), cells)
    assert scores["auc"].spread == "range over 2 seeds"
    assert draws is None
    scores, _, draws = score_cells(replace(task, metrics=("auc",)), cells)
    assert draws.metrics == ("auc",)


def test_rescore_adds_them_to_old_records(own_home, run_plan, store):
    write_planted(own_home, "abide2", n=40)
    (record,) = run_plan(plan_of("abide2-asd", "majority", data="real", folds=2))
    folder = store.path / "records" / record.id
    before = read_draws(folder)
    (folder / "draws.json").unlink()
    (folder / "draws.npy").write_bytes(b"damaged")
    assert store.draws(record) is None
    command = ["rescore", record.id, record.id, "--store", str(store.path)]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert first.output.count("2,000 resamples are now beside it") == 1
    np.testing.assert_array_equal(read_draws(folder).values, before.values)
    assert [found.id for found in store.records()] == [record.id]
    assert "now beside" not in CliRunner().invoke(app, command).output


def test_one_of_several_that_cannot_be_scored_stops_no_other(own_home, run_plan, store):
    write_planted(own_home, "abide2", n=40)
    (record,) = run_plan(plan_of("abide2-asd", "majority", data="real", folds=2))
    found = CliRunner().invoke(app, ["rescore", "nothing", record.id, "--store", str(store.path)])
    assert found.exit_code == 1
    assert "no record 'nothing'" in found.output
    assert f"every number of {record.id} is reproduced" in found.output


def test_a_record_that_is_not_reproduced_gets_none(own_home, run_plan, store):
    write_planted(own_home, "abide2", n=40)
    (record,) = run_plan(plan_of("abide2-asd", "majority", data="real", folds=2))
    folder = store.path / "records" / record.id
    auc = record.scores["auc"].model_copy(update={"value": 0.9})
    content = record.model_copy(update={"scores": {**record.scores, "auc": auc}}).model_dump_json().encode()
    (folder / "record.json").write_bytes(content)
    (folder / "record.sha256").write_text(hashlib.sha256(content).hexdigest())
    for name in ("draws.json", "draws.npy"):
        (folder / name).unlink()
    assert CliRunner().invoke(app, ["rescore", record.id, "--store", str(store.path)]).exit_code == 1
    assert read_draws(folder) is None
