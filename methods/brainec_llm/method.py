"""BrainEC-LLM: a directed graph from the attention of a reconstruction model (the plugin).

Torch and transformers are imported when a graph is asked for, not when methods are listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ...benchmark.contracts import Card, Context, Method, TaskInfo, Train
from ...benchmark.errors import needing
from ...benchmark.kinds.connectivity import Graphs, Network
from .options import PRESETS, Options

NOTES = (
    "One model is trained from scratch on all subjects of a network, without labels, and gives one graph. "
    "Published: the layers and their order, sizes, loss weights, optimiser and the cosine that rises again. Ours: "
    "the same number of epochs for every data set; the graph is read once, from the last epoch, with dropout off, "
    "as an average over all subjects (graph_from=training is the published reading); no epoch is chosen by its "
    "score; the contrastive term is computed in logarithms, because its exponentials overflow from 18 regions on. "
    "The published sparsity term is the sum of a softmax, a constant without gradient: the default leaves it out, "
    "which changes nothing but noise from dropout (sparsity=l1-noop puts it back); sparsity=entropy is a term that "
    "works, ours. The acyclicity term can never be zero, since each region must attend to another one, and its "
    "weight is the same for all data, cyclic or not. Residual paths carry each region's own series past the "
    "attention, so that reconstruction does not need the graph; and nothing in the model uses temporal order, so "
    "direction rests on the difference of query and key weights. The range over seeds shows how much of a graph is "
    "the random start's. 'small' is the same code on two CPU cores: the first two layers of SmolLM2, prototypes "
    "from its 1024 most frequent words (they span its whole embedding), the first ten subjects, a prompt of at most "
    "768 tokens (beyond, the strongest correlations only), and 20 epochs: one fall of the rate from its peak to "
    "zero, a minute on five nodes and 200 frames, ten on fifty; chosen by time, the same for all data. The result "
    "depends on the order of regions as it does on the seed: weights over regions are drawn at random. Recordings of "
    "unequal length are cut to the shortest. Our own readings where the source is silent: the hidden width of the "
    "contrastive projections is their output's, and graph attention has no biases."
)


@dataclass
class BrainECLLM(Options, Method):
    """Multi-scale patches read by a language model, and attention between regions. See `Options`."""

    card: ClassVar[Card] = Card(
        title="BrainEC-LLM",
        summary="Reconstructs all subjects' series through a language model with LoRA; the attention between regions "
        "behind the decoder is the graph.",
        paper="BrainEC-LLM (NeurIPS 2025); code: github.com/XiongWenXww/BrainEC-LLM",
        pretraining=("SmolLM2's public text corpora (the default language model); no brain data",),
        parameters="paper: 128 M in the map to word prototypes, 20 M LoRA, around Llama-3-8B; small: 2.7 M",
        notes=NOTES,
    )
    supports: ClassVar[tuple[str, ...]] = ("connectivity",)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def skip(self, task: TaskInfo) -> str | None:
        """Only networks of several subjects."""
        if task.track != "multi-group":
            return "trains one model on all subjects: use @multi-group"
        return None

    def fit(self, train: Train, context: Context) -> None:
        """Nothing: there are no labels."""
        self.verify()

    def predict(self, test: Sequence[Network], context: Context) -> Graphs:
        """One graph a network, each from a model of its own."""
        self.verify()
        found = [_pipeline().recover(self, network, context) for network in test]
        self._facts = [facts for _, facts in found]
        return Graphs([scores for scores, _ in found])

    def report(self) -> dict[str, Any]:
        """Subjects, prompt, seconds, losses, language model and parameters; in a list for several networks."""
        facts: list[dict[str, Any]] = getattr(self, "_facts", [])
        return facts[0] if len(facts) == 1 else {"networks": facts} if facts else {}


def _pipeline() -> Any:
    """The module that needs torch, transformers and peft; `ExtraMissing` when one is not installed."""
    with needing("torch", "torch", "transformers", "peft", "safetensors"):
        from . import pipeline
    return pipeline
