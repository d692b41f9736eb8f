"""Leases: who computes what, whatever dies, sleeps or dates its files wrongly; and the turns that they make."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brainbench.benchmark import files, leases, turns
from brainbench.benchmark.errors import StoreError
from brainbench.benchmark.executors import Work
from brainbench.benchmark.leases import EXPIRY, Holder, Leases, lease_path
from brainbench.benchmark.turns import Turns

KEYS = ("a1", "b2")


class Runs(RuleBasedStateMachine):
    """Runs on two machines take, keep and lose leases; a model knows who holds what and when it last gave a sign.

    Time is the steady clock of those who look on; what the disk dates is any number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.store = Path(self.place.name)
        (self.store / "leases" / "runs").mkdir(parents=True)
        self.clock, self.count = 0.0, 0
        self.dead: set[str] = set()
        self.living: list[Leases] = []
        self.holder: dict[str, str] = {}
        self.sign: dict[str, float] = {}
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: self.clock))
        self.patch.setattr(leases, "ended", lambda name: name in self.dead and name.startswith("here"))

    def teardown(self) -> None:
        self.patch.undo()
        self.place.cleanup()

    def stamp(self, key: str, jump: int) -> None:
        self.count += 1
        date = 10**18 + jump * 10**9 + self.count
        os.utime(lease_path(self.store, key), ns=(date, date))
        self.sign[key] = self.clock

    @initialize()
    def two(self):
        self.start("here")
        self.start("there")

    @precondition(lambda self: len(self.living) < 3)
    @rule(host=st.sampled_from(["here", "there"]))
    def start(self, host):
        one = Leases(self.store)
        self.count += 1
        one.owner = f"{host}.{self.count}"
        self.living.append(one)

    @precondition(lambda self: self.living)
    @rule(data=st.data(), key=st.sampled_from(KEYS), jump=st.integers(-(10**6), 10**6))
    def take(self, data, key, jump):
        for one in data.draw(st.permutations(self.living)):
            holder = self.holder.get(key)
            if one.take(key):
                here = holder in self.dead and holder.startswith("here")
                assert holder is None or here or self.clock - self.sign[key] >= EXPIRY
                self.holder[key] = one.owner
                self.stamp(key, jump)
            else:
                assert holder is not None

    @precondition(lambda self: self.living)
    @rule(data=st.data(), jump=st.integers(-(10**6), 10**6))
    def beat(self, data, jump):
        one = data.draw(st.sampled_from(self.living))
        before = {key: leases.look(lease_path(self.store, key)) for key in self.holder}
        one.sign()
        for key, owner in self.holder.items():
            if owner == one.owner:
                self.stamp(key, jump)
            else:
                assert leases.look(lease_path(self.store, key)) == before[key]

    @precondition(lambda self: self.living)
    @rule(data=st.data(), key=st.sampled_from(KEYS))
    def release(self, data, key):
        one = data.draw(st.sampled_from(self.living))
        one.release(key)
        if self.holder.get(key) == one.owner:
            del self.holder[key]

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def kill(self, data):
        one = data.draw(st.sampled_from(self.living))
        self.living.remove(one)
        self.dead.add(one.owner)

    @rule(seconds=st.sampled_from([leases.BEAT, EXPIRY / 2, EXPIRY]))
    def wait(self, seconds):
        self.clock += seconds

    @precondition(lambda self: self.living and self.dead)
    @rule(key=st.sampled_from(KEYS))
    def take_over(self, key):
        """Whoever looks on for long enough gets what a dead run held."""
        if self.holder.get(key) not in self.dead:
            return
        one = self.living[0]
        got = one.take(key)
        self.clock += EXPIRY
        assert got or one.take(key)
        self.holder[key] = one.owner
        self.stamp(key, 0)

    @invariant()
    def each_knows_what_it_holds(self):
        for one in self.living:
            for key in KEYS:
                assert one.mine(key) == (self.holder.get(key) == one.owner)


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=80, stateful_step_count=30, deadline=None, derandomize=True,
                             phases=[Phase.generate])  # fmt: skip


@pytest.fixture
def pair(tmp_path):
    with Leases(tmp_path) as one, Leases(tmp_path) as two:
        yield one, two


