"""METEOR and SPICE by their jars, and CLIP-S: equal to their formulas, and told apart from what is missing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.errors import BadData, Unavailable, UnknownName
from brainbench.benchmark.kinds.seen import Stimulus
from brainbench.benchmark.metrics import clip_scores, spice
from brainbench.benchmark.metrics import meteor as meteor_module
from brainbench.benchmark.metrics.clip_scores import ClipScore, ClipSpace, RefClipScore
from brainbench.benchmark.metrics.meteor import Jar, Meteor, meteor
from brainbench.benchmark.metrics.spice import Spice
from brainbench.benchmark.metrics.tokens import TREEBANK
from brainbench.benchmark.nn.features import PixelEncoder

BRAINHUB = Path(os.environ.get("BRAINBENCH_SHARED", "../shared")) / "data" / "brainhub" / "caption"
needs_java = pytest.mark.skipif(not TREEBANK.ready(), reason="needs Java and pycocoevalcap")
needs_data = pytest.mark.skipif(not BRAINHUB.is_dir(), reason="needs BrainHub's captions in BRAINBENCH_SHARED")

METEOR = {
    ("umbrae", 1): 18.698,
    ("umbrae", 2): 18.676,
    ("umbrae-v-1-4", 1): 19.452,
    ("umbrae-v-1-4", 2): 19.175,
    ("braincap", 1): 16.680,
    ("braincap", 2): 15.90,
    ("onellm", 1): 13.545,
    ("sdrecon", 1): 10.032,
    ("sdrecon", 2): 9.60,
}
"""Per cent, as pycocoevalcap 1.2 gives them for BrainHub's files; two decimals are BrainHub's README."""


def seen(*lists):
    return [Stimulus(references=tuple(texts)) for texts in lists]


@needs_java
@needs_data
def test_meteor_of_published_systems():
    told = json.loads((BRAINHUB / "fmri_cococap.json").read_text())
    truth = seen(*told.values())
    for (method, subject), expected in METEOR.items():
        texts = json.loads((BRAINHUB / method / f"sub0{subject}.json").read_text())
        assert 100 * Meteor().score(truth, [texts[k] for k in told]) == pytest.approx(expected, abs=0.0051), method


TRUTH = seen(
    ["a dog runs in the park", "the dogs are running outside"],
    ["a red bus on a street"],
    ["two men play tennis"],
    ["a cat"],
)
SAID = ["a dog ran in a garden", "a red bus on a street", "", "on the left a cat"]


def jar_evaluates(told):
    """The jar's own aggregate: EVAL answers with a line for each image, and one for all of them."""
    jar = meteor_module.JAR
    meteor_module._write(jar._process, ["EVAL ||| " + " ||| ".join(told)])
    return float([jar._said.get(timeout=60) for _ in range(len(told) + 1)][-1])


@needs_java
def test_meteor_of_counts_is_the_jars_own_aggregate():
    metric = Meteor()
    told = metric.statistics(metric.corpus(TRUTH, SAID))
    counts = np.array([[1, 1, 1, 1], [0, 2, 0, 0], [3, 1, 0, 2], [0, 0, 1, 0]])
    corpus = metric.corpus(TRUTH, SAID)
    requests = [meteor_module._line(*pair) for pair in zip(corpus.candidates, corpus.references, strict=True)]
    raw = meteor_module.JAR.ask(requests)
    expected = [jar_evaluates([raw[row] for row, times in enumerate(line) for _ in range(times)]) for line in counts]
    np.testing.assert_allclose(metric.resample(TRUTH, SAID, counts), expected, atol=1e-12)
    assert np.isnan(metric.resample(TRUTH, SAID, np.zeros((1, 4)))[0])
    np.testing.assert_allclose(metric.items(TRUTH, SAID)[[1, 2]], [1, 0])
    assert meteor(told.sum(axis=0, keepdims=True))[0] == metric.score(TRUTH, SAID)
    assert "meteor-1.5" in metric.made_with(TRUTH)
    with pytest.raises(UnknownName):
        metric.variant("plain")


