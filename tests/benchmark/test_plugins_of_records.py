"""Code that a record names by its file is run only where a person named that file before."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_maker import make_record

from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.record import Record
from brainbench.benchmark.registry import load_metric, load_task, refuse_unasked
from brainbench.benchmark.rescoring import reload
from brainbench.benchmark.submitting.method import source_of
from support import MOCKS

HOSTILE = """
from pathlib import Path
Path(__file__).with_suffix(".ran").touch()
"""


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A file that leaves a mark when it is run."""
    (tmp_path / "hostile.py").write_text(HOSTILE)
    return tmp_path / "hostile.py"


def naming(task: str = "toy-asd", metrics: tuple[str, ...] = ("auc",), method: str = "m") -> Record:
    told = make_record("m", 0.8)
    part = told.task.model_copy(update={"ref": task, "metrics": metrics})
    return told.model_copy(update={"task": part, "method": told.method.model_copy(update={"ref": method})})


@pytest.mark.parametrize("ending", ["", "@4-shot"])
def test_a_record_cannot_have_a_task_or_metric_run(hostile: Path, ending: str) -> None:
    for record in (naming(f"{hostile}:Task{ending}"), naming("abide1-asd", ("auc", f"{hostile}:Metric"))):
        with pytest.raises(BadOption, match="never asked for here") as error:
            reload(record, lambda *_: None)
        assert "brainbench tasks" in error.value.hint
    assert not hostile.with_suffix(".ran").exists()


def test_a_record_cannot_have_a_method_run(hostile: Path) -> None:
    with pytest.raises(BadOption, match="never asked for here"):
        source_of(naming(method=f"{hostile}:Method").method)
    assert not hostile.with_suffix(".ran").exists()


def test_what_a_person_named_once_may_be_named_by_records(hostile: Path) -> None:
    refuse_unasked("abide1-asd", "auc")
    with pytest.raises(BadOption):
        refuse_unasked(f"{MOCKS}:ToyTask")
    with pytest.raises(Exception, match=r"cannot be imported|has no attribute"):
        load_metric(f"{hostile}:Nothing")  # it ran, for it was typed, but held no plugin: nothing is noted
    with pytest.raises(BadOption):
        refuse_unasked(f"{hostile}:Nothing")


def test_a_task_that_was_run_by_path_can_be_scored_again(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("from brainbench.tasks.autism import ABIDE1_ASD as OWN\n")
    load_task(f"{own}:OWN")
    refuse_unasked(f"{own}:OWN", f"{own}:OWN@4-shot")
