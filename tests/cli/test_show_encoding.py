"""`brainbench show parcels | networks | course`: what is drawn is right, and the pictures are pictures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.store import Store
from brainbench.leaderboard.encoded import Atlas, ParcelScores, column_of, network_ceilings, side_of
from brainbench.leaderboard.exported import predictions_of

PLUGINS = Path(__file__).parents[1] / "plugins"
FILMS = PLUGINS / "films.py"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Records of a good and a noisy model on the twin, and one whose truth is withheld."""
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        for words in (
            ["--task", f"{FILMS}:VAL", "--data", "simulated"],
            ["--task", f"{FILMS}:VAL", "--data", "simulated", "--set", "lie=1.0"],
            ["--task", f"{FILMS}:OOD", "--data", "real"],
        ):
            done = CliRunner().invoke(app, ["run", *words, "--method", f"{FILMS}:Slope", "--store", str(place)])
            assert done.exit_code == 0, done.output
    return place


@pytest.fixture(scope="module")
def data():
    sys.path.insert(0, str(PLUGINS))
    import films

    return films.Films().load("simulated")


@pytest.fixture
def show(store):
    load_task(f"{FILMS}:OOD")  # here, too, a person has asked for that file
    return lambda *words: CliRunner().invoke(app, ["show", *map(str, words), "--store", str(store)])


def ids(store: Path, task: str = "algonauts2025-val") -> list[str]:
    """The good record first."""
    found = [record for record in Store(store).records() if record.task.name == task]
    return [record.id for record in sorted(found, key=lambda record: record.method.options["lie"])]


def picture(done, file: Path, least: tuple[int, int] = (800, 300)) -> None:
    assert done.exit_code == 0, done.output
    with Image.open(file) as image:
        assert image.format == "PNG"
        assert image.size[0] >= least[0]
        assert image.size[1] >= least[1]
        assert len(set(image.convert("L").resize((64, 64)).getdata())) > 20


def by_hand(store: Path, data, label: str, movie: str, subject: str) -> np.ndarray:
    """r by parcel with numpy alone."""
    run = {"s6": "s06e01a", "life": "life01"}[movie]
    predicted = predictions_of(*Store(store).find(label))[subject][run]
    row = data.items.table.index.tolist().index(run)
    truth = data.items.arrays[f"responses/{subject}"][row]
    return np.array([np.corrcoef(truth[:, k], predicted[:, k])[0, 1] for k in range(truth.shape[1])])


def test_r_by_parcel_is_that_of_numpy(show, store, data):
    good, noisy = ids(store)
    told = json.loads(show("parcels", good, noisy, "--subject", "sub-02", "--movie", "life", "--json").stdout)
    labels = [key for key in told["parcels"][0] if key not in ("parcel", "name", "network")]
    for record, label in zip((good, noisy), labels, strict=True):
        found = [line[label] for line in told["parcels"]]
        np.testing.assert_allclose(found, by_hand(store, data, record, "life", "sub-02"), atol=1e-5)
    assert [line["parcel"] for line in told["parcels"]][:3] == [1, 2, 3]
    mean = json.loads(show("parcels", good, "--json").stdout)
    expected = np.mean(
        [
            by_hand(store, data, good, film, name)
            for film in ("s6", "life")
            for name in ("sub-01", "sub-02", "sub-03", "sub-05")
        ],
        axis=0,
    )
    label = next(key for key in mean["parcels"][0] if key not in ("parcel", "name", "network"))
    np.testing.assert_allclose([line[label] for line in mean["parcels"]], expected, atol=1e-5)
    assert "mean over 4 subjects, mean over 2 films" in mean["title"]