@needs_java
def test_meteor_survives_separators_long_texts_and_the_end_of_its_process():
    truth = seen(*[["a cat ||| a dog on a mat", "a bus"]] * 3)
    texts = ["a cat ||| a dog on a mat", "SCORE ||| x ||| y\nEVAL ||| 1", "a cat " * 50_000]
    scores = Meteor().items(truth, texts)
    assert scores[0] == 1
    assert np.isfinite(scores).all()
    meteor_module.JAR._process.kill()
    meteor_module.JAR._process.wait()
    assert Meteor().items(truth, list(texts))[0] == scores[0]


def java_that(folder, code, monkeypatch, version="1.8.0_412"):
    """A program in the place of Java, which tells its version and else runs ``code``."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    first = (
        f"import sys, json, time\nif '-version' in sys.argv:\n    print('version \"{version}\"', file=sys.stderr)\n"
        "    sys.exit(0)\n"
    )
    program.write_text(f"#!{sys.executable}\n{first}{code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(folder))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("sys.exit(3)", "ended at text 0"),
        ("time.sleep(60)", "longer than 1 s"),
        ("print('0.1 0.2', flush=True)", "format"),
    ],
)
def test_a_jar_that_fails_hangs_or_says_something_else_is_ended(tmp_path, monkeypatch, code, told):
    pytest.importorskip("pycocoevalcap")
    java_that(tmp_path, code, monkeypatch)
    monkeypatch.setattr(meteor_module, "JAR", Jar())
    monkeypatch.setattr(meteor_module, "TIMEOUT", 1.0)
    monkeypatch.setattr(Meteor, "corpus", lambda self, truth, prediction: corpus_without_java(truth, prediction))
    with pytest.raises(Unavailable, match=told):
        Meteor().score(seen(["a cat"]), ["a cat"])
    assert meteor_module.JAR._process is None


def corpus_without_java(truth, prediction):
    from brainbench.benchmark.metrics.captions_corpus import Corpus
    from brainbench.benchmark.metrics.tokens import PLAIN

    return Corpus([one.references for one in truth], prediction, PLAIN)


def test_meteor_without_java_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(meteor_module, "JAR", Jar())
    with pytest.raises(Unavailable) as missing:
        Meteor().score(seen(["a cat"]), ["a dog"])
    assert "install" in missing.value.hint


SPICE_WRITES = """
if 'PTBTokenizer' in ' '.join(sys.argv):
    sys.exit(print(sys.stdin.read(), end=''))
