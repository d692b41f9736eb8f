"""BIDS derivatives: names, side-cars, motion, sessions, and choices among versions."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainbench.benchmark.datasets.bids_names import IDENTITY, Tree, parse
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.errors import BadData, BadOption

LABELS = ["LH_Vis_1", "LH_SomMot_1", "RH_Default_1", "RH_Cont_1"]
XCPD = "space-MNI152NLin2009cAsym_seg-4S456Parcels_stat-mean"
DX = Options(columns={"diagnosis": "dx"}, codes={"diagnosis": {"1": "autism", "2": "control"}})


def series(seed: int, frames: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, len(LABELS)))


def write(folder: Path, stem: str, seed: int, tail: str = XCPD, labels: list[str] = LABELS) -> Path:
    parts = dict(part.split("-", 1) for part in stem.split("_"))
    place = folder / f"sub-{parts['sub']}" / (f"ses-{parts['ses']}" if "ses" in parts else "") / "func"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{stem}_{tail}_timeseries.tsv"
    pd.DataFrame(series(seed), columns=labels).to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def participants(folder: Path, text: str) -> None:
    (folder / "participants.tsv").write_text(text.replace(" ", "\t"))


def study(folder: Path, subjects: int = 4) -> None:
    """XCP-D's layout: one rest scan a subject, TR in an inherited side-car, motion beside it."""
    for k in range(1, subjects + 1):
        path = write(folder, f"sub-{k:02d}_task-rest", k)
        fd = "\n".join(["n/a", "0.1", "0.3", "0.2"])
        (path.parent / f"sub-{k:02d}_task-rest_motion.tsv").write_text(f"framewise_displacement\n{fd}\n")
    (folder / "task-rest_bold.json").write_text('{"RepetitionTime": 0.8}')
    rows = "".join(f"sub-{k:02d} {1 + k % 2} {20 + k} {'MF'[k % 2]} A\n" for k in range(1, subjects + 1))
    participants(folder, "participant_id dx age sex site\n" + rows)


def test_xcpd_layout(tmp_path):
    study(tmp_path)
    report = import_cohort("own", tmp_path, name="lab", options=DX)
    assert (report.format, report.left_out) == ("bids", {})
    manifest = report.cohort.manifest
    assert (manifest.atlas["name"], manifest.atlas["labels"]) == ("4S456Parcels", LABELS)
    assert manifest.atlas["networks"] == ["Vis", "SomMot", "Default", "Cont"]
    table = report.cohort.scans()
    assert list(table.index) == [f"sub-0{k}_task-rest" for k in range(1, 5)]
    first = table.iloc[0]
    assert (first["subject"], first["tr"], first["age"], first["sex"], first["site"]) == ("1", 0.8, 21, "female", "A")
    assert first["motion"] == pytest.approx(0.2)
    assert list(table["diagnosis"]) == ["control", "autism", "control", "autism"]
    np.testing.assert_allclose(report.cohort.items().read("series", 2), series(3), rtol=1e-5)


def test_nearest_sidecar_wins(tmp_path):
    study(tmp_path)
    own = tmp_path / "sub-02" / "func" / f"sub-02_task-rest_{XCPD}_timeseries.json"
    own.write_text(json.dumps({"SamplingFrequency": 0.5}))
    (tmp_path / "sub-03" / "sub-03_task-rest_bold.json").write_text('{"RepetitionTime": 1.25}')
    (tmp_path / "sub-04" / "sub-04_task-nback_bold.json").write_text('{"RepetitionTime": 9}')
    (tmp_path / "sub-04" / "func" / "sub-04_task-rest_bold.json").write_text("[1, 2")
    table = import_cohort("own", tmp_path, name="lab").cohort.scans()
    assert list(table["tr"]) == [0.8, 2.0, 1.25, 0.8]


def test_unknown_tr_is_nan_and_said(tmp_path):
    study(tmp_path)
    (tmp_path / "task-rest_bold.json").unlink()
    report = import_cohort("own", tmp_path, name="lab")
    assert report.cohort.scans()["tr"].isna().all()
    assert any("TR of 4 scans is not known" in note for note in report.notes)


def test_fmriprep_confounds_are_no_series(tmp_path):
    study(tmp_path)
    confounds = tmp_path / "sub-01" / "func" / "sub-01_task-rest_desc-confounds_timeseries.tsv"
    confounds.write_text("csf\tframewise_displacement\n1\tn/a\n2\t0.5\n3\t0.7\n")
    (confounds.parent / "sub-01_task-rest_motion.tsv").unlink()
    table = import_cohort("own", tmp_path, name="lab").cohort.scans()
    assert len(table) == 4
    assert table["motion"].iloc[0] == pytest.approx(0.6)


def test_sessions_are_grouped_by_subject_and_take_their_row(tmp_path):
    for session in ("1", "2"):
        write(tmp_path, f"sub-01_ses-{session}_task-rest", int(session))
    write(tmp_path, "sub-02_ses-1_task-rest", 9)
    participants(tmp_path, "participant_id dx age\nsub-01 1 20\nsub-02 2 n/a\n")
    (tmp_path / "sub-01" / "sub-01_sessions.tsv").write_text(
        "session_id\tage\tscore\nses-1\t20.5\t3\nses-2\t21.5\tn/a\n"
    )
    options = Options(columns={**DX.columns, "score": "score"}, codes=DX.codes)
    table = import_cohort("own", tmp_path, name="lab", options=options).cohort.scans()
    assert list(table["subject"]) == ["1", "1", "2"]
    assert list(table["session"]) == ["1", "2", "1"]
    assert table["age"].tolist()[:2] == [20.5, 21.5]
    assert math.isnan(table["age"].iloc[2])
    assert table["score"].iloc[0] == 3
    assert table["score"].isna().tolist() == [False, True, True]


