"""``brainbench show graph``: the right cells in the right colours, and clear errors."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli.show import app
from brainbench.benchmark.errors import BadOption, ExtraMissing, StoreError
from brainbench.benchmark.kinds.connectivity import Graphs, Truths
from brainbench.benchmark.metrics.binarise import strongest
from brainbench.benchmark.metrics.graph import GraphF1
from brainbench.benchmark.metrics.graph_measures import shd
from brainbench.benchmark.plan import Request, make_plan
from brainbench.benchmark.score import Judged
from brainbench.leaderboard.graph_figure import LOOKS, graph_figure
from brainbench.leaderboard.recovered import Comparison, Recovered, compare, outcome
from support import plan_of

PLUGINS = Path(__file__).parents[1] / "plugins" / "networks.py"


def silent(label: str, done: int, total: int) -> None:
    pass


def planted(run_plan, *methods: str, task: str = "TASK", **options):
    request = Request((f"{PLUGINS}:{task}",), tuple(f"{PLUGINS}:{name}" for name in methods), **options)
    return run_plan(make_plan(request, silent))


def show(store, *arguments: str):
    return CliRunner().invoke(app, ["graph", *arguments, "--store", str(store.path)])


def size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_every_cell_has_one_outcome_and_the_faults_add_up_to_the_distance():
    rng = np.random.default_rng(0)
    for _ in range(50):
        truth, found = ((rng.random((6, 6)) < 0.4) & ~np.eye(6, dtype=bool) for _ in range(2))
        became = outcome(truth, found)
        assert np.sum(became, axis=0).max() <= 1
        assert sum(int(cells.sum()) for cells in became[1:]) == shd(truth[None], found[None])[0]
        np.testing.assert_array_equal(became.hit | became.extra | became.turned, found)
    one = np.array([[0, 1], [0, 0]], bool)
    assert [int(cells.sum()) for cells in outcome(one, one.T)] == [0, 0, 0, 1]


def test_outcomes_differ_in_colour_mark_and_line():
    for column in zip(*LOOKS, strict=True):
        values = [str(value) for value in column]
        assert len(set(values)) in (2, 4)  # filled or not; all else differs
    # Their lightness differs too, for eyes and printers without colour.
    light = sorted(
        0.299 * int(look.colour[1:3], 16) + 0.587 * int(look.colour[3:5], 16) + 0.114 * int(look.colour[5:], 16)
        for look in LOOKS
    )
    assert light[-1] - light[0] > 60


@pytest.mark.parametrize(("nodes", "methods"), [(2, 1), (5, 3), (50, 2)])
def test_figure_has_a_column_for_each_method(nodes, methods, tmp_path):
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    truth = np.triu(rng.random((nodes, nodes)) < 0.3, 1)
    shown = [Recovered(f"method {k}", rng.random((nodes, nodes)) * k) for k in range(methods)]
    path = tmp_path / "figure.png"
    path.write_bytes(graph_figure(Comparison("a title " * 30, truth, tuple(shown))))
    width, height = size(path)
    assert width / (methods + 1) == pytest.approx(height / 3, rel=0.35)


def test_marks_stand_on_the_cells_of_the_matrix(monkeypatch):
    """The figure's own matrix: rows are sources, columns targets, marks as the outcome says."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    truth, scores = np.zeros((5, 5), bool), np.zeros((5, 5))
    truth[0, 1] = truth[1, 2] = truth[2, 3] = True
    scores[0, 1], scores[2, 1], scores[4, 0] = 3, 2, 1
    graph_figure(Comparison("title", truth, (Recovered("mine", scores),)))
    panels = {axes.get_title().partition("\n")[0]: axes for axes in drawn[0].axes}
    marks = {
        line.get_color(): {(int(y), int(x)) for x, y in zip(*line.get_data(), strict=True)}
        for line in panels["F1 0.333, SHD 3"].lines
        if line.get_linestyle() == "None"
    }
    assert marks == {
        LOOKS.hit.colour: {(0, 1)},
        LOOKS.missed.colour: {(2, 3)},
        LOOKS.extra.colour: {(4, 0)},
        LOOKS.turned.colour: {(2, 1)},
    }
    assert panels["F1 0.333, SHD 3"].get_xlabel() == "target"
    assert panels["F1 0.333, SHD 3"].get_title().endswith("1 hit, 1 missed, 1 extra, 1 reversed")
    assert "own F1 and SHD" not in drawn[0].axes[2].texts[0].get_text()


def test_measures_of_mean_scores_are_named_so(monkeypatch):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    truth = np.eye(3, k=1, dtype=bool)
    graph_figure(Comparison("", truth, (Recovered("mine", truth.astype(float), mean=True),)))
    titles = [axes.get_title().partition("\n")[0] for axes in drawn[0].axes]
    assert "F1 1.000, SHD 0 of the mean scores" in titles
    assert any("own F1 and SHD" in text.get_text() for axes in drawn[0].axes for text in axes.texts)


