"""Tables of UK Biobank, HCP, HCP-Aging and ABCD, in the layouts that their data dictionaries document."""

from __future__ import annotations

import math

import pytest
from lab_files import noted, rows_of, scans, take, write

from brainbench.benchmark import home
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.datasets.merge import read_joined
from brainbench.benchmark.datasets.scheme import OWN
from brainbench.benchmark.datasets.ukb import instances
from brainbench.benchmark.errors import BadData, BadOption

UKB = (
    ["eid", "31-0.0", "21003-2.0", "21003-3.0", "20016-2.0", "20016-3.0", "54-2.0", "54-3.0", "25741-2.0", "25741-3.0"],
    [1000001, 0, 60, 63, 7, 8, 11025, 11027, 0.10, 0.2],
    [1000002, 1, 70, "", "", "", 11026, "", "", ""],
    [1000003, 1, 55, 58, 4, "", 11028, 11028, 0.3, 0.4],
)


def respelled(spell: str) -> list[str]:
    """UKB's columns as the R conversion (``f``) or the Research Analysis Platform (``p``) call them."""
    names = []
    for name in UKB[0][1:]:
        field, _, instance = name.partition("-")
        instance = instance[0]
        once = f"{spell}{field}" if spell.endswith("p") and field == "31" else f"{spell}{field}_i{instance}"
        names.append(f"f.{field}.{instance}.0" if spell == "f" else once)
    return ["f.eid" if spell == "f" else "participant.eid" if "." in spell else "eid", *names]


@pytest.mark.parametrize("spell", ["", "f", "p", "participant.p"])
@pytest.mark.parametrize(("first", "second"), [("01", "02"), ("2", "3"), ("1", "2")])
def test_ukb_sessions_choose_the_instance(tmp_path, spell, first, second):
    columns = respelled(spell) if spell else UKB[0]
    table = write(tmp_path / "fields.csv", columns, *UKB[1:])
    names = [f"sub-1000001_ses-{first}", f"sub-1000001_ses-{second}", f"sub-1000002_ses-{first}"]
    scans(tmp_path / "series", [*names, f"sub-1000002_ses-{second}", f"sub-1000003_ses-{second}"])
    report = take("ukb", tmp_path / "series", table)
    found = rows_of(report)
    assert found.index.tolist() == sorted([*names, f"sub-1000003_ses-{second}"])
    assert list(report.left_out) == [f"sub-1000002_ses-{second}"]
    assert f"no row of session {second!r}" in report.left_out[f"sub-1000002_ses-{second}"]
    assert found.loc[names, "age"].tolist() == [60, 63, 70]
    assert found.loc[names, "sex"].tolist() == ["female", "female", "male"]
    assert found.loc[names, "site"].tolist() == ["Cheadle", "Newcastle", "Reading"]
    assert found.loc[names, "motion"].tolist()[:2] == [0.1, 0.2]
    assert found.loc[names, "fluid"].tolist()[:2] == [7, 8]
    assert math.isnan(found.loc[names[2], "fluid"])
    assert math.isnan(found.loc[f"sub-1000003_ses-{second}", "fluid"])
    assert found["subject"].nunique() == 3
    assert set(found["tr"]) == {0.735}
    assert noted(report, "TR of 4 scans taken to be 0.735 s")


def test_ukb_scans_without_a_session_are_of_the_first_visit(tmp_path):
    table = write(tmp_path / "fields.csv", *UKB)
    scans(tmp_path / "series", ["1000001", "1000002"])
    report = take("ukb", tmp_path / "series", table)
    assert rows_of(report)["age"].tolist() == [60, 70]
    assert rows_of(report)["fluid"].dtype == float
    assert noted(report, "2 scans name no session: taken for '2'")
    assert noted(report, "2 of 3 people have values of the repeat imaging visit")


def test_ukb_table_in_the_folder_is_found_and_is_no_series(tmp_path):
    write(tmp_path / "fields.csv", *UKB)
    scans(tmp_path, ["1000001", "1000002"])
    report = import_cohort("ukb", tmp_path)
    assert report.left_out == {}
    assert report.rows_without_scan == ["1000003 (session 2)", "1000001 (session 3)", "1000003 (session 3)"]
    assert report.recognised == "2 files of series, such as 1000001.npy"


def test_ukb_names_of_bulk_files(tmp_path):
    scans(tmp_path / "series", ["1000001_20227_2_0", "1000001_20227_3_0"])
    found = rows_of(take("ukb", tmp_path / "series", write(tmp_path / "fields.csv", *UKB)))
    assert (found["age"].tolist(), found["session"].tolist()) == ([60, 63], ["2", "3"])


def test_ukb_instances():
    assert instances({"2", "3"}) == {"2": "2", "3": "3"}
    assert instances({"2"}) == {"2": "2"}
    assert instances({"02"}) == {"02": "3"}
    assert instances({"02", "03"}) == {"02": "2", "03": "3"}
    assert instances({"rest"}) == {"rest": "rest"}


