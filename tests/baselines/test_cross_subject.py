"""From other brains to one: the network against plain numpy, its size, whom it reads, and a planted common part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from film_toy import PARCELS, SUBJECTS, one_subject_each, toy_items, train_of

torch = pytest.importorskip("torch")

from brainbench.baselines.cross_subject import CrossSubject, OthersMean, viewers  # noqa: E402
from brainbench.baselines.cross_subject_network import CrossSubject as Network  # noqa: E402
from brainbench.benchmark.contracts import Context, TaskInfo  # noqa: E402
from brainbench.benchmark.errors import BadOption, Skipped  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count  # noqa: E402

QUICK = {"width": 16, "rate": 3e-3, "crops": 200, "epochs": 4}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def context(tmp_path):
    return Context(TaskInfo("toy@cross-subject", "encoding", "responses"), 0, tmp_path)


def scored(items, prediction):
    """Subject -> mean r over parcels, all runs as one series."""
    found = {}
    for subject in SUBJECTS:
        truth = items.arrays[f"responses/{subject}"]
        rows = [row for row, values in enumerate(truth) if values is not None]
        a = np.concatenate([truth[row] for row in rows])
        b = np.concatenate([prediction[row][subject] for row in rows])
        found[subject] = np.mean([np.corrcoef(a[:, p], b[:, p])[0, 1] for p in range(PARCELS)])
    return found


def test_the_network_is_what_numpy_computes():
    torch.manual_seed(0)
    network = Network(4, 5, 3, 7)
    for value in network.parameters():
        torch.nn.init.normal_(value)
    held = {name: value.detach().numpy().astype(np.float64) for name, value in network.named_parameters()}
    responses = torch.randn(4, 2, 20, 5)
    there = torch.tensor([[True, True, False, True], [True, True, True, True]])
    found = network(responses, there).detach().numpy()
    kernels = held["convolution.weight"].reshape(4, 3, 7)
    offsets = held["convolution.bias"].reshape(4, 3)
    for item, who, givers in ((0, 1, (0, 3)), (0, 2, (0, 1, 3)), (1, 3, (0, 1, 2))):
        codes = []
        for s in givers:
            x = responses[s, item].numpy().astype(np.float64)
            own = x @ held["own_encoders"][s] + held["own_offsets"][s]
            padded = np.pad(own, ((3, 3), (0, 0)))
            late = np.stack([(padded[t : t + 7] * kernels[s].T).sum(0) for t in range(20)]) + offsets[s]
            codes.append(x @ held["encoder.weight"].T + held["encoder.bias"] + late)
        code = np.mean(codes, axis=0)
        wanted = code @ held["head.weight"].T + held["head.bias"]
        wanted += code @ held["own_heads"][who] + held["own_levels"][who]
        np.testing.assert_allclose(found[who, item], wanted, atol=1e-3)


def test_nobody_is_predicted_from_himself():
    torch.manual_seed(0)
    network = Network(3, 5, 4, 7)
    responses, there = torch.randn(3, 2, 10, 5), torch.ones(2, 3, dtype=torch.bool)
    before = network(responses, there)
    changed = responses.clone()
    changed[1] += 1
    after = network(changed, there)
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[0], after[0])
    there[:, 1] = False
    torch.testing.assert_close(network(responses, there)[0], network(changed, there)[0])


def test_published_size():
    """As MedARC's default_cross_encoding: shared and own encoders and heads, a kernel a channel of the own ones."""
    method = CrossSubject()
    d, k, parcels, subjects = method.width, method.kernel, 1000, 4
    assert (d, k, method.length, method.crops, method.epochs, method.patience) == (64, 7, 64, 2000, 10, 1)
    shared = parcels * d + d
    own = subjects * (parcels * d + d + d * k + d)
    heads = (subjects + 1) * (d * parcels + parcels)
    assert parameter_count(Network(subjects, parcels, d, k)) == shared + own + heads == 647_368


def test_a_common_part_is_found_and_beats_the_mean(context):
    test = one_subject_each(toy_items(("s7", "wolf"), seed=5))
    runs = train_of(test).inputs
    train = train_of(one_subject_each(toy_items(lacking=("sub-02", "s100"))))
    method = CrossSubject(**QUICK)
    method.fit(train, context)
    learned = scored(test, method.predict(runs, context))
    plain = OthersMean()
    plain.fit(train, context)
    mean = scored(test, plain.predict(runs, context))
    assert min(mean.values()) > 0.2
    assert all(learned[subject] > mean[subject] + 0.05 for subject in SUBJECTS)
    report = method.report()
    assert report["validation_films"] == ["figures"]
    assert abs(report["validation_r"] - np.mean(list(learned.values()))) < 0.1