def test_a_flat_panel_is_drawn_without_a_volume_and_says_so(show, store, tmp_path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "flat.png"
    done = show("parcels", *ids(store), "--out", file)
    picture(done, file, (1200, 600))
    assert "a flat panel is drawn" in done.stderr
    assert done.stdout.strip() == str(file)


def test_scores_by_network_are_those_of_the_record_and_of_what_it_lacks(show, store, tmp_path):
    good, noisy = ids(store)
    told = json.loads(show("networks", good, noisy, "--json").stdout)
    (first, scores), (second, worse) = told["scores"].items()
    record = Store(store).find(good)[0]
    assert scores["Vis"]["value"] == record.scores["encoding-r:Vis"].value
    assert scores["Limbic"]["low"] < scores["Limbic"]["value"] < scores["Limbic"]["high"] < 0.05
    assert (
        scores["Vis"]["value"] > scores["SomMot"]["value"] > scores["SalVentAttn"]["value"] > scores["Limbic"]["value"]
    )
    assert worse["Vis"]["value"] < scores["Vis"]["value"]
    whole = sum(scores[name]["value"] * count for name, count in told["counts"].items()) / 1000
    assert whole == pytest.approx(record.scores["encoding-r"].value, abs=1e-6)
    assert set(scores["Default"]["parts"]) == {"s6", "life"}
    assert first != second
    file = tmp_path / "networks.png"
    picture(show("networks", good, noisy, "--out", file), file)


def test_a_course_is_the_predicted_beside_the_measured_one(show, store, data, tmp_path):
    good, noisy = ids(store)
    told = json.loads(
        show(
            "course",
            good,
            noisy,
            "--stimulus",
            "life01",
            "--subject",
            "sub-03",
            "--parcel",
            "best",
            "--parcel",
            "999",
            "--json",
        ).stdout
    )
    best, last = told["courses"]
    r = by_hand(store, data, good, "life", "sub-03")
    assert best["parcel"].startswith(f"parcel {int(np.argmax(r)) + 1}: ")
    assert "highest r in this run" in best["parcel"]
    assert next(iter(best["r"].values())) == pytest.approx(r.max(), abs=1e-5)
    row = data.items.table.index.tolist().index("life01")
    np.testing.assert_allclose(last["measured"], data.items.arrays["responses/sub-03"][row][:, 998])
    assert next(iter(last["r"].values())) == pytest.approx(r[998], abs=1e-5)
    file = tmp_path / "course.png"
    words = ("--stimulus", "life01", "--parcel", "Vis", "--parcel", "RH_Default_999", "--out", file)
    picture(show("course", good, noisy, *words), file)


def test_where_the_truth_is_withheld_only_predictions_are_drawn(show, store, tmp_path):
    (name,) = ids(store, "algonauts2025-ood")
    file = tmp_path / "course.png"
    picture(show("course", name, "--stimulus", "wot1", "--parcel", "5", "--out", file), file)
    told = json.loads(show("course", name, "--stimulus", "wot1", "--parcel", "5", "--json").stdout)
    assert told["courses"][0]["measured"] is None
    assert told["courses"][0]["r"] == {}
    for words in (("parcels", name), ("networks", name), ("course", name, "--stimulus", "wot1")):
        done = show(*words)
        assert done.exit_code != 0
        assert "withheld" in str(done.exception)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("parcels", "VAL", "--subject", "sub-04"), "there are: sub-01, sub-02, sub-03, sub-05"),
        (("parcels", "VAL", "--movie", "wot"), "there are: life, s6"),
        (("parcels", "VAL", "--out", "x.jpg"), "use  --out x.png"),
        (("parcels", "VAL", "--atlas", "none.nii.gz"), "no such file"),
        (("parcels", "VAL", "OOD"), "not of one task and data"),
        (("course", "VAL", "--stimulus", "s01e01a"), "there are: life01, s06e01a"),
        (("course", "VAL", "--stimulus", "life01", "--subject", "sub-04"), "subjects are: sub-01"),
        (("course", "VAL", "--stimulus", "life01", "--parcel", "1001"), "a number from 1 to 1000"),
        (("course", "VAL", "--stimulus", "life01", "--parcel", "0"), "a number from 1 to 1000"),
    ],
)
def test_slips_are_one_clear_message(words, message, show, store):
    known = {"VAL": ids(store)[0], "OOD": ids(store, "algonauts2025-ood")[0]}
    done = show(*(known.get(word, word) for word in words))
    assert done.exit_code != 0
    assert message in str(done.exception)


# --- surface ---


@pytest.fixture
def halves(tmp_path) -> Path:
    """A volume with parcel 1 in the left half and 2 in the right, parcel 3 far behind, and a gap in the middle."""
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = (-96, -132, -78)
    x = (np.arange(97) * 2 - 96)[:, None, None] * np.ones((97, 115, 97))
    y = (np.arange(115) * 2 - 132)[None, :, None] * np.ones((97, 115, 97))
    values = np.where(y < -90, 3, np.where(x < 0, 1, 2))
    path = tmp_path / "halves.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), affine), path)
    return path


def test_vertices_look_up_their_own_parcel(halves):
    pytest.importorskip("nilearn")
    from brainbench.leaderboard.encoded_surface import surface

    drawn = surface(Atlas(("a", "b", "c"), ("", "", ""), halves, "a test"))
    assert (drawn.parcels["left"] == 1).mean() > 0.85
    assert (drawn.parcels["right"] == 2).mean() > 0.85
    assert {3} < set(drawn.parcels["left"]) | set(drawn.parcels["right"])
    assert "3 of 3 parcels" in drawn.note


