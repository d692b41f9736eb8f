"""The training loop: schedule, early stopping, validation rows, seeds."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from brainbench.benchmark.nn import training  # noqa: E402
from brainbench.benchmark.nn.ahead import ahead  # noqa: E402
from brainbench.benchmark.nn.training import Recipe, batches, hold_out, rate_at, reproducible, train  # noqa: E402


def _line() -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    x = torch.linspace(-1, 1, 40)[:, None]
    return nn.Linear(1, 1), x, 3 * x + 1


def _loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor):
    return lambda rows: ((model(x[rows]) - y[rows]) ** 2).mean()


def test_it_learns_and_tells_progress(context):
    seen = []
    watched = training.Context(context.task, 0, context.workdir, progress=lambda *step: seen.append(step))
    with reproducible(watched):
        model, x, y = _line()
        recipe = Recipe(60, 8, 0.1, 0.01)
        history = train(model, _loss(model, x, y), np.arange(40), recipe, watched)
    assert history.losses[-1] < 1e-3 < history.losses[0]
    assert history.best == 60
    assert seen == [("epochs", epoch + 1, 60) for epoch in range(60)]


def test_the_best_epoch_is_kept_and_patience_ends_the_run(context):
    scores = iter([0.1, math.nan, 0.9, 0.2, 0.3, 0.8, 0.99])
    states = []
    model, x, y = _line()

    def score() -> float:
        assert not model.training
        assert not torch.is_grad_enabled()
        states.append(model.weight.detach().clone())
        return next(scores)

    history = train(model, _loss(model, x, y), np.arange(40), Recipe(7, 8, 0.05, patience=3), context, score)
    assert history.best == 3
    assert len(history.losses) == len(history.scores) == 6
    torch.testing.assert_close(model.weight.detach(), states[2], rtol=0, atol=0)


def test_training_looks_at_its_rows_only(context):
    model, x, y = _line()
    seen: set[int] = set()

    def loss(rows: np.ndarray) -> torch.Tensor:
        seen.update(rows.tolist())
        return ((model(x[rows]) - y[rows]) ** 2).mean()

    train(model, loss, np.arange(0, 40, 2), Recipe(2, 8, 0.1), context)
    assert seen == set(range(0, 40, 2))


def test_same_seed_same_weights_whatever_came_before(context):
    weights = []
    for noise in (0, 5):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        with reproducible(context):
            model, x, y = _line()
            train(model, _loss(model, x, y), np.arange(40), Recipe(3, 8, 0.1), context)
        assert torch.equal(torch.get_rng_state(), before)
        weights.append(model.weight.detach().clone())
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_batches_hold_every_row_once_and_none_is_alone():
    parts = batches(np.arange(100, 133), 16, np.random.default_rng(0))
    assert sorted(np.concatenate(parts)) == list(range(100, 133))
    assert sorted(map(len, parts)) == [11, 11, 11]


@pytest.mark.parametrize(("schedule", "middle"), [("cosine", 0.55), ("linear", 0.55), ("constant", 1.0)])
def test_learning_rate(schedule, middle):
    recipe = Recipe(1, 1, 1.0, 0.1, schedule, warmup=0.1)
    assert rate_at(recipe, 0, 100) == pytest.approx(0.1)
    assert rate_at(recipe, 10, 100) == pytest.approx(1.0)
    assert rate_at(recipe, 55, 100) == pytest.approx(middle)
    assert rate_at(recipe, 100, 100) == pytest.approx(1.0 if schedule == "constant" else 0.1)


def test_learning_rate_is_halved_four_times_on_the_way():
    recipe = Recipe(1, 1, 1.0, schedule="halving")
    assert [rate_at(recipe, step, 100) for step in (0, 19, 20, 40, 60, 80, 99)] == [
        1,
        1,
        0.5,
        0.25,
        0.125,
        0.0625,
        0.0625,
    ]


def test_validation_part_cuts_no_subject_and_is_empty_when_too_small():
    groups = np.repeat(np.arange(40), 2)
    labels = groups % 2
    rows, held_out = hold_out(labels, groups, 8, seed=0)
    assert not set(groups[rows]) & set(groups[held_out])
    assert len(rows) + len(held_out) == 80
    assert set(labels[held_out]) == {0, 1}
    rows, held_out = hold_out(labels[:20], groups[:20], 8, seed=0)
    assert (len(rows), len(held_out)) == (20, 0)


def test_a_batch_in_parts_gives_the_same_weights(context):
    weights = []
    for parts in (1, 3):
        with reproducible(context):
            model, x, y = _line()
            train(model, _loss(model, x, y), np.arange(40), Recipe(2, 8, 0.1, parts=parts), context)
        weights.append(model.weight.detach())
    torch.testing.assert_close(*weights)


def test_warm_up_decay_and_steps_follow_their_schedules(context):
    recipe = Recipe(5, 8, 1.0, warmup=0.2, first_rate=0.5, optimiser="adamw", weight_decay=0.04, final_decay=0.4)
    assert rate_at(recipe, 0, 20) == pytest.approx(0.5 + 0.5 / 4)
    model, x, y = _line()
    decays, shares = [], []

    def loss(rows: np.ndarray) -> torch.Tensor:
        decays.append([group["weight_decay"] for group in optimisers[0].param_groups])
        return ((model(x[rows]) - y[rows]) ** 2).mean()

    optimisers = []
    with pytest.MonkeyPatch.context() as patch:
        made = training._optimiser
        patch.setattr(training, "_optimiser", lambda *given: optimisers.append(made(*given)) or optimisers[-1])
        groups = [{"params": [model.weight]}, {"params": [model.bias], "weight_decay": 0.0}]
        train(model, loss, np.arange(40), recipe, context, None, groups, shares.append)
    assert shares == pytest.approx(np.arange(1, 26) / 25)
    assert [own for _, own in decays] == [0.0] * 25
    expected = 0.4 + (0.04 - 0.4) * (1 + np.cos(np.pi * np.arange(25) / 25)) / 2
    assert [decay for decay, _ in decays] == pytest.approx(expected)


def test_the_next_batch_is_read_while_one_is_in_use():
    read = {number: threading.Event() for number in range(3)}

    def load(part: np.ndarray) -> int:
        read[int(part[0])].set()
        return int(part[0])

    parts = [np.array([number]) for number in range(3)]
    with ahead(load, parts, threaded=True) as loaded:
        for number in range(3):
            assert next(loaded) == number
            assert number == 2 or read[number + 1].wait(60)
    for event in read.values():
        event.clear()
    with ahead(load, parts, threaded=False) as loaded:
        assert next(loaded) == 0
        assert not read[1].is_set()


def test_reading_ahead_changes_nothing_and_raises_what_reading_raises(context):
    x = torch.linspace(-1, 1, 40)[:, None]
    found = []
    for threads in (1, 2):
        rng = np.random.default_rng(0)
        watched = replace(context, threads=threads)
        with reproducible(watched):
            model = nn.Linear(1, 1)
            train(
                model, lambda rows, model=model: ((model(rows) - 3 * rows) ** 2).mean(), np.arange(40),
                Recipe(3, 8, 0.1, parts=2), watched, load=lambda rows, rng=rng: x[rows] + float(rng.normal()),
            )  # fmt: skip
        found.append(model.weight.detach())
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    for threaded in (True, False):
        with ahead(lambda part: x[part], [np.array([99])], threaded) as loaded, pytest.raises(IndexError):
            next(loaded)
