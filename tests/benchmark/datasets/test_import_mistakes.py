"""What a person may do wrong when importing: one clear message, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from abide_folders import connectomes, one_d, phenotypes, series, sites

from brainbench.benchmark import home
from brainbench.benchmark.datasets.cohort import Cohort
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.files import whole_folder


def test_when_nothing_is_left_the_reasons_are_said(tmp_path):
    sites(tmp_path)
    with pytest.raises(BadData, match=r"no scan could be imported: NYU_0051000: A\.npz:NYU_0051000: 60 frames"):
        import_cohort("abide1", tmp_path, options=Options(min_frames=100))
    assert not list(home.cohorts().glob("*/cohort.json"))


def test_one_id_in_two_files(tmp_path):
    ids = sites(tmp_path)
    np.savez(tmp_path / "C.npz", **{ids[0]: series(77)})
    with pytest.raises(BadData, match=rf"'{ids[0]}' in A.npz:{ids[0]}, C.npz:{ids[0]}"):
        import_cohort("abide1", tmp_path)


def test_many_odd_scans_are_an_error(tmp_path):
    sites(tmp_path, **{f"NYU_005100{k}": series(k, rois=4) for k in range(3)})
    with pytest.raises(BadData, match=r"NYU_0051000 \(4\), NYU_0051001 \(4\)"):
        import_cohort("abide1", tmp_path)
    assert not (home.cohorts() / "abide1").exists()


def test_nothing_but_truncated_archives(tmp_path):
    sites(tmp_path)
    for name in ("A.npz", "B.npz"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:500])
    with pytest.raises(BadData, match=r"no series of format abide-npz: A\.npz: cannot be read"):
        import_cohort("abide1", tmp_path)


def test_impossible_requests(tmp_path):
    sites(tmp_path)
    with pytest.raises(BadOption, match="needs a name"):
        import_cohort("own", tmp_path)
    with pytest.raises(BadOption, match="cannot name a cohort"):
        import_cohort("own", tmp_path, name="../x")
    with pytest.raises(BadOption, match="no format 'x'"):
        import_cohort("abide1", tmp_path, format="x")
    with pytest.raises(BadData, match="no such folder"):
        import_cohort("abide1", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="no known format"):
        import_cohort("abide1", tmp_path / "empty")
    (tmp_path / "pheno.csv").unlink()
    with pytest.raises(BadData, match="no participants table, so no diagnosis"):
        import_cohort("abide1", tmp_path)


def test_wrong_folders(tmp_path):
    folder = tmp_path / "up" / "abide"
    folder.mkdir(parents=True)
    ids = sites(folder)
    with pytest.raises(BadData, match="no participants table here; there is one in: abide") as caught:
        import_cohort("abide1", tmp_path / "up")
    assert str(folder) in caught.value.hint
    with pytest.raises(BadData, match="a file, not a folder") as caught:
        import_cohort("abide1", folder / "A.npz")
    assert caught.value.hint.endswith(str(folder))
    (tmp_path / "x").mkdir()
    with pytest.raises(BadData, match="it is empty"):
        import_cohort("abide1", tmp_path / "x")
    (tmp_path / "x" / "notes.docx").write_text("")
    with pytest.raises(BadData, match=r"its files: 1 \.docx"):
        import_cohort("abide1", tmp_path / "x")
    with pytest.raises(BadData, match="no series of format bids") as caught:
        import_cohort("abide1", folder, format="bids")
    assert "leave out --format" in caught.value.hint
    assert import_cohort("abide1", folder).cohort.manifest.scans == len(ids)


def test_codes_are_added_to_the_data_sets(tmp_path):
    ids = sites(tmp_path)
    phenotypes(tmp_path, ids, DX_GROUP=["1", "2", "ASD", "none"] * 5)
    with pytest.raises(BadData, match="unknown codes ASD, none") as caught:
        import_cohort("abide1", tmp_path)
    assert "--code 'diagnosis:ASD=VALUE,none=VALUE'   (VALUE such as autism, control; n/a" in caught.value.hint
    report = import_cohort("abide1", tmp_path, options=Options(codes={"diagnosis": {"ASD": "autism", "none": "n/a"}}))
    assert report.cohort.scans()["diagnosis"].value_counts(dropna=False).to_list() == [10, 5, 5]
    with pytest.raises(BadOption, match="'asd' is no value of 'diagnosis'") as caught:
        import_cohort("abide1", tmp_path, options=Options(codes={"diagnosis": {"ASD": "asd"}}))
    assert caught.value.hint == "values are: autism, control, n/a"
    with pytest.raises(BadOption, match=r"--code dx: the cohort has no such column; it has: .*diagnosis"):
        import_cohort("abide1", tmp_path, options=Options(codes={"dx": {"1": "autism"}}))


def test_a_name_taken_from_another_folder_is_noted(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sites(tmp_path / name)
    import_cohort("abide1", tmp_path / "a")
    assert not any("replaces" in note for note in import_cohort("abide1", tmp_path / "a").notes)
    notes = import_cohort("abide1", tmp_path / "b").notes
    assert f"replaces the cohort abide1 of 20 scans from {(tmp_path / 'a').resolve()}" in notes


def test_table_of_other_people(tmp_path):
    sites(tmp_path)
    phenotypes(tmp_path, ["x1", "x2"])
    with pytest.raises(BadData, match=r"no scan has a row in pheno\.csv: scan ids such as 'NYU_0051000'"):
        import_cohort("abide1", tmp_path)


def test_several_atlases_must_be_chosen(tmp_path):
    ids = connectomes(tmp_path)
    one_d(tmp_path, f"{ids[0]}_rois_cc200", series(0).astype(float), list("abcde"))
    with pytest.raises(BadOption, match="several atlases: cc200, cc400"):
        import_cohort("abide1", tmp_path)
    with pytest.raises(BadOption, match="no files of atlas 'aal'"):
        import_cohort("abide1", tmp_path, options=Options(atlas="aal"))
    assert import_cohort("abide1", tmp_path, options=Options(atlas="CC400")).cohort.manifest.scans == len(ids)


def test_a_failed_import_leaves_the_old_cohort(tmp_path):
    sites(tmp_path)
    before = import_cohort("abide1", tmp_path).cohort.manifest.fingerprint
    phenotypes(tmp_path, [f"NYU_{51000 + k:07d}" for k in range(20)], DX_GROUP=["7"] * 20)
    with pytest.raises(BadData, match="unknown codes 7"):
        import_cohort("abide1", tmp_path)
    assert Cohort.open(home.cohorts() / "abide1").manifest.fingerprint == before
    assert [path.name for path in home.cohorts().iterdir()] == ["abide1"]


def test_what_a_killed_import_left_is_removed(tmp_path):
    sites(tmp_path)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom brainbench.benchmark.files import whole_folder\n"
        "with whole_folder(Path(sys.argv[1])) as folder:\n    os._exit(9)"
    )
    target = home.cohorts() / "abide1"
    for place in (target, target.with_name("abide1.b")):
        subprocess.run([sys.executable, "-c", code, str(place)], check=False)
    with whole_folder(target) as living:
        assert list(home.cohorts().iterdir()) == [living]
        import_cohort("abide1", tmp_path)
        assert living.is_dir()
    assert [path.name for path in home.cohorts().iterdir()] == ["abide1"]


@pytest.mark.parametrize("name", ["../outside.npy", "/etc/hostname", "link/outside.npy", "a/../../outside.npy"])
def test_table_may_not_lead_out_of_the_folder(tmp_path, name):
    np.save(tmp_path / "outside.npy", series(1))
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "x.npy", series(2))
    (folder / "link").symlink_to(tmp_path, target_is_directory=True)
    (folder / "p.csv").write_text(f"subject,file,site\na,{name},X\n")
    with pytest.raises(BadData, match="leads out of"):
        import_cohort("own", folder, name="mine", options=Options(participants=folder / "p.csv"))