def test_the_surface_is_drawn(halves):
    pytest.importorskip("matplotlib")
    pytest.importorskip("nilearn")
    from brainbench.leaderboard.encoded_figures import parcel_figure

    shown = ParcelScores(
        "a test", {"one": np.array([0.1, 0.3, -0.1])}, Atlas(("a", "b", "c"), ("",) * 3, halves, "a test")
    )
    content = parcel_figure(shown)
    assert content.startswith(b"\x89PNG")
    assert len(content) > 30_000


@pytest.mark.parametrize("kind", ["noise", "fractions", "too many", "flat", "4-D"])
def test_a_volume_of_something_else_is_refused(kind, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    pytest.importorskip("nilearn")
    from brainbench.benchmark.errors import BadData
    from brainbench.leaderboard.encoded_surface import surface

    path = tmp_path / "bad.nii.gz"
    volumes = {
        "fractions": np.full((4, 4, 4), 0.5), "too many": np.full((4, 4, 4), 4.0), "flat": np.zeros((4, 4, 4)),
        "4-D": np.ones((4, 4, 4, 2)),
    }  # fmt: skip
    if kind == "noise":
        path.write_bytes(b"nothing")
    else:
        nibabel.save(nibabel.Nifti1Image(volumes[kind].astype(np.float32), np.eye(4)), path)
    with pytest.raises(BadData, match=r"bad\.nii\.gz"):
        surface(Atlas(("a", "b", "c"), ("",) * 3, path, ""))


# --- parts ---


def test_sides_and_blocks_follow_the_names():
    assert [side_of(name) for name in ("LH_Vis_1", "7Networks_RH_Cont_2", "parcel-7", "rh_x")] == ["L", "R", "", "R"]
    atlas = Atlas(("LH_a", "LH_b", "RH_a", "LH_c"), ("Vis", "Cont", "Vis", "Vis"))
    assert {key: list(rows) for key, rows in atlas.blocks().items()} == {
        ("L", "Vis"): [0, 3], ("L", "Cont"): [1], ("R", "Vis"): [2],
    }  # fmt: skip


def test_the_best_parcel_of_a_network_is_found():
    atlas = Atlas(("a", "b", "c"), ("Vis", "Cont", "Cont"))
    r = np.array([0.9, 0.2, 0.5])
    assert column_of("best", atlas, r)[0] == 0
    assert column_of("Cont", atlas, r) == (2, " (of Cont the highest r in this run)")
    assert column_of("b", atlas, None) == (1, "")
    assert column_of("3", atlas, None) == (2, "")


def test_ceilings_by_network_are_means_over_the_tested_films(tmp_path):
    import pandas as pd

    from brainbench.benchmark.contracts import Data
    from brainbench.benchmark.datasets.movies import MovieCohort, MovieWriter
    from brainbench.benchmark.items import Items
    from brainbench.benchmark.loading import Loaded

    subjects, networks = ("sub-01", "sub-02"), ["Vis", "Vis", "Cont"]
    writer = MovieWriter(
        tmp_path / "toy", "toy", "twin", 1.49, subjects, ["LH_a", "LH_b", "RH_c"], networks, {"toy/one": (2,)}, twin={}
    )
    for run, movie in (("s06e01a", "s6"), ("life01", "life"), ("s01e01a", "s1")):
        responses = {name: np.ones((5, 3), np.float32) for name in subjects}
        writer.run(run, "friends", movie, run, 1, {"toy/one": np.ones((5, 2), np.float32)}, responses)
    for subject in subjects:
        for movie, r in (("s6", [0.2, 0.4, 0.1]), ("life", [0.6, 0.4, 0.3]), ("s1", [0.9, 0.9, 0.9])):
            writer.ceiling(subject, movie, np.array(r))
    items = MovieCohort.open(writer.finish()).items()
    table = items.table.assign(set=["test", "test", "train"])
    loaded = Loaded(Data(Items(table, items.arrays, items.meta), "toy", "twin", ""), {})
    found = network_ceilings(loaded, ["Vis", "Cont"])
    assert found == pytest.approx({"Vis": 0.4, "Cont": 0.2})
    memory = Loaded(Data(Items(pd.DataFrame({"set": ["test"]}), {}, {}), "x", "twin", ""), {})
    assert network_ceilings(memory, ["Vis"]) == {}