def test_no_common_part_scores_nothing(context):
    """Noise alone: the responses of others tell nothing."""
    quiet = toy_items(("s7",), noise=30.0, seed=5)
    test = one_subject_each(quiet)
    method = CrossSubject(**{**QUICK, "epochs": 1})
    method.fit(train_of(one_subject_each(toy_items(noise=30.0))), context)
    assert abs(np.mean(list(scored(test, method.predict(train_of(test).inputs, context)).values()))) < 0.05


def test_crops_are_of_one_stretch_for_all(context):
    train = train_of(one_subject_each(toy_items(lacking=("sub-02", "s100"))))
    method = CrossSubject(**QUICK)
    method.subjects, method.parcels = SUBJECTS, PARCELS
    draw = np.random.default_rng(0)
    starts = set()
    shown = viewers(train, np.arange(len(train.inputs)))
    assert len(shown) == 9 + 6  # two showings of three stimuli
    for (stimulus, _), rows in shown.items():
        assert sorted(rows) == [name for name in SUBJECTS if (name, stimulus) != ("sub-02", "s100")]
        values, there, asked = method._crop(train, rows, draw)
        assert there.tolist() == asked.tolist() == [name in rows for name in SUBJECTS]
        first = train.targets.read(rows["sub-01"], "sub-01")
        start = next(t for t in range(len(first)) if np.array_equal(first[t : t + 64], values[0]))
        starts.add(start)
        for subject, row in rows.items():
            crop = train.targets.read(row, subject, start, start + 64)
            np.testing.assert_array_equal(values[SUBJECTS.index(subject)], crop)
    assert len(starts) > 8


def test_runs_that_are_shorter_than_a_crop(context):
    train = train_of(one_subject_each(toy_items(time=40, stimuli=2)))
    method = CrossSubject(**{**QUICK, "epochs": 1, "crops": 32})
    method.fit(train, context)
    found = method.predict(train.inputs, context)
    for run, told in zip(train.inputs, found, strict=True):
        assert {name: len(values) for name, values in told.items()} == run.frames


def test_same_seed_same_prediction(context):
    train = train_of(one_subject_each(toy_items(stimuli=2)))
    found = []
    for seed in (0, 0, 1):
        method = CrossSubject(**{**QUICK, "epochs": 1, "crops": 64})
        own = replace(context, seed=seed)
        method.fit(train, own)
        found.append(method.predict(train.inputs, own)[0]["sub-01"])
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_the_mean_of_the_others_is_their_mean(context):
    items = toy_items(lacking=("sub-02", "s100"))
    single = one_subject_each(items)
    found = OthersMean().predict(train_of(single).inputs, context)
    row = list(single.table.index).index("s202 sub-01")
    number = list(items.table.index).index("s202")
    frames = items.table.loc["s202", "frames:sub-01"]
    second = items.arrays["responses/sub-02"][number][:frames]
    third = items.arrays["responses/sub-03"][number][:frames]
    np.testing.assert_allclose(found[row]["sub-01"], (second + third) / 2, rtol=1e-5)
    row = list(single.table.index).index("s100 sub-01")
    alone = items.arrays["responses/sub-03"][list(items.table.index).index("s100")]
    np.testing.assert_array_equal(found[row]["sub-01"], alone[: len(found[row]["sub-01"])])


@pytest.mark.parametrize("method", [CrossSubject(**QUICK), OthersMean()])
def test_skipped_where_others_are_not_given(method, context):
    info = context.task
    assert "toy@cross-subject" in method.skip(replace(info, name="toy"))
    assert "toy@cross-subject" in method.skip(replace(info, name="toy@both-showings"))
    assert method.skip(info) is None
    with pytest.raises(Skipped):
        method.fit(train_of(toy_items()), context)


@pytest.mark.parametrize("options", [{"kernel": 6}, {"kernel": 0}, {"width": 0}, {"patience": 0}, {"rate": 0.0}])
def test_refused_options(options):
    with pytest.raises(BadOption):
        CrossSubject(**options)
