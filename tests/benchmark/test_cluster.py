"""Cells in the workers of a real Dask scheduler: the same records, and nothing lost when anything is killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dask_machines import Machines, until

from brainbench.benchmark.cluster import far, opening
from brainbench.benchmark.cluster.far import check, code, differing
from brainbench.benchmark.cluster.opening import dask_pool, make_order
from brainbench.benchmark.errors import BadOption, ClusterError
from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.store import Store
from support import plan_of

PATIENT = f"{Path(__file__).parents[1] / 'plugins' / 'patients.py'}:Waits"


@pytest.fixture(scope="module")
def machines(tmp_path_factory) -> Iterator[Machines]:
    """A scheduler with a worker of two slots, which says that it has two cards."""
    found = Machines(tmp_path_factory.mktemp("dask"))
    found.worker("--no-nanny", "--nthreads", "2", "--resources", "GPU=2 MEMORY=8e9", CUDA_VISIBLE_DEVICES="3,5")
    yield found
    found.end()


@pytest.fixture
def own_machines(tmp_path) -> Iterator[Machines]:
    """A scheduler without a worker, for a test that kills them."""
    found = Machines(tmp_path)
    yield found
    found.end()


class Running:
    """A run of one cell of the method that waits, in a thread: its events, and the records or the error at the end."""

    def __init__(self, machines: Machines, store: Store, device: str = "cpu", **told: object) -> None:
        self.folder, self.events, self.records, self.error = store.path / "patients", [], [], None
        self.folder.mkdir()
        self.said: list[str] = []
        plan = plan_of("CLASSIFICATION", PATIENT, folds=2, settings=(f"folder={self.folder}",))
        self.keys = [cell.key for _, cell in plan.cells]
        order = make_order(store, 1, 120, 0, False, device).model_copy(update=told)

        def go() -> None:
            try:
                with dask_pool(machines.address, store, order, self.said.append) as pool:
                    settings = Settings(device, 1, pool.name)
                    self.records = list(run(plan, store, pool, settings, lambda _, event: self.events.append(event)))
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=go, daemon=True)
        self.thread.start()

    def cells(self) -> list[int]:
        """Processes in which a cell waits now."""
        found = [int(path.stem) for path in self.folder.glob("*.pid")]
        return [pid for pid in found if psutil.pid_exists(pid)]

    def count(self, what: str) -> int:
        return sum(event.what == what for event in self.events)

    def end(self) -> None:
        """Let all cells go on, and wait for the records."""
        (self.folder / "go").touch()
        self.thread.join(120)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error


def all_ok(running: Running) -> bool:
    (record,) = running.records
    return record.status == "ok" and running.count("ended") == len(running.keys)


def test_records_are_those_of_the_local_pool(machines, store, tmp_path):
    """Of a network's tasks and of scans alike: predictions, scores and hashes, all but the environment block."""
    plan = plan_of("CLASSIFICATION", "FirstRoi", folds=3)
    order = make_order(store, 1, 120, 0, False, "cpu")
    with dask_pool(machines.address, store, order, print) as pool:
        (far,) = run(plan, store, pool, Settings("cpu", pool.threads, pool.name), lambda cell, event: None)
    here = Store(tmp_path / "here")
    here.prepare()
    local = LocalPool(1, 1, Limits(120), here.log)
    (near,) = run(plan, here, local, Settings("cpu", 1), lambda cell, event: None)
    assert (near.environment.executor, far.environment.executor) == ("local", "dask")
    assert far.status == "ok", far.reason
    assert far.model_dump(exclude={"environment"}) == near.model_dump(exclude={"environment"})
    assert not list((store.path / "work").iterdir())


def test_a_cell_process_that_is_killed_is_run_again(machines, store):
    running = Running(machines, store)
    until(lambda: len(running.cells()) == 2)
    first = running.cells()[0]
    os.kill(first, signal.SIGKILL)
    until(lambda: len([pid for pid in running.cells() if pid != first]) == 2)
    running.end()
    assert all_ok(running)
    assert [event.label for event in running.events if event.what == "lost"] == [
        "its worker was killed (SIGKILL), by no lack of memory"
    ]


@pytest.mark.parametrize("nanny", [False, True], ids=["worker", "nanny"])
def test_a_worker_that_is_killed_loses_no_cell(own_machines, store, nanny):
    """Once the worker itself, once the nanny that watches it; another worker takes the cell."""
    first = own_machines.worker() if nanny else own_machines.worker("--no-nanny")
    running = Running(own_machines, store)
    until(running.cells)
    before = running.cells()
    own_machines.worker("--no-nanny")
    first.kill()
    until(lambda: set(running.cells()) - set(before))
    until(lambda: not set(running.cells()) & set(before))  # nothing runs twice
    running.end()
    assert all_ok(running)
    assert running.count("lost") == 1


def test_a_scheduler_that_is_killed_ends_the_run_and_its_cells(own_machines, store, monkeypatch):
    monkeypatch.setattr(opening, "CONNECT_SECONDS", 2.0)
    own_machines.worker("--no-nanny")
    running = Running(own_machines, store)
    until(running.cells)
    own_machines.scheduler.kill()
    running.thread.join(120)
    assert isinstance(running.error, ClusterError)
    assert "the same command" in running.error.hint
    until(lambda: not running.cells())
    assert not list((store.path / "work").iterdir())


