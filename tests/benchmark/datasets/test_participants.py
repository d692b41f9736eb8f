"""Joining scans with a participants table: ids, codes, missing cells, encodings."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainbench.benchmark.datasets.abide import SCHEME as ABIDE
from brainbench.benchmark.datasets.cells import convert, person
from brainbench.benchmark.datasets.participants import Participants, ScanId, find_participants
from brainbench.benchmark.datasets.scheme import OWN
from brainbench.benchmark.datasets.tables import read_table
from brainbench.benchmark.errors import BadData


def table(folder: Path, text: str, name: str = "people.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_abide2_table_with_trailing_blank_and_latin1(tmp_path):
    path = table(
        tmp_path,
        "SITE_ID,SUB_ID,DX_GROUP,AGE_AT_SCAN ,SEX,NOTE\n"
        "ABIDEII-BNI_1,29006,1,48,1,na\u00efve\nABIDEII-BNI_1,29007,2,-9999,2,\n",
        encoding="latin1",
    )
    people = Participants.read(path, ABIDE, {})
    scans = [ScanId("sub-29006_ses-1", "29006"), ScanId("BNI_0029007")]
    rows = people.match(scans)
    assert rows == [[0], [1]]
    first, second = people.values(scans, [0, 1], {})
    assert first == {"subject": "29006", "site": "ABIDEII-BNI_1", "age": 48.0, "sex": "male", "diagnosis": "autism"}
    assert math.isnan(second["age"])
    assert (second["diagnosis"], second["sex"]) == ("control", "female")


def test_no_filename_is_no_id(tmp_path):
    path = table(tmp_path, "FILE_ID,SUB_ID,DX_GROUP\nno_filename,50002,1\nPitt_0050003,50003,1\n")
    people = Participants.read(path, ABIDE, {})
    assert people.match([ScanId("no_filename"), ScanId("Pitt_0050003")]) == [[], [1]]
    assert people.unused() == ["50002"]


def test_unknown_codes_name_column_and_values(tmp_path):
    path = table(tmp_path, "FILE_ID,DX_GROUP\na,1\nb,3\nc,4\n")
    people = Participants.read(path, ABIDE, {})
    with pytest.raises(BadData, match=r"column 'DX_GROUP': unknown codes 3, 4") as caught:
        people.values([ScanId(x) for x in "abc"], [0, 1, 2], {})
    assert "--code 'diagnosis:3=VALUE" in caught.value.hint


def test_only_rows_with_a_scan_need_known_codes(tmp_path):
    people = Participants.read(table(tmp_path, "FILE_ID,DX_GROUP\na,1\nb,9\n"), ABIDE, {})
    assert people.values([ScanId("a")], [0], {})[0]["diagnosis"] == "autism"


def test_missing_target_column_lists_the_columns(tmp_path):
    path = table(tmp_path, "FILE_ID,SITE_ID,AGE\na,x,3\n")
    with pytest.raises(BadData, match="FILE_ID, SITE_ID, AGE") as caught:
        Participants.read(path, ABIDE, {})
    assert "--column diagnosis=COLUMN" in caught.value.hint
    with pytest.raises(BadData, match="no column dx for 'diagnosis'"):
        Participants.read(path, OWN, {"diagnosis": "dx"})


def test_own_names_and_codes(tmp_path):
    path = table(
        tmp_path, "participant_id\tage\tsex\tdx\tiq\nsub-01\t89+\tF\t1\t101\nsub-02\tn/a\tm\tn/a\tn/a\n", "p.tsv"
    )
    people = Participants.read(path, OWN, {"diagnosis": "dx", "iq": "IQ"})
    scans = [ScanId("sub-01", "01"), ScanId("sub-02", "02")]
    rows = [row for (row,) in people.match(scans)]
    with pytest.raises(BadData, match=r"89\+ cannot be read as a number"):
        people.values(scans, rows, {})
    codes = {"diagnosis": {"1": "autism", "2": "control"}, "age": {"89+": "89"}}
    first, second = people.values(scans, rows, codes)
    assert (first["subject"], first["age"], first["sex"]) == ("1", 89.0, "female")
    assert (first["diagnosis"], first["iq"]) == ("autism", 101.0)
    assert second["diagnosis"] is None
    assert math.isnan(second["iq"])


def test_numbers_for_sex_are_not_guessed(tmp_path):
    people = Participants.read(table(tmp_path, "subject,sex\na,1\n"), OWN, {})
    with pytest.raises(BadData, match="column 'sex': unknown codes 1"):
        people.values([ScanId("a")], [0], {})


def test_rows_that_disagree(tmp_path):
    people = Participants.read(table(tmp_path, "subject,age,note\na,1,x\na,1,y\nb,1,x\nb,2,x\n"), OWN, {})
    same, other = people.match([ScanId("a"), ScanId("b")])
    assert people.agree(same)
    assert not people.agree(other)


def test_session_chooses_the_row(tmp_path):
    people = Participants.read(table(tmp_path, "subject,session,age\na,ses-1,10\na,ses-2,12\n"), OWN, {})
    scans = [ScanId("x", "a", "2"), ScanId("y", "a", "1")]
    assert people.match(scans) == [[1], [0]]


def test_cells_are_data_only(tmp_path):
    people = Participants.read(table(tmp_path, 'subject,site\na,"=cmd|x!A1"\n'), OWN, {})
    assert people.values([ScanId("a")], [0], {})[0]["site"] == "=cmd|x!A1"


@pytest.mark.parametrize(
    ("text", "columns"), [("a;b\n1;2\n", ["a", "b"]), ("a\tb\n1\t2\n", ["a", "b"]), ("\ufeffa , b\n1,2\n", ["a", "b"])]
)
def test_separators(tmp_path, text, columns):
    found = read_table(table(tmp_path, text))
    assert list(found.columns) == columns
    assert found.iloc[0].tolist() == ["1", "2"]


def test_table_errors(tmp_path):
    with pytest.raises(BadData, match="no such table"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(BadData, match="no column with ids"):
        Participants.read(table(tmp_path, "x,y\n1,2\n"), OWN, {})
    with pytest.raises(BadData, match="cannot be read as a table"):
        read_table(table(tmp_path, ""))


def test_best_table_of_a_folder(tmp_path):
    table(tmp_path, "FILE_ID,SITE_ID,DX_GROUP\n", "a.csv")
    best = table(tmp_path, "FILE_ID,SITE_ID,DX_GROUP,SEX,AGE_AT_SCAN\n", "b.csv")
    table(tmp_path, "ROI_number,name\n", "c.csv")
    assert find_participants(tmp_path, ABIDE) == best
    assert find_participants(tmp_path / "nowhere", ABIDE) is None


@given(st.integers(0, 10**7), st.integers(0, 7))
def test_a_person_is_one_however_padded(number, zeros):
    assert person(f"sub-{'0' * zeros}{number}") == person(str(number)) == str(number)


@given(st.text(max_size=12))
def test_person_never_fails_and_is_stable(name):
    assert person(person(name)) == person(name) or name.startswith("sub-")


@given(st.sampled_from(["Pitt", "UM_1", "CMU_a"]), st.integers(50002, 59999))
def test_subject_number_in_a_scan_id(site, number):
    import pandas as pd

    people = Participants(Path("p.csv"), pd.DataFrame({"SUB_ID": [str(number)]}), ABIDE, {}, None, "SUB_ID")
    assert people.match([ScanId(f"{site}_00{number}")]) == [[0]]


@given(st.lists(st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(str), st.just("n/a")), max_size=8))
def test_numbers_or_missing(cells):
    values = convert("iq", cells, None, "here")
    assert [math.isnan(v) for v in values] == [cell == "n/a" for cell in cells]
