"""Rewriting by a language model: taken only where every z-score is kept."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from brainbench.benchmark.describe.rewriting import rewrite
from brainbench.benchmark.nn import generation
from brainbench.benchmark.nn.language import load_language

TEXT = "Graph measures. Whole brain: modularity raised (+1.2); clustering typical (-0.3)."


@pytest.fixture(scope="module")
def language():
    return load_language("tiny-random", 0, 0)


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        ("Modularity was +1.2, above most people's, while clustering at -0.3 was ordinary.", True),
        ("Modularity was +1.3, while clustering at -0.3 was ordinary.", False),
        ("Modularity was +1.2.", False),
        ("Clustering was +1.2 and -0.3 and efficiency +0.1.", False),
        ("Clustering at -0.3 was ordinary, modularity +1.2.", False),
        ("Modularity was -1.2, while clustering at -0.3 was ordinary.", False),
        ("", False),
    ],
)
def test_a_rewriting_is_taken_where_it_keeps_the_z_scores(language, monkeypatch, answer, taken):
    asked = []

    def generate(model, prefix, prompts, new_tokens):
        asked.append((model.tokenizer.decode(prompts[0]), new_tokens))
        return [answer]

    monkeypatch.setattr(generation, "generate", generate)
    assert rewrite(TEXT, language) == (answer if taken else TEXT)
    assert TEXT in asked[0][0]
    assert asked[0][1] >= len(language.tokenizer.encode(TEXT))


def test_a_model_that_cannot_write_leaves_the_text(language):
    assert rewrite(TEXT, language) == TEXT