def test_ukb_mistakes(tmp_path):
    scans(tmp_path / "series", ["1000001", "1000002", "1000003"])
    wrong = write(tmp_path / "hcp.csv", ["Subject", "Gender"], [100307, "F"])
    with pytest.raises(BadData, match=r"hcp.csv: no column 31-0.0 or f.31.0.0 or p31_i0 .* it has: Subject, Gender"):
        take("ukb", tmp_path / "series", wrong)
    none = write(tmp_path / "ids.csv", ["who", "31-0.0"], [1000001, 0])
    with pytest.raises(BadData, match=r"no column with ids; it has: who, 31-0\.0"):
        take("ukb", tmp_path / "series", none)
    rows = [list(row) for row in UKB[1:]]
    rows[0][6] = 11011
    code = write(tmp_path / "code.csv", UKB[0], *rows)
    with pytest.raises(BadData, match=r"column '54-2\.0': unknown codes 11011") as caught:
        take("ukb", tmp_path / "series", code)
    assert "--code 'site:11011=VALUE'" in caught.value.hint
    with pytest.raises(BadOption, match="'Bristl' is no value of 'site'"):
        take("ukb", tmp_path / "series", code, codes={"site": {"11011": "Bristl"}})
    assert take("ukb", tmp_path / "series", code, codes={"site": {"11011": "Bristol"}}).left_out == {}
    rows[0][6], rows[0][4] = 11025, 71
    high = write(tmp_path / "high.csv", UKB[0], *rows)
    with pytest.raises(BadData, match="fluid of 71, which is not within 0 to 13") as caught:
        take("ukb", tmp_path / "series", high)
    assert "--column fluid=COLUMN" in caught.value.hint
    twice = write(tmp_path / "twice.csv", *UKB, [1000001, 1, 60, 63, 7, 8, 11025, 11027, 0.1, 0.2])
    report = take("ukb", tmp_path / "series", twice)
    assert report.left_out == {"1000001": "2 rows in twice.csv that disagree"}


OPEN = (
    ["Subject", "Gender", "Age", "CogFluidComp_AgeAdj", "Flanker_AgeAdj"],
    [100307, "F", "26-30", 101.5, 110.2],
    [100408, "M", "31-35", "", 95.0],
)
RESTRICTED = (
    ["Subject", "Age_in_Yrs", "Family_ID", "Mother_ID"],
    [100408, 33, "51529_81904", 51529],
    [100307, 27, "51488_81149", 51488],
    [999999, 30, "1_2", 1],
)
RUNS = [f"{subject}_REST{k}_{way}" for subject in (100307, 100408) for k in (1, 2) for way in ("LR", "RL")]


def test_hcp_runs_are_sessions_of_a_subject(tmp_path):
    scans(tmp_path / "series", RUNS)
    tables = write(tmp_path / "open.csv", *OPEN), write(tmp_path / "restricted.csv", *RESTRICTED)
    report = take("hcp", tmp_path / "series", *tables)
    found = rows_of(report)
    assert found.index.tolist() == RUNS
    assert found["subject"].tolist() == ["100307"] * 4 + ["100408"] * 4
    assert found["session"].tolist() == ["REST1_LR", "REST1_RL", "REST2_LR", "REST2_RL"] * 2
    assert (found["age"].tolist()[::4], set(found["tr"])) == ([27, 33], {0.72})
    assert found["family"].tolist()[::4] == ["51488_81149", "51529_81904"]
    assert found["sex"].tolist()[::4] == ["female", "male"]
    assert found["fluid_composite"].iloc[0] == 101.5
    assert math.isnan(found["fluid_composite"].iloc[4])
    assert found["flanker"].tolist()[::4] == [110.2, 95.0]
    assert not noted(report, "warning: families")
    assert report.cohort.items().table["group"].nunique() == 2
    assert report.rows_without_scan == ["999999"]


def test_hcp_open_table_has_no_ages_and_no_families(tmp_path):
    scans(tmp_path / "series", ["sub-100307_ses-REST1LR", "sub-100408_task-REST1_acq-RL"])
    report = take("hcp", tmp_path / "series", write(tmp_path / "open.csv", *OPEN))
    found = rows_of(report)
    assert found["age"].isna().all()
    assert found["session"].tolist() == ["REST1LR", "REST1_RL"]
    assert noted(report, "ages are not known: column 'Age' holds bands of years")
    assert noted(report, "warning: families are not known")
    own = write(tmp_path / "p.tsv", ["participant_id", "sex", "age"], ["sub-100307", "F", 27], ["sub-100408", "M", 31])
    assert rows_of(take("hcp", tmp_path / "series", own))["age"].tolist() == [27, 31]
    by_mother = write(tmp_path / "m.csv", ["Subject", "Mother_ID"], [100307, 51488], [100408, 51488])
    again = take("hcp", tmp_path / "series", write(tmp_path / "open.csv", *OPEN), by_mother)
    assert set(rows_of(again)["family"]) == {"51488"}