def test_show_graph_draws_records(run_plan, store, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    follows, dice = planted(run_plan, "Follows", "Dice", seeds=2)
    monkeypatch.chdir(tmp_path)
    done = show(store, follows.id)
    assert done.exit_code == 0, done.output
    assert Path(done.stdout.strip().splitlines()[-1]) == Path(f"{follows.id}.png")
    narrow = size(tmp_path / f"{follows.id}.png")
    done = show(store, follows.id, dice.id, "--subject", "sub-03", "--out", str(tmp_path / "new" / "two.png"))
    assert done.exit_code == 0, done.output
    assert size(tmp_path / "new" / "two.png")[0] > narrow[0]

    found = [(record, store.path / "records" / record.id) for record in (follows, dice)]
    every, one = compare(found, None, silent), compare(found, "sub-03", silent)
    assert [method.label.split("\n")[0] for method in every.methods] == [follows.method.name, dice.method.name]
    assert every.methods[0].label.endswith("\nmean of 8 subjects' scores")
    assert every.methods[1].label.endswith("\nmean of 8 subjects' scores, mean of 2 seeds")
    assert one.methods[0].label.endswith("\nsubject sub-03")
    assert [method.mean for method in (*every.methods, *one.methods)] == [True, True, False, True]
    # The mean over subjects recovers the planted chain; nodes stand in file order again.
    assert strongest(every.methods[0].scores[None])[0][every.truth].all()
    assert every.truth.sum() == 3
    np.testing.assert_array_equal(np.argwhere(every.truth), [[0, 1], [1, 2], [2, 3]])
    assert not np.array_equal(every.methods[0].scores, one.methods[0].scores)


def test_group_tables_are_drawn_without_their_half_samples(run_plan, store):
    (joined,) = planted(run_plan, "Follows", task="TASK@concatenated")
    shown = compare([(joined, store.path / "records" / joined.id)], None, silent)
    assert shown.methods[0].label.endswith("\nsubjects concatenated")
    assert not shown.methods[0].mean
    drawn = GraphF1().score(Truths([shown.truth]), Graphs([shown.methods[0].scores]))
    assert drawn == joined.scores["graph-f1"].value
    error = show(store, joined.id, "--subject", "half-01").exception
    assert "has no subject 'half-01'" in str(error)
    (skipped,) = planted(run_plan, "Alone", task="TASK@multi-group")
    assert "holds no graph: skipped" in str(show(store, skipped.id).exception)


def test_records_of_several_tracks_say_how_subjects_were_joined(run_plan, store):
    every = [planted(run_plan, "Follows", task=f"TASK{track}")[0] for track in ("", "@concatenated")]
    shown = compare([(record, store.path / "records" / record.id) for record in every], None, silent)
    ends = [method.label.split("\n")[-1] for method in shown.methods]
    assert ends == ["mean of 8 subjects' scores", "subjects concatenated"]
    assert "subjects" not in shown.title


def test_help_shows_an_example():
    assert "Example" in CliRunner().invoke(app, ["graph", "--help"]).output


def test_show_graph_says_what_is_wrong(run_plan, store, tmp_path, monkeypatch):
    (follows,) = planted(run_plan, "Follows")
    (other,) = run_plan(plan_of("CONNECTIVITY", "Lag", data="simulated"))
    (classes,) = run_plan(plan_of("CLASSIFICATION", "FirstRoi", data="simulated"))
    cases = [
        ([follows.id, "--subject", "sub-99"], BadOption, "has no subject 'sub-99'"),
        ([classes.id], BadOption, "is a record of classification"),
        ([follows.id, other.id], BadOption, "different true graphs"),
        ([follows.id, "--out", "graph.jpg"], BadOption, "the figure is a PNG"),
        (["nothing"], StoreError, "no record 'nothing'"),
    ]
    for arguments, kind, message in cases:
        error = show(store, *arguments).exception
        assert isinstance(error, kind), (arguments, error)
        assert message in str(error)
        assert error.hint
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    error = show(store, follows.id).exception
    assert isinstance(error, ExtraMissing)
    assert "brainbench[figures]" in str(error)


def test_subjects_with_graphs_of_their_own_are_drawn_one_at_a_time(run_plan, store, monkeypatch):
    (follows,) = planted(run_plan, "Follows")
    graphs = [np.eye(3, k=1, dtype=bool), np.eye(3, k=2, dtype=bool)]
    scores = [graph.astype(float) for graph in graphs]
    cell = Judged("all", 0, Truths(graphs), Graphs(scores), ["a", "b"], True)
    monkeypatch.setattr("brainbench.leaderboard.recovered.rejudge", lambda *_: (None, [cell], []))
    found = [(follows, store.path)]
    with pytest.raises(BadOption, match="graphs of their own") as error:
        compare(found, None, silent)
    assert "--subject" in error.value.hint
    np.testing.assert_array_equal(compare(found, "b", silent).truth, graphs[1])
