"""Locating concepts: gradients reach the tokens, a planted cube is found, maps of several sizes, nullification."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from nv2l_toy import meta_of, places

from brainbench.benchmark.contracts import Context, TaskInfo
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.seen import Responses, Stimulus
from brainbench.methods.nv2l.brain_options import BRAIN_SMALL, BrainOptions
from brainbench.methods.nv2l.localise import (
    concept_vectors,
    likeness,
    locate,
    min_max,
    model_maps,
    nullification,
    path_map,
    token_map,
)
from brainbench.methods.nv2l.training import fit_encoder

OPTIONS = BrainOptions(
    **{
        **BRAIN_SMALL, "width": 32, "layers": 2, "heads": 4, "head_hidden": 32, "epochs": 12, "rate": 4e-3,
        "hold_out": 0, "vae": False, "patch": 3,
    }
)  # fmt: skip
NAMES = ("dog", "cat", "boat")


def regions(near):
    """Which voxels answer to each concept, by where they lie."""
    return {"dog": near[:, 0] < 0.35, "cat": near[:, 0] > 0.65, "boat": abs(near[:, 1] - 0.5) > 0.28}


@dataclass
class Planted:
    """Images with some of three concepts, each of which drives the voxels of one place."""

    responses: Responses
    features: np.ndarray
    seen: list
    encoders: list

    @property
    def vectors(self):
        return concept_vectors(self.features, self.seen)

    @property
    def wanted(self):
        return np.stack([self.vectors[name] for name in self.responses.concepts])


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    meta, rng = meta_of(folder), np.random.default_rng(0)
    spaces = Responses(Items(pd.DataFrame(index=[]), {}, meta)).spaces
    items, arrays, features, groups, seen = [], [], [], [], []
    present = rng.random((120, 3)) < 0.5
    present[np.arange(120), np.arange(120) % 3] = True
    for brain, space in spaces.items():
        here = np.stack(list(regions(places(space.shape)).values()))
        for image in range(120):
            signal = 3.0 * present[image] @ here + 0.7 * rng.normal(size=(3, here.shape[1]))
            arrays.append(signal.astype(np.float32))
            features.append(np.concatenate([present[image] - 0.5, 0.3 * rng.normal(size=5)]))
            groups.append(image)
            seen.append(Stimulus(boxes={NAMES[k]: np.zeros((1, 4)) for k in np.flatnonzero(present[image])}))
            items.append({"id": f"{brain}/{image}", "subject_space": brain, "concept": NAMES[image % 3]})
    responses = Responses(Items(pd.DataFrame(items).set_index("id"), {"response": arrays}, meta))
    context = Context(TaskInfo("nsd-localisation", "localisation", "relevance"), 0, folder)
    made = np.array(features, np.float32)
    encoders = [fit_encoder(responses, made, None, np.array(groups), OPTIONS, context, patch=side) for side in (4, 3)]
    return Planted(responses, made, seen, encoders)


def truth(responses, row):
    return regions(places(responses.spaces[responses.brains[row]].shape))[responses.concepts[row]]


def test_directions_are_differences_of_class_means():
    features = np.array([[3.0, 1.0], [5.0, 1.0], [0.0, 1.0], [0.0, 1.0]], np.float32)
    seen = [
        Stimulus(boxes={"dog": np.zeros((1, 4))}),
        Stimulus(boxes={"dog": np.zeros((1, 4)), "cup": np.zeros((1, 4))}),
    ]
    found = concept_vectors(features, [*seen, Stimulus(), Stimulus()])
    assert set(found) == {"dog"}  # one image with a cup tells nothing
    np.testing.assert_allclose(found["dog"], [1, 0], atol=1e-6)


def test_gradients_flow_to_every_token(planted):
    responses, encoders = planted.responses, planted.encoders
    rows = responses.rows("subj01")[:4]
    cubes = encoders[0].cubes("subj01", responses.spaces["subj01"], responses.matrix(rows))
    score, states = likeness(encoders[0], "subj01", cubes, torch.eye(8)[[0, 1, 2, 0]])
    (gradient,) = torch.autograd.grad(score.sum(), states)
    assert (gradient.abs().sum(dim=-1) > 0).all()
    assert score.abs().max() <= 1


def test_channel_weights_are_mean_gradients(planted):
    responses, encoders = planted.responses, planted.encoders
    rows = responses.rows("subj02")[:3]
    encoder = encoders[1]
    cubes, wanted = encoder.cubes("subj02", responses.spaces["subj02"], responses.matrix(rows)), torch.eye(8)[:3]
    score, states = likeness(encoder, "subj02", cubes, wanted)
    (gradient,) = torch.autograd.grad(score.sum(), states)
    weights = gradient[:, 1:].mean(dim=1)
    by_hand = torch.einsum("nc,ntc->nt", weights, states[:, 1:]).clamp(min=0).detach().numpy()
    made = token_map(replaced(encoder, "channel"), "subj02", cubes, wanted)
    np.testing.assert_allclose(made, by_hand, rtol=1e-3, atol=1e-6)


def replaced(encoder, cam):
    encoder.options = replace(encoder.options, cam=cam)
    return encoder


@pytest.mark.parametrize("cam", ["channel", "token", "path"])
def test_a_planted_place_is_found(planted, cam):
    from sklearn.metrics import roc_auc_score

    responses, encoders, wanted = planted.responses, planted.encoders, planted.wanted
    maps = locate([replaced(encoder, cam) for encoder in encoders], responses, wanted)
    assert all(one.min() == 0 and one.max() in (0, 1) for one in maps)
    assert len(maps[0]) == len(responses.spaces["subj01"].index)
    scores = [roc_auc_score(truth(responses, row), one) for row, one in enumerate(maps)]
    assert np.mean(scores) > 0.75


def test_path_maps_share_out_the_rise_of_the_likeness(planted, monkeypatch):
    monkeypatch.setattr("brainbench.methods.nv2l.localise.PATH_STEPS", 300)
    responses, encoder = planted.responses, planted.encoders[0]
    rows = responses.rows("subj01")[:6]
    values = encoder.scaling.of("subj01", responses.matrix(rows))
    wanted = torch.from_numpy(planted.wanted[rows])
    found = path_map(encoder, "subj01", values, wanted)
    assert found.shape == values.shape
    assert found.min() == 0
    other = path_map(encoder, "subj01", values, -wanted)  # the voxels that speak against it
    with torch.no_grad():
        ends = [
            torch.cosine_similarity(
                encoder.network("subj01")(torch.from_numpy(encoder.volumes.tokens_of("subj01", part))).features, wanted
            ).numpy()
            for part in (values, np.zeros_like(values))
        ]
    rise = ends[0] - ends[1]
    np.testing.assert_allclose((found - other).sum(axis=1), rise, atol=0.05)


def test_maps_of_several_sizes_count_alike(planted):
    responses, encoders, wanted = planted.responses, planted.encoders, planted.wanted
    first, second = (model_maps(encoder, responses, wanted) for encoder in encoders)
    both = locate(encoders, responses, wanted)
    row = 5
    by_hand = first[row] / first[row].max() + second[row] / second[row].max()
    np.testing.assert_allclose(both[row], min_max(by_hand), atol=1e-5)
    np.testing.assert_array_equal(min_max(np.full(3, 2.0)), np.zeros(3))


def test_deleting_the_found_voxels_takes_the_concept_away(planted):
    responses, encoders, wanted = planted.responses, planted.encoders, planted.wanted
    maps = locate([replaced(encoder, "token") for encoder in encoders], responses, wanted)
    told = nullification(encoders[0], responses, maps, planted.vectors, seed=0, share=0.1)
    assert told["items"] == len(responses)
    assert told["drop"] > told["random_drop"] + 0.01
    assert told["beats_random"] > 0.7
    reversed_maps = [1 - one for one in maps]
    assert (
        nullification(encoders[0], responses, reversed_maps, planted.vectors, seed=0, share=0.1)["drop"] < told["drop"]
    )
    assert nullification(encoders[0], responses, maps, {}, seed=0) == {"items": 0}
