"""ADNI and ADHD-200 tables, Athena's series, and the real phenotypic tables of ABIDE I, ABIDE II and ADHD-200."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lab_files import noted, rows_of, scans, take, write

from brainbench.benchmark.datasets.adhd200 import SCHEME
from brainbench.benchmark.datasets.adni import finer_code, months, visits
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.errors import BadData, BadOption

ADNI = (
    ["RID", "PTID", "VISCODE", "SITE", "DX_bl", "DX", "AGE", "Years_bl", "PTGENDER", "APOE4", "MMSE", "CDRSB"],
    [2, "011_S_0002", "bl", 11, "CN", "CN", 74.3, 0, "Male", 0, 28, 0],
    [2, "011_S_0002", "m12", 11, "CN", "MCI", 74.3, 1.01, "Male", 0, 26, 1],
    [3, "011_S_0003", "bl", 11, "LMCI", "MCI", 81.3, 0, "Female", 1, 24, 2],
    [3, "011_S_0003", "m24", 11, "LMCI", "Dementia", 81.3, 2, "Female", 1, 20, 5],
    [4, "022_S_0004", "bl", 22, "SMC", "CN", 67.5, 0, "Female", 2, 30, 0],
    [5, "022_S_0005", "bl", 22, "EMCI", "MCI", 70, 0, "Male", -4, 28, 1],
    [5, "022_S_0005", "m06", 22, "EMCI", "", 70, 0.5, "Male", -4, "", ""],
    [6, "022_S_0006", "bl", 22, "AD", "Dementia", 77, 0, "Female", "", 20, 4],
)


def test_adni_diagnosis_age_and_visit(tmp_path):
    names = {
        "sub-011S0002_ses-M00": ("CN", "CN", 74.3, 0),
        "sub-011S0002_ses-M12": ("MCI", "MCI", 75.31, 0),
        "sub-ADNI011S0003_ses-M000": ("MCI", "LMCI", 81.3, 1),
        "sub-011S0003_ses-m24": ("AD", "Dementia", 83.3, 1),
        "022_S_0004": ("CN", "SMC", 67.5, 2),
        "sub-022S0005_ses-bl": ("MCI", "EMCI", 70, np.nan),
        "sub-022S0005_ses-M06": ("", "", 70.5, np.nan),
        "022_S_0006": ("AD", "AD", 77, np.nan),
    }
    scans(tmp_path / "series", [*names, "sub-022S0004_ses-M60"])
    report = take("adni", tmp_path / "series", write(tmp_path / "ADNIMERGE.csv", *ADNI))
    found = rows_of(report)
    assert report.left_out == {
        "sub-022S0004_ses-M60": "no row of session 'M60' in ADNIMERGE.csv; it has: bl",
    }
    for name, (diagnosis, code, age, e4) in names.items():
        row = found.loc[name]
        assert tuple(row[["diagnosis", "diagnosis_code"]].fillna("")) == (diagnosis, code), name
        assert row["age"] == pytest.approx(age)
        assert row["apoe4"] == e4 or np.isnan([row["apoe4"], e4]).all()
    assert found.loc["022_S_0006", "site"] == "22"
    assert found["subject"].nunique() == 5
    assert set(found["sex"]) == {"male", "female"}
    assert not {"MMSE", "CDRSB", "mmse", "cdrsb"} & set(found.columns)
    assert noted(report, "ages at the visit: column 'AGE' (at baseline) plus 'Years_bl'")
    assert noted(report, "TR of 8 scans is not known")


def test_adni_codes_and_visits():
    assert [finer_code(*pair) for pair in (("CN", "SMC"), ("MCI", "CN"), ("MCI", ""), ("", "LMCI"))] == [
        "SMC",
        "MCI",
        "MCI",
        "LMCI",
    ]
    assert [months(label) for label in ("bl", "M012", "y2", "init", "v03")] == [0, 12, 24, 0, None]
    assert visits({"bl", "M006", "y1", "v03"}) == {"bl": "bl", "M006": "m06", "y1": "m12", "v03": "v03"}


def test_adni_list_of_images_with_groups(tmp_path):
    scans(tmp_path / "series", ["011_S_0002", "011_S_0003"])
    table = write(
        tmp_path / "t.csv",
        ["Subject", "Group", "Sex", "Age"],
        ["011_S_0002", "SMC", "M", 70],
        ["011_S_0003", "X", "F", 71],
    )
    with pytest.raises(BadData, match="unknown codes X; known are") as caught:
        take("adni", tmp_path / "series", table)
    assert "VALUE such as AD, CN, MCI" in caught.value.hint
    found = rows_of(take("adni", tmp_path / "series", table, codes={"diagnosis": {"X": "n/a"}}))
    assert found["diagnosis"].fillna("").tolist() == ["CN", ""]
    assert found["age"].tolist() == [70, 71]
    with pytest.raises(BadData, match="apoe4 of 3, which is not within 0 to 2"):
        take("adni", tmp_path / "series", write(tmp_path / "e.csv", ["PTID", "DX", "APOE4"], ["011_S_0002", "CN", 3]))


ADHD = (
    ["ScanDir.ID", "Site", "Gender", "Age", "DX", "QC_Athena", "QC_NIAK"],
    [10001, 5, 0, 11.2, 3, 1, 0],
    [10002, 1, 1, 13.2, 0, 0, 1],
    [10003, 2, "", -999, "pending", 1, 1],
    [10004, 8, 1, 9.0, 2, "", ""],
    [10005, 4, 1, 9.5, 1, 1, 1],
)


def athena(folder: Path, subject: int, prefix: str = "sfnwmrda", run: int = 1, frames: int = 60) -> Path:
    """A series as AFNI's 3dROIstats writes it."""
    name = f"{prefix}{subject:07d}_session_1_rest_{run}_cc200_TCs.1D"
    path = folder / f"{subject:07d}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng([subject, run, len(prefix)]).normal(size=(frames, 3))
    lines = ["File\tSub-brick\tMean_1\tMean_2\tMean_5"]
    image = name.replace("_cc200_TCs.1D", ".nii.gz")
    lines += ["\t".join([image, f"{k}[?]", *(f"{x:.6f}" for x in row)]) for k, row in enumerate(values)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_athena_series_and_the_rules_of_adhd200(tmp_path):
    write(tmp_path / "pheno.csv", *ADHD)
    for subject in range(10001, 10006):
        athena(tmp_path / "NYU", subject)
    path = athena(tmp_path / "NYU", 10001, run=2)
    report = import_cohort("adhd200", tmp_path)
    assert report.format == "athena-1d"
    found = rows_of(report)
    assert list(found.index) == [
        "0010001_session_1_rest_1",
        "0010001_session_1_rest_2",
        "0010004_session_1_rest_1",
        "0010005_session_1_rest_1",
    ]
    assert report.left_out == {
        "0010002_session_1_rest_1": "failed quality control: column 'QC_Athena' is 0",
        "0010003_session_1_rest_1": "the diagnosis is not given: column 'DX' is pending",
    }
    assert noted(report, "1 scans left out by rule: failed quality control")
    rules = report.cohort.manifest.importer["rules"]
    assert "scans whose 'qc' is 0 are left out: failed quality control" in rules
    assert found["subject"].tolist() == ["10001", "10001", "10004", "10005"]
    assert found["diagnosis"].tolist() == ["ADHD"] * 4
    assert found["adhd_type"].tolist() == ["inattentive", "inattentive", "hyperactive", "combined"]
    assert found["site"].tolist() == ["NYU", "NYU", "WashU", "NeuroIMAGE"]
    assert found["tr"].tolist() == [2.0, 2.0, 2.5, 1.96]
    assert found["sex"].tolist() == ["female", "female", "male", "male"]
    atlas = report.cohort.manifest.atlas
    assert (atlas["name"], atlas["labels"]) == ("adhd200-cc200", ["1", "2", "5"])
    wanted = pd.read_csv(path, sep="\t").iloc[:, 2:].to_numpy()
    np.testing.assert_allclose(report.cohort.items().read("series", 1), wanted, atol=1e-5)


def test_adhd200_rules_can_be_changed(tmp_path):
    write(tmp_path / "pheno.csv", *ADHD)
    for subject in range(10001, 10006):
        athena(tmp_path, subject)
    niak = import_cohort("adhd200", tmp_path, options=Options(columns={"qc": "QC_NIAK"}))
    assert sorted(niak.left_out) == ["0010001_session_1_rest_1", "0010003_session_1_rest_1"]
    kept = import_cohort(
        "adhd200", tmp_path, options=Options(codes={"qc": {"0": "kept"}, "diagnosis": {"pending": "n/a"}})
    )
    assert kept.left_out == {}
    row = rows_of(kept).loc["0010003_session_1_rest_1"]
    assert (row["sex"], row["site"], row["tr"]) == ("", "Brown", 2.0)
    assert row[["age", "diagnosis", "adhd_type"]].isna().all()


def test_athena_filter(tmp_path):
    write(tmp_path / "pheno.csv", *ADHD)
    for prefix in ("sfnwmrda", "snwmrda"):
        athena(tmp_path, 10001, prefix)
        athena(tmp_path, 10005, prefix)
    filtered = import_cohort("adhd200", tmp_path)
    assert filtered.cohort.manifest.scans == 2
    assert noted(filtered, "band-pass filtered series of the Athena pipeline")
    raw = import_cohort("adhd200", tmp_path, options=Options(select={"filter": "no"}))
    assert noted(raw, "unfiltered series")
    assert raw.cohort.manifest.fingerprint != filtered.cohort.manifest.fingerprint
    with pytest.raises(BadOption, match="differ by filter only"):
        import_cohort("adhd200", tmp_path, options=Options(select={"task": "rest"}))
    for path in tmp_path.rglob("sfnwmrda*"):
        path.unlink()
    with pytest.raises(BadOption, match="no filtered series here"):
        import_cohort("adhd200", tmp_path, options=Options(select={"filter": "yes"}))
    with pytest.raises(BadOption, match="no files of atlas 'aal'; there are: adhd200-cc200"):
        import_cohort("adhd200", tmp_path, options=Options(atlas="aal"))


def test_adhd200_tables_of_single_sites(tmp_path):
    columns = ["ScanDir ID", "Site", "Gender", "Age", "DX", "QC_Rest_1", "QC_Rest_2"]
    table = write(
        tmp_path / "KKI_phenotypic.csv",
        columns,
        [1018959, 3, 0, 12.36, 0, 0, 1],
        [1019436, 3, 1, 12.98, 3, 0, 0],
        [1043241, 3, 1, 9.12, 0, "N/A", "N/A"],
    )
    scans(tmp_path / "series", ["1018959", "1019436", "1043241"])
    report = take("adhd200", tmp_path / "series", table)
    assert report.left_out == {"1019436": "failed quality control: column 'qc_rest' is 0"}
    assert set(rows_of(report)["site"]) == {"KKI"}
    scans(tmp_path / "one", ["1019436"])
    with pytest.raises(BadData, match="no scan is left to import: 1019436: failed quality control") as caught:
        take("adhd200", tmp_path / "one", table)
    assert "--code qc:0=kept" in caught.value.hint


def test_real_adhd200_table(shared, tmp_path):
    file = shared / "phenotypes" / "adhd200_preprocessed_phenotypics.csv"
    rows = pd.read_csv(file, dtype=str)
    scans(tmp_path, [f"{int(subject):07d}" for subject in rows["ScanDir.ID"]])
    kept = take("adhd200", tmp_path, file, codes={"qc": {"0": "kept"}})
    found = rows_of(kept)
    assert (kept.left_out, kept.rows_without_scan) == ({}, [])
    assert found["adhd_type"].value_counts().to_dict() == {
        "control": 487,
        "combined": 161,
        "inattentive": 111,
        "hyperactive": 11,
    }
    assert found["diagnosis"].value_counts().to_dict() == {"control": 487, "ADHD": 283}
    assert found["sex"].value_counts().to_dict() == {"male": 479, "female": 290, "": 1}
    sites = {"NYU": 219, "Peking": 194, "Pittsburgh": 89, "KKI": 83, "OHSU": 77, "WashU": 60, "NeuroIMAGE": 48}
    assert found["site"].value_counts().to_dict() == sites
    assert found.groupby("site")["tr"].unique().map(list).to_dict() == {site: [SCHEME.site_tr[site]] for site in sites}
    default = take("adhd200", tmp_path, file)
    failed = rows["QC_Athena"] == "0"
    assert len(default.left_out) == failed.sum() == 51
    assert noted(default, "51 scans left out by rule: failed quality control: column 'QC_Athena' is 0")
    assert rows_of(default)["diagnosis"].value_counts().to_dict() == {
        "control": int((rows["DX"][~failed] == "0").sum()),
        "ADHD": int((rows["DX"][~failed] != "0").sum()),
    }


@pytest.mark.parametrize(
    ("dataset", "file", "diagnosis", "sex", "sites"),
    [
        (
            "abide1",
            "ABIDE1_Phenotypic_V1_0b.csv",
            {"control": 573, "autism": 539},
            {"male": 948, "female": 164},
            20,
        ),
        (
            "abide2",
            "ABIDEII_Composite_Phenotypic.csv",
            {"control": 593, "autism": 521},
            {"male": 856, "female": 258},
            19,
        ),
    ],
)
def test_real_abide_tables(shared, tmp_path, dataset, file, diagnosis, sex, sites):
    table = shared / "phenotypes" / file
    rows = pd.read_csv(table, dtype=str, encoding="latin1")
    scans(tmp_path, [f"sub-{subject}_task-rest" for subject in rows["SUB_ID"]])
    report = take(dataset, tmp_path, table)
    found = rows_of(report)
    assert (report.left_out, report.rows_without_scan) == ({}, [])
    assert found["diagnosis"].value_counts().to_dict() == diagnosis
    assert found["sex"].value_counts().to_dict() == sex
    assert found["site"].nunique() == sites
    ages = pd.to_numeric(rows[next(name for name in rows if name.strip() == "AGE_AT_SCAN")])
    assert found["age"].sum() == pytest.approx(ages[ages > 0].sum())
    assert found["subject"].is_unique