asked = json.load(open(sys.argv[sys.argv.index('-out') - 1]))
scores = [{'image_id': one['image_id'], 'scores': {'All': {'f': 1 / len(one['refs'])}}} for one in asked]
json.dump(scores[::-1], open(sys.argv[sys.argv.index('-out') + 1], 'w'))
"""


@pytest.fixture
def models(tmp_path, monkeypatch):
    folder = tmp_path / "package"
    (folder / "spice" / "lib").mkdir(parents=True)
    for name in spice.MODELS:
        (folder / "spice" / "lib" / name).touch()
    monkeypatch.setattr(spice, "jars", folder.joinpath)
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("brainbench.benchmark.metrics.tokens.TreebankTokeniser.ready", lambda self: False)
    return tmp_path


def test_spice_reads_what_its_jar_writes_by_image_and_does_not_parse_empty_texts(models, monkeypatch):
    java_that(models / "java", SPICE_WRITES, monkeypatch)
    truth = seen(["a cat"], ["a dog", "dogs"], ["a bus"], ["...", "a man", "men"])
    np.testing.assert_allclose(Spice().items(truth, ["a cat", "a dog", "", "a man"]), [1, 0.5, 0, 0.5])
    assert Spice().items(truth, ["", " ", "...", "?"]).tolist() == [0, 0, 0, 0]


def test_spice_needs_an_old_java_its_models_and_a_jar_that_works(models, monkeypatch):
    java_that(models / "new", SPICE_WRITES, monkeypatch, version="17.0.1")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match=r"Java 8 to 14 is needed; .*17"):
        Spice().score(seen(["a cat"]), ["a dog"])
    java_that(models / "fails", "sys.exit('no memory')", monkeypatch)
    with pytest.raises(Unavailable, match="no memory"):
        Spice().score(seen(["a cat"]), ["a dog"])
    (models / "package" / "spice" / "lib" / spice.MODELS[1]).unlink()
    with pytest.raises(Unavailable, match="models of Stanford CoreNLP") as missing:
        Spice().score(seen(["a cat"]), ["a dog"])
    assert "get_stanford_models" in missing.value.hint


class TwoEyes(PixelEncoder):
    """Images by their pixels, texts by random vectors of their own."""

    def __init__(self, seed=0):
        self.weights = np.random.default_rng(seed)
        self.vectors = {}
        self.asked = 0

    def text(self, texts):
        self.asked += len(texts)
        for text in texts:
            self.vectors.setdefault(text, self.weights.normal(0.3, 1, size=self.dim))  # most cosines are positive
        return np.stack([self.vectors[text] for text in texts])


def scenes(n=6, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 20, 24, 3), dtype=np.uint8)
    return [
        Stimulus(references=tuple(f"text {k} {j}" for j in range(1 + k % 3)), picture=image)
        for k, image in enumerate(images)
    ]


def test_clip_scores_are_their_formulas():
    truth, encoder = scenes(), TwoEyes()
    texts = [f"said {k // 2}" for k in range(6)]
    space = ClipSpace(encoder)
    found = ClipScore(space).items(truth, texts), RefClipScore(space).items(truth, texts)
    for k, one in enumerate(truth):
        image = encoder.embed([one.image()])[0]
        text = encoder.vectors[f"A photo depicts said {k // 2}"]
        cosine = image @ text / np.linalg.norm(image) / np.linalg.norm(text)
        assert found[0][k] == pytest.approx(2.5 * max(cosine, 0), abs=1e-6)
        references = [encoder.vectors[f"A photo depicts {told}"] for told in one.references]
        best = max(text @ other / np.linalg.norm(text) / np.linalg.norm(other) for other in references)
        s = 2.5 * max(cosine, 0)
        expected = 2 * s * best / (s + best) if s > 0 and best > 0 else 0
        assert found[1][k] == pytest.approx(expected, abs=1e-6)
    assert (found[1] > 0).any()
    assert encoder.asked == len(encoder.vectors)  # each text once
    assert "pixels" in RefClipScore(space).made_with(truth)
    assert "1 to 3 references" in RefClipScore(space).made_with(truth)


def test_a_text_that_is_a_reference_and_no_direction_at_all():
    truth = scenes(3)

    class Blank(TwoEyes):
        def text(self, texts):
            return np.zeros((len(texts), self.dim))

    blank = ClipSpace(Blank())
    for metric in (ClipScore(blank), RefClipScore(blank)):
        assert metric.items(truth, ["", "a", "b"]).tolist() == [0, 0, 0]
    with pytest.raises(BadData, match="item 1"):
        RefClipScore(blank).items([truth[0], Stimulus(picture=truth[0].picture)], ["a", "b"])


def test_clip_scores_need_images_and_weights(monkeypatch):
    with pytest.raises(Unavailable, match="1 of 4 images"):
        ClipScore(ClipSpace(TwoEyes())).score([*scenes(3), Stimulus(references=("a",))], ["a"] * 4)

    def missing(name):
        raise Unavailable(f"no weights of {name}", "brainbench weights import clip-vit-b-32 FILE")

    clip_scores.default_space.cache_clear()
    monkeypatch.setattr(clip_scores, "load_encoder", missing)
    for metric in (ClipScore(), RefClipScore()):
        with pytest.raises(Unavailable, match="clip-vit-b-32"):
            metric.score(scenes(2), ["a", "b"])