def test_a_lease_that_somebody_took_over_between_two_looks_is_put_back(pair, tmp_path):
    one, two = pair
    path = lease_path(tmp_path, "a1")
    path.write_text("gone")
    old = leases.look(path)
    path.unlink()
    assert two.take("a1")
    assert not one._clear(path, old)
    assert two.mine("a1")
    assert not one.take("a1")


def test_an_end_gives_everything_back_and_a_late_thread_gets_nothing(tmp_path):
    with Leases(tmp_path) as one:
        assert one.take("a1")
        assert one.take("b2")
    assert [path.name for path in (tmp_path / "leases").iterdir()] == ["runs"]
    assert not one.take("c3")
    assert [path.name for path in (tmp_path / "leases").iterdir()] == ["runs"]


def test_a_lease_without_a_name_as_a_kill_may_leave_it_expires(pair, tmp_path, monkeypatch):
    lease_path(tmp_path, "a1").write_text("")
    assert not pair[0].take("a1")
    monkeypatch.setattr(leases, "EXPIRY", 0)
    assert pair[0].take("a1")


def test_the_far_end_hears_that_its_cell_is_no_longer_wanted(pair, tmp_path):
    one, two = pair
    one.take("a1")
    far = Holder(lease_path(tmp_path, "a1"))
    assert far.wanted()
    one.release("a1")
    assert not far.wanted()
    two.take("a1")
    assert not far.wanted()


def test_a_far_end_goes_on_while_the_store_is_out_of_reach(pair, tmp_path, monkeypatch):
    pair[0].take("a1")
    far = Holder(lease_path(tmp_path, "a1"))

    def fails(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(leases, "look", fails)
    assert far.wanted()


def test_a_store_that_cannot_be_written_is_one_clear_message(tmp_path, monkeypatch):
    with Leases(tmp_path) as one:
        (tmp_path / "leases").rename(tmp_path / "gone")
        with pytest.raises(StoreError, match="cannot write"):
            one.take("a1")
        one.sign()


def test_shared_folders_of_living_runs_are_known_and_of_dead_ones_forgotten(tmp_path, monkeypatch):
    with Leases(tmp_path, ["x"]) as one, Leases(tmp_path, ["y", "z"]) as two:
        assert one.used_elsewhere() == {"y", "z"}
        assert two.used_elsewhere() == {"x"}
        old = tmp_path / "leases" / "runs" / two.owner
        os.utime(old, ns=(0, 0))
        assert one.used_elsewhere() == set()
        assert two.used_elsewhere() == {"x"}  # it was suspended only, and appears again
        assert one.used_elsewhere() == {"y", "z"}


def test_processes_that_have_ended_are_told_from_living_and_foreign_ones():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert files.ended(f"{files.host()}.{child}-0")  # a zombie, which computes nothing
    os.waitpid(child, 0)
    assert files.ended(f"{files.host()}.{child}-0")
    assert not files.ended(files.writer())
    assert not files.ended(f"00000000.{child}-0")
    assert not files.ended("")


def test_hundreds_of_cells_on_many_runs_are_computed_once_each(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "PAUSE", 0.01)
    keys = [f"{number:04x}" for number in range(300)]
    computed: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    done: set[str] = set()

    def go() -> None:
        with Leases(tmp_path) as own:
            mine = Turns([Work(key, Path) for key in keys], own, lambda key: key if key in done else None, print)
            for work in mine:
                computed[work.key] += 1
                done.add(work.key)
                own.release(work.key)
            taken.update(key for key, _ in mine.elsewhere())

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert computed == Counter(keys)
    assert taken == Counter(keys * 3)


def test_leased_cells_come_last_and_what_is_given_up_is_run(pair, monkeypatch):
    monkeypatch.setattr(turns, "PAUSE", 0.01)
    one, two = pair
    two.take("a1")
    told: list[int] = []

    def waiting(cells: int) -> None:
        told.append(cells)
        two.release("a1")  # its cell failed there

    order = [work.key for work in Turns([Work(key, Path) for key in KEYS], one, lambda key: None, waiting)]
    assert order == ["b2", "a1"]
    assert told == [1]


def test_waiting_ends_when_it_is_told_to(pair):
    one, two = pair
    two.take("a1")
    mine = Turns([Work("a1", Path)], one, lambda key: None, lambda cells: mine.close())
    assert list(mine) == []