def test_several_atlases(tmp_path):
    study(tmp_path)
    for k in range(1, 5):
        write(tmp_path, f"sub-{k:02d}_task-rest", k, "atlas-Gordon", ["a", "b", "c", "d"])
    with pytest.raises(BadOption, match="several atlases: 4S456Parcels, Gordon"):
        import_cohort("own", tmp_path, name="lab")
    report = import_cohort("own", tmp_path, name="lab", options=Options(atlas="gordon"))
    assert report.cohort.manifest.atlas["name"] == "Gordon"


def test_versions_of_one_recording(tmp_path):
    study(tmp_path)
    write(tmp_path, "sub-01_task-rest", 1, XCPD.replace("2009cAsym", "6Asym"))
    with pytest.raises(BadData, match="2 versions of one recording") as caught:
        import_cohort("own", tmp_path, name="lab")
    assert "--select space=MNI152NLin6Asym" in caught.value.hint
    options = Options(select={"space": "MNI152NLin2009cAsym"})
    assert import_cohort("own", tmp_path, name="lab", options=options).cohort.manifest.scans == 4


def test_selecting_a_task(tmp_path):
    study(tmp_path)
    write(tmp_path, "sub-01_task-nback", 7)
    report = import_cohort("own", tmp_path, name="lab")
    assert report.cohort.manifest.scans == 5
    assert any("several tasks: nback, rest" in note for note in report.notes)
    assert (
        import_cohort("own", tmp_path, name="lab", options=Options(select={"task": "rest"})).cohort.manifest.scans == 4
    )
    with pytest.raises(BadData, match="no file has task-sleep; values of 'task': nback, rest"):
        import_cohort("own", tmp_path, name="lab", options=Options(select={"task": "sleep"}))


def test_columns_in_another_order_are_not_mixed_up(tmp_path):
    study(tmp_path, subjects=12)
    write(tmp_path, "sub-05_task-rest", 5, labels=LABELS[::-1])
    report = import_cohort("own", tmp_path, name="lab")
    assert report.left_out == {"sub-05_task-rest": "other ROI labels than the other scans"}


def test_censored_roi_is_flagged(tmp_path):
    study(tmp_path)
    path = tmp_path / "sub-01" / "func" / f"sub-01_task-rest_{XCPD}_timeseries.tsv"
    frame = pd.read_csv(path, sep="\t")
    frame["RH_Cont_1"] = np.nan
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")
    assert import_cohort("own", tmp_path, name="lab").flags == {"sub-01_task-rest": "nan-rois:1"}


def test_subject_without_a_row(tmp_path):
    study(tmp_path)
    write(tmp_path, "sub-09_task-rest", 9)
    report = import_cohort("own", tmp_path, name="lab")
    assert report.left_out == {"sub-09_task-rest": "no row in participants.tsv"}


def test_atlas_table_gives_networks(tmp_path):
    for k in (1, 2):
        write(tmp_path, f"sub-0{k}_task-rest", k, "atlas-X", ["a", "b", "c", "d"])
    participants(tmp_path, "participant_id site\nsub-01 A\nsub-02 A\n")
    table = tmp_path / "x.tsv"
    table.write_text("label\tnetwork\nd\tN4\nb\tN2\na\tN1\nc\tn/a\n")
    options = Options(atlas_table=table)
    atlas = import_cohort("own", tmp_path, name="lab", options=options).cohort.manifest.atlas
    assert (atlas["labels"], atlas["networks"]) == (["a", "b", "c", "d"], ["N1", "N2", "Unknown", "N4"])
    table.write_text("label\tnetwork\na\tN1\n")
    with pytest.raises(BadData, match="1 rows for 4 ROIs"):
        import_cohort("own", tmp_path, name="lab", options=options)


def test_abide2_with_its_composite_table(tmp_path, shared):
    table = shared / "phenotypes" / "ABIDEII_Composite_Phenotypic.csv"
    if not table.is_file():
        pytest.skip("no ABIDE II table among the real data")
    for k, subject in enumerate(("29006", "29007", "28675")):
        write(tmp_path, f"sub-{subject}_ses-1_task-rest_run-1", k)
    report = import_cohort("abide2", tmp_path, options=Options(participants=table))
    found = report.cohort.scans()
    assert list(found["subject"]) == ["28675", "29006", "29007"]
    assert set(found["diagnosis"]) <= {"autism", "control"}
    assert found["age"].notna().all()
    assert found["site"].str.startswith("ABIDEII-").all()
    assert report.cohort.manifest.name == "abide2"


LABEL = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789", min_size=1, max_size=8)


@given(
    st.dictionaries(st.sampled_from([*IDENTITY, "space", "seg", "desc", "res"]), LABEL),
    st.sampled_from(["timeseries", "bold", "motion"]),
    st.sampled_from([".tsv", ".nii.gz", ".json"]),
)
def test_names_survive_parsing(entities, suffix, extension):
    text = "_".join([*(f"{key}-{value}" for key, value in entities.items()), suffix]) + extension
    name = parse(text)
    assert (name.entities, name.suffix, name.extension) == (entities, suffix, extension)
    assert parse(f"{name.identity}_bold.nii").identity == name.identity


@given(st.text(max_size=40))
def test_any_name_can_be_taken_apart(text):
    name = parse(text)
    assert all(name.entities.values())


def test_motion_of_an_unreadable_table_is_unknown(tmp_path):
    study(tmp_path)
    (tmp_path / "sub-01" / "func" / "sub-01_task-rest_motion.tsv").write_bytes(b"")
    table = import_cohort("own", tmp_path, name="lab").cohort.scans()
    assert math.isnan(table["motion"].iloc[0])
    assert Tree.walk(tmp_path).files