COGNITION = (
    ["collection_id", "subjectkey", "src_subject_id", "interview_age", "sex", "nih_fluidcogcomp_ageadjusted"],
    [
        "collection_id",
        "The NDAR GUID",
        "Subject ID of the lab",
        "Age in months at the interview",
        "Sex at birth",
        "Age",
    ],
    [2847, "NDAR_A", "HCA6002236", 540, "F", 99],
    [2847, "NDAR_B", "HCA6010538", 1200, "M", ""],
)
FLANKER = (
    ["subjectkey", "src_subject_id", "interview_age", "sex", "nih_flanker_ageadjusted", "site"],
    ["The NDAR GUID", "Subject ID of the lab", "Age in months", "Sex", "NIH Toolbox score", "Site"],
    ["NDAR_B", "HCA6010538", 1200, "M", 87.5, "UMinn"],
    ["NDAR_A", "HCA6002236", 541, "F", 120, "MGH"],
)


def test_hcp_aging_tables_of_the_archive(tmp_path):
    scans(tmp_path / "series", ["HCA6002236_V1_MR", "sub-HCA6010538_ses-V1"])
    tables = [
        write(tmp_path / "cogcomp01.txt", *COGNITION, sep="\t"),
        write(tmp_path / "flanker01.txt", *FLANKER, sep="\t"),
    ]
    report = take("hcp-aging", tmp_path / "series", *tables)
    found = rows_of(report)
    assert (found["subject"].tolist(), found["age"].tolist()) == (["HCA6002236", "HCA6010538"], [45.0, 100.0])
    assert (found["sex"].tolist(), found["site"].tolist()) == (["female", "male"], ["MGH", "UMinn"])
    assert (found["flanker"].tolist(), found["fluid_composite"].iloc[0]) == ([120, 87.5], 99)
    assert math.isnan(found["fluid_composite"].iloc[1])
    assert set(found["tr"]) == {0.8}
    assert noted(report, "age in years from the months of column 'interview_age'")
    assert report.cohort.manifest.importer["participants"].endswith("flanker01.txt")


def test_months_and_years_are_told_apart(tmp_path):
    scans(tmp_path / "series", ["HCA6002236_V1_MR"])
    months = write(tmp_path / "m.csv", ["src_subject_id", "age", "sex"], ["HCA6002236", 540, "F"])
    with pytest.raises(BadData, match=r"column 'age': age of 540, which is not within 30 to 110") as caught:
        take("hcp-aging", tmp_path / "series", months)
    assert "interview_age is taken as months" in caught.value.hint
    years = write(tmp_path / "y.csv", ["src_subject_id", "interview_age", "sex"], ["HCA6002236", 45, "F"])
    with pytest.raises(BadData, match=r"age of 3\.75, which"):
        take("hcp-aging", tmp_path / "series", years)
    own = write(tmp_path / "o.csv", ["subject", "age"], ["HCA6002236_V1_MR", 540])
    with pytest.raises(BadData, match="age of 540, which is not within 0 to 130"):
        take("own", tmp_path / "series", own)


ABCD = (
    ["src_subject_id", "eventname", "interview_age", "sex", "site_id_l", "rel_family_id"],
    ["NDAR_INV00000AB1", "baseline_year_1_arm_1", 120, "F", "site06", 17],
    ["NDAR_INV00000AB1", "2_year_follow_up_y_arm_1", 144, "F", "site06", 17],
    ["NDAR_INV00000AB2", "baseline_year_1_arm_1", 114, "M", "site02", 17],
    ["NDAR_INV00000AB3", "baseline_year_1_arm_1", 117, "M", "site02", 18],
)
TOOLBOX = (
    ["subjectkey", "src_subject_id", "eventname", "nihtbx_fluidcomp_agecorrected", "nihtbx_flanker_agecorrected"],
    ["GUID", "Subject ID", "The event name", "Age corrected", "Age corrected"],
    ["NDAR_INV00000AB1", "NDAR_INV00000AB1", "baseline_year_1_arm_1", 92, 88],
    ["NDAR_INV00000AB1", "NDAR_INV00000AB1", "2_year_follow_up_y_arm_1", "", 91],
    ["NDAR_INV00000AB2", "NDAR_INV00000AB2", "baseline_year_1_arm_1", 105, 110],
)
IMAGING = (
    ["src_subject_id", "eventname", "rsfmri_c_ngd_meanmotion", "imgincl_rsfmri_include"],
    ["NDAR_INV00000AB1", "baseline_year_1_arm_1", 0.2, 1],
    ["NDAR_INV00000AB2", "baseline_year_1_arm_1", 0.4, 1],
    ["NDAR_INV00000AB3", "baseline_year_1_arm_1", 1.9, 0],
)


