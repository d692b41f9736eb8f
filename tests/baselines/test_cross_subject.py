"""From other brains to one: the network against plain numpy, its size, whom it reads, and a planted common part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from film_toy import PARCELS, SUBJECTS, one_subject_each, toy_items, train_of

torch = pytest.importorskip("torch")

from brainbench.baselines.cross_subject import CrossSubject, OthersMean  # noqa: E402
from brainbench.baselines.cross_subject_network import CrossSubject as Network  # noqa: E402
from brainbench.benchmark.contracts import Context, TaskInfo  # noqa: E402
from brainbench.benchmark.errors import BadOption, Skipped  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count  # noqa: E402

QUICK = {"width": 16, "rate": 3e-3, "crops": 400, "epochs": 4}


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
    others = torch.randn(2, 4, 20, 5)
    there = torch.tensor([[True, True, False, True], [True, True, True, True]])
    asked = torch.tensor([1, 3])
    found = network(others, there, asked).detach().numpy()
    kernels = held["convolution.weight"].reshape(4, 3, 7)
    offsets = held["convolution.bias"].reshape(4, 3)
    for item, (who, givers) in enumerate(((1, (0, 3)), (3, (0, 1, 2)))):
        codes = []
        for s in givers:
            x = others[item, s].numpy().astype(np.float64)
            own = x @ held["own_encoders"][s] + held["own_offsets"][s]
            padded = np.pad(own, ((3, 3), (0, 0)))
            late = np.stack([(padded[t : t + 7] * kernels[s].T).sum(0) for t in range(20)]) + offsets[s]
            codes.append(x @ held["encoder.weight"].T + held["encoder.bias"] + late)
        code = np.mean(codes, axis=0)
        wanted = code @ held["head.weight"].T + held["head.bias"]
        wanted += code @ held["own_heads"][who] + held["own_levels"][who]
        np.testing.assert_allclose(found[item], wanted, atol=1e-3)


def test_the_one_who_is_asked_for_is_never_read():
    torch.manual_seed(0)
    network = Network(3, 5, 4, 7)
    others, asked = torch.randn(3, 3, 10, 5), torch.arange(3)
    there = torch.ones(3, 3, dtype=torch.bool)
    before = network(others, there, asked)
    changed = others.clone()
    changed[torch.arange(3), asked] = 1e6
    assert torch.equal(before, network(changed, there, asked))
    changed[0, 1] += 1
    assert not torch.equal(before[0], network(changed, there, asked)[0])


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
    whole = {row: train.targets[row] for row in range(len(train.inputs))}
    draw = np.random.default_rng(0)
    starts = set()
    for row in range(len(train.inputs)):
        given, there, asked, truth = method._crop(train, row, draw)
        subject = SUBJECTS[asked]
        response = whole[row][subject]
        start = next(t for t in range(len(response)) if np.array_equal(response[t : t + 64], truth))
        starts.add(start)
        assert not there[asked]
        run = train.inputs[row]
        assert there.tolist() == [f"responses/{name}" in run.streams for name in SUBJECTS]
        for number in np.flatnonzero(there):
            np.testing.assert_array_equal(given[number], run.padded(f"responses/{SUBJECTS[number]}", start, start + 64))
    assert len(starts) > 10


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
