"""Submissions that were edited by somebody who knows the layout: every hash fits, and still each is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from submission_toy import cell_of, edit, record_of, reseal

from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.submitting.acceptance import accepted
from brainbench.benchmark.submitting.archive import received
from brainbench.benchmark.submitting.offer import read_offer
from brainbench.benchmark.submitting.verify import accept, verify

FAR = "a submission that is refused leaves the board as it was"


def silent(*_):
    pass


def predictions(folder: Path) -> Path:
    return cell_of(folder) / "prediction" / "probabilities.parquet"


def of_record(**changes: Any) -> Callable[[Path], None]:
    """Fields of the record, ``a__b`` for one inside another."""

    def change(tree: Any) -> None:
        for name, value in changes.items():
            *way, last = name.split("__")
            inner = tree
            for part in way:
                inner = inner[int(part) if part.isdecimal() else part]
            inner[last] = value(inner[last]) if callable(value) else value

    return lambda folder: edit(record_of(folder) / "record.json", change)


def of_manifest(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "submission.json", lambda tree: tree.update(changes))


def of_method(field: str, value: Any) -> Callable[[Path], None]:
    """A field of the method, in the record and in every cell."""

    def change(folder: Path) -> None:
        edit(record_of(folder) / "record.json", lambda tree: tree["method"].update({field: value}))
        for cell in record_of(folder).glob("cells/*/cell.json"):
            edit(cell, lambda tree: tree["method"].update({field: value}))

    return change


def of_ids(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    return lambda folder: edit(cell_of(folder) / "ids.json", lambda tree: tree.update(ids=change(tree["ids"])))


def of_predictions(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    return lambda folder: change(pd.read_parquet(predictions(folder))).to_parquet(predictions(folder))


def easier_split(folder: Path) -> None:
    """Test fewer people: those of each fold that are easiest."""
    from brainbench.benchmark.splits import SplitManifest

    path = record_of(folder) / "split.json"
    edit(path, lambda tree: [ids.update(test=ids["test"][:2]) for ids in tree["folds"].values()])
    split = SplitManifest.model_validate_json(path.read_text()).hash
    of_record(split__hash=split)(folder)
    for cell in record_of(folder).glob("cells/*/cell.json"):
        edit(cell, lambda tree: tree.update(split=split))


def renamed_record(folder: Path) -> None:
    place = record_of(folder)
    of_record(id="abide1-asd--fmri-lm--00000000")(folder)
    edit(
        folder / "submission.json",
        lambda t: t["records"].update({"abide1-asd--fmri-lm--00000000": t["records"].pop(place.name)}),
    )
    place.rename(place.parent / "abide1-asd--fmri-lm--00000000")


def path_task(folder: Path) -> None:
    """A task in a file that would be run when it is loaded."""
    evil = folder.parent / "evil.py"
    evil.write_text(f"open({str(folder.parent / 'ran')!r}, 'w')\nTASK = 1\n")
    name = f"{evil}:TASK"
    of_record(task__ref=name, task__name=name)(folder)
    edit(folder / "submission.json", lambda tree: next(iter(tree["records"].values())).update(task=name))


def path_ref(folder: Path) -> None:
    evil = folder.parent / "evil.py"
    evil.write_text(f"open({str(folder.parent / 'ran')!r}, 'w')\nTASK = 1\n")
    of_record(task__ref=f"{evil}:TASK")(folder)


def path_metric(folder: Path) -> None:
    evil = folder.parent / "evil.py"
    evil.write_text(f"open({str(folder.parent / 'ran')!r}, 'w')\nM = 1\n")

    def change(tree: Any) -> None:
        tree["task"]["metrics"].append(f"{evil}:M")
        tree["scores"][f"{evil}:M"] = tree["scores"]["auc"]

    edit(record_of(folder) / "record.json", change)


def fewer_folds(folder: Path) -> None:
    shutil.rmtree(cell_of(folder))
    edit(record_of(folder) / "record.json", lambda tree: tree["cells"].pop(0))


def fewer_metrics(folder: Path) -> None:
    def change(tree: Any) -> None:
        tree["task"]["metrics"].remove("auc")
        del tree["scores"]["auc"]

    edit(record_of(folder) / "record.json", change)


def other_device(folder: Path) -> None:
    for cell in record_of(folder).glob("cells/*/cell.json"):
        edit(cell, lambda tree: tree.update(device="quantum"))


def pickled(folder: Path) -> None:
    np.savez(cell_of(folder) / "prediction" / "more.npz", **{"0": np.array([{"a": 1}], dtype=object)})


def deep(folder: Path) -> None:
    path = record_of(folder) / "record.json"
    path.write_text(path.read_text().replace('"card": {', '"card": {"x": ' + "[" * 50_000 + "]" * 50_000 + ",", 1))


def huge_integer(folder: Path) -> None:
    path = record_of(folder) / "record.json"
    path.write_text(path.read_text().replace('"subjects": 60', '"subjects": 6' + "0" * 6000, 1))


def many_lists(folder: Path) -> None:
    """A file of a few packed bytes, each of whose values would be an object."""
    (cell_of(folder) / "ids.json").write_text('{"ids":[' + ",".join(["[]"] * 1_100_000) + "]}")


def reported_twin(folder: Path) -> None:
    """Numbers that nobody scores again, on data that anybody could."""
    edit(
        folder / "submission.json",
        lambda tree: next(iter(tree["records"].values())).update(row="reported", leaves="salted"),
    )
    of_record(data__origin="twin", data__fingerprint="x")(folder)


def metric_of_another_kind(folder: Path) -> None:
    def change(tree: Any) -> None:
        tree["task"]["metrics"].append("mae")
        tree["scores"]["mae"] = tree["scores"]["auc"]

    edit(record_of(folder) / "record.json", change)


SCRIPT = "<script>alert(1)</script>"
ROWS = 10_000_000

ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "edited score": (of_record(scores__auc__value=0.99), r"auc value: 0\.99 in the record, 0\.\d+ here"),
    "edited pooled score": (of_record(scores__auc__pooled=lambda v: v + 0.05), "auc pooled"),
    "edited fold": (of_record(cells__0__scores=lambda s: {**s, "auc": 0.123}), "auc of fold1 seed 0"),
    "edited direction": (of_record(scores__auc__higher_is_better=False), "auc higher_is_better"),
    "NaN score": (of_record(scores__auc__value=float("nan")), "holds NaN, which is no number"),
    "infinite score": (of_record(scores__auc__high=float("inf")), "holds Infinity, which is no number"),
    "fewer metrics": (fewer_metrics, "its metrics are not those of abide1-asd"),
    "duplicated id": (of_ids(lambda ids: [ids[0], *ids[:-1]]), "an id is there twice"),
    "swapped ids": (of_ids(lambda ids: [ids[1], ids[0], *ids[2:]]), "its ids are in another order"),
    "unknown id": (of_ids(lambda ids: ["nobody", *ids[1:]]), "1 of its ids are none of the 12 test items"),
    "fewer ids": (of_ids(lambda ids: ids[1:]), "it has 11 ids for 12 test items"),
    "swapped predictions": (of_predictions(lambda t: t.iloc[::-1]), "auc"),
    "better predictions": (of_predictions(lambda t: 1 - t), "auc"),
    "NaN predictions": (of_predictions(lambda t: t.assign(control=np.nan)), "has missing values"),
    "infinite predictions": (of_predictions(lambda t: t.assign(control=np.inf)), "holds NaN or infinity"),
    "no probabilities": (of_predictions(lambda t: t * 7), "probabilities lie in"),
    "fewer rows": (of_predictions(lambda t: t.iloc[1:]), "rows for 12 test items"),
    "ten million rows": (
        of_predictions(lambda t: pd.DataFrame({"control": np.full(ROWS, 0.5), "autism": np.full(ROWS, 0.5)})),
        "10,000,000 rows for 12 test items",
    ),
    "other columns": (of_predictions(lambda t: t.rename(columns={"autism": "x"})), "cannot be judged|autism"),
    "pickle": (pickled, "a pickle is never read|arrays for"),
    "easier split": (easier_split, "its split is not that of the task"),
    "fewer folds": (fewer_folds, "its cells are not the 5 folds"),
    "chosen seed": (of_record(seeds=[7]), "not 0, 1, 2"),
    "two seeds of one": (of_record(seeds=[0, 1]), "its cells are not the 5 folds"),
    "other data": (of_record(data__fingerprint="0" * 32), "made on other data"),
    "a source of files": (of_record(data__source="/etc"), "a board holds real data"),
    "a huge twin": (of_record(data__source="simulated:100000000"), "a board holds real data"),
    "other version": (of_record(task__version=1), "of version 1 of abide1-asd; this is"),
    "a task in a file": (path_task, "no plain name|which a board does not know"),
    "a reference to a file": (path_ref, "which a board does not know"),
    "a metric in a file": (path_metric, "no metric"),
    "an unknown task": (of_record(task__name="abide1-asd@none", task__ref="abide1-asd@none"), "the manifest says"),
    "other schema": (of_record(schema_version=99), "schema 99; this version reads 1"),
    "unknown field": (of_record(task=lambda t: {**t, "evil": 1}), "task.evil"),
    "deep JSON": (deep, "not JSON|within lists"),
    "an endless number": (huge_integer, "not JSON|beyond any count|subjects"),
    "control characters": (of_record(card__notes="a\x1b[2Jb"), "too long or not printable"),
    "text that turns around": (of_record(card__title="a\u202eb"), "too long or not printable"),
    "a long text": (of_record(reason="x" * 100_000), "too long or not printable"),
    "a card of other fields": (of_record(card=lambda c: {**c, "html": "x"}), "record.json: html"),
    "script in the method's name": (of_method("name", SCRIPT), "letters, digits and"),
    "script in the manifest's name": (of_manifest(method=SCRIPT), "letters, digits and"),
    "the name of a method of the project": (of_manifest(method="fmri-lm"), "is that of another method"),
    "another's name": (of_method("name", "fmri-lm"), "the manifest says own:Spread"),
    "a name that leads out": (of_manifest(name="../evil"), "is no plain name"),
    "a name of a device": (of_manifest(name="con"), "is no plain name"),
    "a source that leads out": (of_manifest(source="method/../../evil.py:X"), "is not in the folder"),
    "a source that is not there": (of_manifest(source="method/none.py:X"), "is not in the folder"),
    "a source beside the folder": (of_manifest(source="/tmp/evil.py:X"), "is no method of the project"),
    "a source that is a module": (of_manifest(source="os:system"), "is no method of the project"),
    "script in the preset": (of_method("preset", "x\n```\n[free](http://evil.example)"), "the preset holds"),
    "millions of lists": (many_lists, "holds more than 1,000,000 values"),
    "a metric of another kind": (metric_of_another_kind, "cannot be scored: AttributeError"),
    "no licence": (of_manifest(licence=""), "names no licence"),
    "a licence in words": (of_manifest(licence="free for my friends"), "no SPDX expression"),
    "other manifest": (of_manifest(schema_version=2), "schema 2; this version reads 1"),
    "extra field": (of_manifest(evil=1), "submission.json: evil"),
    "made tomorrow": (of_record(environment__created="2999-01-01T00:00:00+00:00"), "no date, or one to come"),
    "other id": (renamed_record, "its id is not abide1-asd--own_Spread"),
    "not complete": (of_record(status="failed"), "the run is not complete"),
    "unknown device": (other_device, "its cell is not that of the task|the cell is not that of the record"),
    "other options": (of_record(method__options={"gain": 2.0}), "the cell is not that of the record"),
    "reported as aggregates": (
        lambda folder: edit(
            folder / "submission.json",
            lambda tree: next(iter(tree["records"].values())).update(row="reported", leaves="aggregates"),
        ),
        "predictions are in the folder",
    ),
    "a twin that is reported": (reported_twin, "data of the origin 'twin' are nobody's"),
    "reported with ids": (
        lambda folder: edit(
            folder / "submission.json", lambda tree: next(iter(tree["records"].values())).update(row="reported")
        ),
        "are scored again, not reported",
    ),
    "reproduced by itself": (
        lambda folder: edit(
            folder / "submission.json", lambda tree: next(iter(tree["records"].values())).update(row="reproduced")
        ),
        "submission.json",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_is_refused_with_the_reason(folder, judged, tmp_path, name):
    attack, reason = ATTACKS[name]
    attack(folder)
    reseal(folder)
    board = tmp_path / "submissions"
    (board / "kept").mkdir(parents=True)
    with received(folder) as place:
        verdict = verify(place, None, silent)
        assert not verdict.accepted
        told = "; ".join(verdict.reasons)
        assert re.search(reason, told), told
        with pytest.raises(Exception, match="refused"):
            accept(verdict, board)
    assert [path.name for path in board.rglob("*")] == ["kept"], FAR
    assert not (tmp_path / "ran").exists(), "code of a submission was run"
    assert told.isprintable()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f: (f / "method" / "own.py").write_text("import os"), "not the file that checksums.sha256 lists"),
        (lambda f: (f / "method" / "own.py").unlink(), "listed in checksums.sha256, but not there"),
        (lambda f: (f / "method" / "more.py").write_text(""), "not listed in checksums.sha256"),
        (lambda f: (f / "checksums.sha256").unlink(), "no checksums.sha256"),
        (lambda f: (f / "checksums.sha256").write_text("x\n"), "is no line of a hash and a path"),
        (lambda f: (f / "submission.json").write_text("{"), "not JSON"),
        (lambda f: of_record(scores__auc__value=0.99)(f), "record.json is not the file"),
    ],
)
def test_what_does_not_fit_its_hash_is_refused(folder, judged, spoil, reason):
    spoil(folder)
    assert any(reason in told for told in judged(folder).reasons)


def test_every_reason_is_told(folder):
    of_manifest(licence="", created="yesterday", source="method/none.py:X")(folder)
    of_record(seeds=[3], status="failed")(folder)
    reseal(folder)
    with received(folder) as place:
        offer = read_offer(place)
    assert len(offer.reasons) == 3
    assert len(offer.records[0].reasons) == 2


def test_what_only_the_board_may_say_is_not_believed(folder, tmp_path):
    """Isolation, ranks, titles, ceilings, audits: what they claim does not stop them, and does not reach the board."""
    of_record(
        isolated=True, row="reproduced", task__title="The best method of all", task__published=["abide1", "sex"],
        audit=[], ceiling={"metric": "auc", "value": 0.5, "error": 0, "with_covariates": None,
                           "at_training_size": None, "training_size": None, "share": 9, "note": ""},
        controls={"cheat": {"auc": 1.0}}, data__left_out={"fools": 3}, scores__auc__low=0.01, scores__auc__chance=0.1,
    )(folder)  # fmt: skip
    reseal(folder)
    with received(folder) as place:
        verdict = verify(place, None, silent)
        assert verdict.accepted, verdict.reasons
        assert "intervals are those made here; the record's are others: auc" in verdict.notes[0]
        accept(verdict, tmp_path / "submissions")
    ((record, _, _),) = accepted(tmp_path / "submissions")
    assert record.scores["auc"].chance == 0.5
    assert record.scores["auc"].low > 0.1
    assert (record.isolated, record.row, record.ceiling, record.controls) == (False, "rescored", None, {})
    assert record.task.title == "Autism or control, ABIDE I"
    assert record.data.left_out == {}
    assert len(record.audit) > 2


def test_many_files_of_many_values_are_refused_before_they_are_read(folder, monkeypatch):
    monkeypatch.setattr("brainbench.benchmark.submitting.offer.MOST_VALUES", 100)
    with received(folder) as place:
        verdict = verify(place, None, silent)
    assert verdict.reasons == ["more than 100 values in its JSON files"]
    assert not verdict.records


def test_a_name_that_some_disks_take_for_an_accepted_one_is_refused(folder, tmp_path):
    board = tmp_path / "submissions"
    (board / "Jane-Spread").mkdir(parents=True)
    with received(folder) as place, pytest.raises(BadOption, match="Jane-Spread is there already"):
        accept(verify(place, None, silent), board)
    assert [path.name for path in board.rglob("*")] == ["Jane-Spread"]


def test_files_beside_the_predictions_are_not_taken_along(folder, tmp_path):
    (cell_of(folder) / "prediction" / "note.json").write_text('"hello"')
    reseal(folder)
    with received(folder) as place:
        verdict = verify(place, None, silent)
        assert verdict.accepted, verdict.reasons
        accept(verdict, tmp_path / "submissions")
    kept = [path.name for path in (tmp_path / "submissions").rglob("prediction/*")]
    assert set(kept) == {"probabilities.parquet"}


def test_a_page_that_lures_is_written_anew(folder, tmp_path):
    (folder / "README.md").write_text("# Click [here](https://example.com/evil)")
    reseal(folder)
    with received(folder) as place:
        place_of = accept(verify(place, None, silent), tmp_path / "submissions")
    assert "evil" not in (place_of / "README.md").read_text()


def test_a_leak_that_was_told_stays_told(folder, tmp_path):
    leak = {"detector": "pretraining-overlap", "level": "leak", "message": "trained on test subjects"}
    of_record(audit=[leak])(folder)
    reseal(folder)
    with received(folder) as place:
        accept(verify(place, None, silent), tmp_path / "submissions")
    ((record, _, _),) = accepted(tmp_path / "submissions")
    assert not record.ranked
    assert leak in json.loads(record.model_dump_json())["audit"]


def test_data_that_are_not_here_are_a_reason(folder, judged, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path / "empty"))
    verdict = judged(folder)
    assert "cannot be scored here: abide1 is not installed" in verdict.reasons[0]


def test_a_licence_that_is_not_open_is_told(folder, tmp_path):
    of_manifest(licence="LicenseRef-Research-Only")(folder)
    reseal(folder)
    with received(folder) as place:
        verdict = verify(place, None, silent)
        assert verdict.accepted
        assert "none of the open ones" in verdict.notes[0]
        accept(verdict, tmp_path / "submissions")
    ((_, _, acceptance),) = accepted(tmp_path / "submissions")
    assert not acceptance.open_licence
