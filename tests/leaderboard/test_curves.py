"""Learning curves: the right records at the right numbers of labels, floors and controls apart, and clear errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli.show import app
from brainbench.benchmark.errors import BadOption, StoreError
from brainbench.benchmark.executors import Event
from brainbench.benchmark.plan import Request, make_plan
from brainbench.benchmark.record import CeilingPart, ScorePart
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.store import Store
from brainbench.benchmark.worker import run_cell
from brainbench.leaderboard.curve_figure import DASHES, curve_figure, dashes_of, looks_of, place
from brainbench.leaderboard.curves import Chart, Curve, Point, chart_of, together
from support import write_planted


def score(value: float, half: float = 0.05) -> ScorePart:
    return ScorePart(
        value=value, low=value - half, high=value + half, fold_sd=None, seed_sd=None, pooled=None, aggregate="",
        folds=20, chance=0.5, higher_is_better=True,
    )  # fmt: skip


def curve(label: str, values: dict[str, float], counts: dict[str, int], floor: bool = False) -> Curve:
    name, _, control = label.partition("+")
    points = tuple(Point(regime, counts[regime], "id", score(value)) for regime, value in values.items())
    return Curve(label, name, control, floor, points)


COUNTS = {"zero-shot": 0, "2-shot": 2, "10-shot": 10, "all-shot": 120}


def chart(*curves: Curve, ceiling: bool = True) -> Chart:
    best = CeilingPart(
        metric="auc", value=0.9, error=0.001, with_covariates=None, at_training_size=0.88, training_size=120,
        share=None, note="",
    )  # fmt: skip
    return Chart("t", "auc", "a title", "where from " * 30, 0.5, best if ceiling else None, True, curves, COUNTS, ())


def test_figure_is_a_png_with_and_without_a_ceiling():
    pytest.importorskip("matplotlib")
    rising = dict(zip(COUNTS, (0.6, 0.65, 0.7, 0.85), strict=True))
    lines = [curve(name, rising, COUNTS) for name in ("m", "m+text-only", "other", "alone")]
    lines.append(curve("majority", {"2-shot": 0.5}, COUNTS, floor=True))
    for shown in (chart(*lines), chart(lines[0], ceiling=False)):
        assert curve_figure(shown)[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_control_shares_its_methods_colour_and_every_line_of_a_colour_differs():
    names = ("m", "m+a", "m+b", "m", "other", "other+a")
    shown = chart(*(curve(name, {"2-shot": 0.5}, COUNTS) for name in names))
    looks, dashes = looks_of(shown), dashes_of(shown)
    assert list(looks) == ["m", "other"]
    assert looks["m"] != looks["other"]
    assert dashes == ["-", DASHES[0], DASHES[1], DASHES[2], "-", DASHES[0]]
    floors = chart(*(curve(name, {"2-shot": 0.5}, COUNTS, floor=True) for name in ("majority", "site-only")))
    assert looks_of(floors) == {}
    assert len(set(dashes_of(floors))) == 2


def test_numbers_of_labels_stand_at_their_logarithm():
    assert [place(count) for count in (0, 2, 4, 64)] == [0, 1, 2, 6]


MOCKS = str(Path(__file__).parents[1] / "plugins" / "mocks.py")


class Here:
    """Runs cells in this process: there are sixty, and starting a worker takes longer than each."""

    def run(self, works):
        for work in works:
            yield Event(work.key, "ended", outcome=run_cell(work.stage(), lambda label, done, total: None))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store with records at no, two, four and all labels, without sources; of one floor and one method."""
    home, store = tmp_path_factory.mktemp("planted"), Store(tmp_path_factory.mktemp("runs"))
    store.prepare()
    write_planted(home, n=40)
    tasks = [f"abide1-asd@{regime}:none" for regime in ("zero-shot", "2-shot", "4-shot", "all-shot")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_HOME", str(home))
        for names, method in ((tasks[1:], f"{MOCKS}:FirstRoi"), ([tasks[0], tasks[1], tasks[3]], "majority")):
            plan = make_plan(Request(tuple(names), (method,), data="real"), lambda label, done, total: None)
            assert list(run(plan, store, Here(), Settings("cpu", 1), lambda cell, event: None))  # type: ignore[arg-type]
    return store


def test_points_are_the_stores_records(filled):
    task = load_task("abide1-asd")[0]
    shown = chart_of(filled, task, (), "none", None, None)
    assert [line.label for line in shown.curves] == ["mocks:FirstRoi", "majority (default)"]
    assert [line.floor for line in shown.curves] == [False, True]
    assert shown.regimes == {"2-shot": 2, "4-shot": 4, "all-shot": 20}
    by_id = {record.id: record for record in filled.records()}
    for line in shown.curves:
        for point in line.points:
            record = by_id[point.record]
            assert record.task.name == f"abide1-asd@{point.regime}:none"
            assert point.score == record.scores["auc"]
    assert (shown.chance, shown.ceiling) == (0.5, None)
    assert "real data abide1, 20 test scans, no sources" in shown.what
    told = " ".join(shown.notes)
    assert "majority: skipped" in told
    assert "brainbench run --task abide1-asd@4-shot:none --method majority" in told
    assert chart_of(filled, task, ("majority",), "none", "accuracy", "real").metric == "accuracy"


def test_what_is_missing_is_said_with_the_command_that_makes_it(filled):
    task = load_task("abide1-asd")[0]
    with pytest.raises(StoreError) as caught:
        chart_of(filled, task, ("fmri-lm", "majority"), "none", None, None)
    assert "no record of fmri-lm on abide1-asd" in caught.value.message
    assert caught.value.hint.endswith("--task abide1-asd@all-shot:none --method fmri-lm")
    assert "--task abide1-asd@zero-shot:none --task abide1-asd@2-shot:none" in caught.value.hint
    for sources, data in ((None, None), ("none", "simulated")):
        with pytest.raises(StoreError, match="no record on abide1-asd"):
            chart_of(filled, task, (), sources, None, data)
    with pytest.raises(BadOption, match="no metric 'shd'"):
        chart_of(filled, task, (), "none", "shd", None)
    with pytest.raises(BadOption, match="no regime of few labels"):
        chart_of(filled, load_task("netsim-1")[0], (), None, None, None)


def test_the_newest_data_are_shown_alone(filled):
    records = list(filled.records())
    other = [record.model_copy(deep=True) for record in records[:2]]
    for record in other:
        record.data.fingerprint = "another"
        record.environment.created = "2999"
    assert together([*records, *other]) == other
    assert together([]) == []


def show(store, *arguments: str):
    return CliRunner().invoke(app, ["curve", *arguments, "--store", str(store.path)])


def test_command_draws_prints_and_refuses(filled, tmp_path):
    common = ("--task", "abide1-asd", "--sources", "none")
    rows = json.loads(show(filled, *common, "--json").stdout)
    assert {row["labelled"] for row in rows} == {2, 4, 20}
    assert all(row["low"] <= row["auc"] <= row["high"] for row in rows)
    table = show(filled, *common, "--table", "--method", "mocks:FirstRoi").stdout
    assert "all-shot (20)" in table
    assert "majority" not in table
    pytest.importorskip("matplotlib")
    path = tmp_path / "curve.png"
    assert show(filled, *common, "--out", str(path)).stdout.strip() == str(path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    for wrong in (("--task", "abide1-asd@2-shot"), (*common, "--out", "a.pdf"), (*common, "--data", "any")):
        assert isinstance(show(filled, *wrong).exception, BadOption)