def test_whoever_leaves_early_ends_the_cells(machines, store):
    """As Ctrl-C does: the loop over the records is left while cells wait."""
    order = make_order(store, 1, 120, 0, False, "cpu")
    folder = store.path / "patients"
    folder.mkdir()
    plan = plan_of("CLASSIFICATION", PATIENT, folds=2, settings=(f"folder={folder}",))

    def interrupt(cell: object, event: object) -> None:
        until(lambda: len(list(folder.glob("*.pid"))) == 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), dask_pool(machines.address, store, order, print) as pool:
        list(run(plan, store, pool, Settings("cpu", 1), interrupt))
    cells = [int(path.stem) for path in folder.glob("*.pid")]
    until(lambda: not any(map(psutil.pid_exists, cells)))
    assert not list((store.path / "work").iterdir())


def test_each_cell_sees_a_card_of_its_own(machines, store):
    running = Running(machines, store, "cuda")
    until(lambda: len(running.cells()) == 2)
    assert sorted(path.read_text() for path in running.folder.glob("*.pid")) == ["3", "5"]
    running.end()
    assert all_ok(running)


def test_a_worker_of_another_version_is_refused(machines, store):
    with pytest.raises(ClusterError, match=r"brainbench .* \(here 0\.0\.0\)"):
        Running(machines, store, code={**code(), "brainbench": "0.0.0"}).end()


def test_another_checkout_is_compared_by_its_revision():
    asked = {**code(), "checkout": "/elsewhere", "revision": "a" * 40}
    assert differing({**asked, "revision": "b" * 40}, asked) == []
    assert differing({**asked, "checkout": "/here", "revision": "b" * 40}, asked) == [
        f"revision {'b' * 40} (here {'a' * 40})"
    ]
    assert differing({**asked, "checkout": "/here", "revision": ""}, asked) == []
    assert differing({**asked, "numpy": "1.0"}, asked) == [f"numpy 1.0 (here {asked['numpy']})"]


def test_a_worker_that_does_not_see_the_store_is_refused(tmp_path, store):
    order = make_order(store, 1, 120, 0, False, "cpu")
    away = order.model_copy(update={"attempt": tmp_path / "elsewhere" / "pool" / "key~1", "patience": 0.0})
    with pytest.raises(ClusterError, match="does not see the store") as told:
        check(away)
    assert "--store" in told.value.hint


def test_what_no_worker_offers_is_refused(machines, store):
    order = make_order(store, 1, 120, 16 << 30, False, "cpu")
    with (
        pytest.raises(ClusterError, match="no worker offers MEMORY") as told,
        dask_pool(machines.address, store, order, print),
    ):
        pass
    assert "--resources" in told.value.hint


def test_a_scheduler_that_is_not_there_is_said(store, monkeypatch):
    monkeypatch.setattr(opening, "CONNECT_SECONDS", 0.5)
    order = make_order(store, 1, 120, 0, False, "cpu")
    with pytest.raises(ClusterError, match="no scheduler answers"), dask_pool("tcp://127.0.0.1:9", store, order, print):
        pass


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("10.0.0.5", "missing port"),
        ("http://10.0.0.5:8786", "unknown address scheme"),
        ("tls://127.0.0.1:9", "TLS without certificates"),
    ],
)
def test_an_address_with_a_slip_is_refused_before_a_client_is_made(address, told, store, monkeypatch):
    """A client that fails to begin holds the end of its process for a minute."""
    monkeypatch.setattr("distributed.Client", lambda *given, **named: pytest.fail("a client was made"))
    order = make_order(store, 1, 120, 0, False, "cpu")
    with pytest.raises(BadOption, match=told) as error, dask_pool(address, store, order, print):
        pass
    assert error.value.hint


def test_a_run_without_workers_says_so_and_ends(own_machines, store, monkeypatch):
    monkeypatch.setattr(opening, "WORKER_SECONDS", 6.0)
    running = Running(own_machines, store)
    running.thread.join(120)
    assert isinstance(running.error, ClusterError)
    assert "no worker at" in str(running.error)
    assert "waiting for workers" in running.said[0]


class Stand:
    """A worker that does nothing."""

    def __init__(self, *told: object, **more: object) -> None:
        self.alive = True

    def kill(self) -> None:
        self.alive = False


def test_no_idle_worker_of_a_run_that_is_over_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(far, "Worker", Stand)
    monkeypatch.setattr(far, "can_warm", lambda: True)
    monkeypatch.setattr(far, "_warm", {})
    one, other = (make_order(Store(tmp_path / name), 1, 9, 0, False, "cpu") for name in ("one", "other"))
    with far._worker(one, tmp_path, Limits()) as first:
        pass
    with far._worker(one, tmp_path, Limits()) as again:
        assert again is first
    with far._worker(other, tmp_path, Limits()) as second:
        assert not first.alive
    assert second.alive