def test_abcd_tables_are_joined_by_child_and_event(tmp_path):
    names = [
        "sub-NDARINV00000AB1_ses-2YearFollowUpYArm1",
        "sub-NDARINV00000AB1_ses-baselineYear1Arm1",
        "sub-NDARINV00000AB2_ses-00A",
        "sub-NDARINV00000AB3_ses-00A",
    ]
    scans(tmp_path / "series", names)
    tables = [
        write(tmp_path / "general.csv", *ABCD),
        write(tmp_path / "abcd_tbss01.txt", *TOOLBOX, sep="\t"),
        write(tmp_path / "imaging.csv", *IMAGING),
    ]
    report = take("abcd", tmp_path / "series", *tables)
    found = rows_of(report)
    assert list(found.index) == names[:3]
    reason = "not recommended for use by the study: column 'imgincl_rsfmri_include' is 0"
    assert report.left_out == {names[3]: reason}
    assert noted(report, f"1 scans left out by rule: {reason}")
    assert found["subject"].tolist() == ["NDARINV00000AB1"] * 2 + ["NDARINV00000AB2"]
    assert found["age"].tolist() == [12.0, 10.0, 9.5]
    assert found["flanker"].tolist() == [91, 88, 110]
    assert math.isnan(found["fluid_composite"].iloc[0])
    assert found["motion"].tolist()[1:] == [0.2, 0.4]
    assert set(found["family"]) == {"17"}
    assert report.cohort.items().table["group"].nunique() == 1
    assert set(found["tr"]) == {0.8}
    assert "qc" not in found


def test_abcd_ages_of_a_column_in_months(tmp_path):
    scans(tmp_path / "series", ["NDAR_INV00000AB1_rest"])
    table = write(tmp_path / "t.csv", ["subjectkey", "sex", "age"], ["NDAR_INV00000AB1", "F", 120])
    with pytest.raises(BadData, match="age of 120, which is not within 5 to 25"):
        take("abcd", tmp_path / "series", table)
    table = write(tmp_path / "t.csv", ["subjectkey", "sex", "interview_age"], ["NDAR_INV00000AB1", "F", 120])
    report = take("abcd", tmp_path / "series", table)
    assert rows_of(report)["age"].tolist() == [10.0]
    assert noted(report, "warning: families are not known")


def test_tables_that_cannot_be_joined(tmp_path):
    first = write(tmp_path / "a.csv", ["subject", "age"], ["s1", 20])
    nameless = write(tmp_path / "b.csv", ["who", "iq"], ["s1", 100])
    with pytest.raises(BadData, match=r"b\.csv: no column with the subjects' ids"):
        read_joined((first, nameless), OWN, {})
    twice = write(tmp_path / "c.csv", ["subject", "fluid"], ["s1", 3], ["s1", 4])
    with pytest.raises(BadData, match=r"c\.csv: several rows about s1"):
        read_joined((first, twice), OWN, {})
    fine = write(tmp_path / "d.csv", ["participant_id", "age", "fluid"], ["sub-s1", 99, 3], ["s2", 30, 5])
    joined = read_joined((first, fine), OWN, {})
    assert joined["age"].tolist() == ["20", "30"]
    assert joined["fluid"].tolist() == ["3", "5"]
    with pytest.raises(BadOption, match="further tables without a first one"):
        import_cohort("own", tmp_path, name="x", options=Options(more_tables=(fine,)))


def test_own_table_with_the_same_labels(tmp_path):
    scans(tmp_path / "series", ["s1", "s2"])
    columns = ["subject", "diagnosis", "fluid", "fluid_composite", "flanker", "apoe4", "iq"]
    table = write(tmp_path / "t.csv", columns, ["s1", "a", 5, 100, 101, 2, 110], ["s2", "", "", "n/a", "", "", 90])
    found = rows_of(take("own", tmp_path / "series", table, columns={"iq": "iq"}))
    assert found["diagnosis"].tolist()[0] == "a"
    assert found[["fluid", "fluid_composite", "flanker", "apoe4"]].dtypes.eq(float).all()
    assert found.loc["s1", ["fluid", "apoe4", "iq"]].tolist() == [5, 2, 110]
    assert found.loc["s2", ["fluid", "fluid_composite", "flanker", "apoe4"]].isna().all()
    bad = write(tmp_path / "bad.csv", ["subject", "fluid"], ["s1", "high"], ["s2", 3])
    with pytest.raises(BadData, match="high cannot be read as a number"):
        take("own", tmp_path / "series", bad)
    assert (home.cohorts() / "lab" / "cohort.json").exists()
