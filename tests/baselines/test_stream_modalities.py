"""Streams to modalities: the names that the field uses, traps among them, and what a person says."""

from __future__ import annotations

import pytest

from brainbench.baselines.stream_modalities import by_modality, modalities
from brainbench.benchmark.errors import BadOption

NAMES = {
    "llama_3.2_3b/model.layers.11": "language",
    "smollm2/model.layers.5": "language",
    "bert-base/pooled": "language",
    "gpt2/h.6": "language",
    "qwen2.5-3b/model.layers.20": "language",
    "text": "language",
    "whisper-large-v3/layers.12.fc2": "audio",
    "wav2vec-bert-2.0/layer.12": "audio",
    "w2v-bert/encoder": "audio",
    "hubert_base/layer.6": "audio",
    "mfcc": "audio",
    "vjepa2/encoder.layernorm": "visual",
    "V-JEPA2/norm": "visual",
    "internvl3_14b/language_model.model.layers.30.post_attention_layernorm": "visual",
    "qwen2.5-omni-3b/layers.20.post_attention_layernorm": "visual",
    "qwen2-vl/layers.3": "visual",
    "slow_r50/blocks.5.pool": "visual",
    "clip-vit-l-14/visual": "visual",
    "video": "visual",
    "ours/audio-2": "audio",
    "optical-flow/vision": "visual",  # not the language model OPT
    "opt-125m/layer.3": "language",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_field(name):
    assert modalities([name]) == {name: NAMES[name]}


def test_what_a_person_says_comes_first():
    streams = ["whisper/one", "whisper/two", "mine/a", "mine/b"]
    found = modalities(streams, "mine=visual, whisper/two=language,mine/b=none")
    assert found == {"whisper/one": "audio", "whisper/two": "language", "mine/a": "visual"}
    assert by_modality(streams, "mine=visual") == {
        "visual": ["mine/a", "mine/b"],
        "audio": ["whisper/one", "whisper/two"],
    }


def test_responses_of_others_are_no_features():
    assert modalities(["responses/sub-01", "video"]) == {"video": "visual"}


@pytest.mark.parametrize(
    ("streams", "given", "words"),
    [
        (["mine/layer"], "", "--set modalities=mine=visual"),
        (["video"], "video=smell", "smell"),
        (["video"], "vidoe=visual", "the streams are: video"),
    ],
)
def test_refusals_say_what_to_type(streams, given, words):
    with pytest.raises(BadOption) as caught:
        modalities(streams, given)
    assert words in str(caught.value)
