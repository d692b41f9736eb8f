"""Caption metrics: equal to pycocoevalcap and to published numbers, and what must and must not change them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark import stats
from brainbench.benchmark.errors import BadData, Unavailable, UnknownName
from brainbench.benchmark.kinds.seen import Stimulus
from brainbench.benchmark.metrics import captions, java, tokens
from brainbench.benchmark.metrics.captions import BLEU1, BLEU2, BLEU3, BLEU4, CiderD, RougeL
from brainbench.benchmark.metrics.captions_corpus import Corpus
from brainbench.benchmark.metrics.captions_ngrams import common_length
from brainbench.benchmark.metrics.text import ExactMatch
from brainbench.benchmark.metrics.tokens import PLAIN, TREEBANK

BRAINHUB = Path(os.environ.get("BRAINBENCH_SHARED", "../shared")) / "data" / "brainhub" / "caption"
HAS_JAVA = TREEBANK.ready()
needs_java = pytest.mark.skipif(not HAS_JAVA, reason="needs Java and pycocoevalcap")
needs_data = pytest.mark.skipif(not BRAINHUB.is_dir(), reason="needs BrainHub's captions in BRAINBENCH_SHARED")

METRICS = (BLEU1, BLEU2, BLEU3, BLEU4, RougeL, CiderD)

GOLDEN = {
    ("umbrae", 1): (57.837, 38.427, 25.406, 17.171, 42.143, 53.872),
    ("umbrae", 2): (57.887, 38.805, 26.335, 18.308, 42.430, 54.596),
    ("umbrae-v-1-4", 1): (59.443, 40.482, 27.664, 19.029, 43.714, 61.059),
    ("umbrae-v-1-4", 2): (59.367, 40.468, 27.140, 18.406, 43.862, 55.932),
    ("braincap", 1): (55.958, 36.205, 22.700, 14.512, 40.692, 41.303),
    ("onellm", 1): (47.041, 26.968, 15.485, 9.513, 35.048, 22.987),
    ("sdrecon", 1): (36.205, 17.111, 7.720, 3.425, 25.131, 13.832),
}
"""BLEU-1 .. 4, ROUGE-L and CIDEr per cent, as pycocoevalcap 1.2 gives them for BrainHub's files."""

PUBLISHED = {
    ("braincap", 2): {"bleu-1": 53.80, "bleu-4": 13.03, "rouge-l": 39.96, "cider-d": 35.60},
    ("sdrecon", 2): {"bleu-1": 34.71, "bleu-4": 3.02, "rouge-l": 24.22, "cider-d": 13.38},
}
"""Of BrainHub's README, where no golden value is."""


def seen(*lists):
    return [Stimulus(references=tuple(texts)) for texts in lists]


def brainhub(method, subject):
    told = json.loads((BRAINHUB / "fmri_cococap.json").read_text())
    given_texts = json.loads((BRAINHUB / method / f"sub0{subject}.json").read_text())
    return seen(*told.values()), [given_texts[image] for image in told]


@pytest.fixture(scope="module")
def umbrae():
    return brainhub("umbrae", 1)


@needs_data
@pytest.mark.parametrize(
    ("part", "allowed"), [pytest.param("", 0.01, marks=needs_java), pytest.param("plain", 0.02)], ids=["java", "plain"]
)
def test_published_systems_score_as_pycocoevalcap_scores_them(part, allowed):
    for (method, subject), expected in GOLDEN.items():
        truth, prediction = brainhub(method, subject)
        asked = [metric().variant(part) if part else metric() for metric in METRICS]
        found = [100 * metric.score(truth, prediction) for metric in asked]
        np.testing.assert_allclose(found, expected, atol=allowed, err_msg=f"{method} {subject}")
    for (method, subject), told in PUBLISHED.items():
        truth, prediction = brainhub(method, subject)
        for metric in (metric().variant(part) if part else metric() for metric in METRICS):
            if (name := metric.name.removesuffix(":plain")) in told:
                assert 100 * metric.score(truth, prediction) == pytest.approx(told[name], abs=allowed + 0.005)


@needs_data
def test_per_image_scores_equal_pycocoevalcap(umbrae):
    bleu = pytest.importorskip("pycocoevalcap.bleu.bleu")
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    truth, prediction = umbrae
    corpus = Corpus([one.references for one in truth], prediction, PLAIN)
    references = {k: [" ".join(words) for words in texts] for k, texts in enumerate(corpus.references)}
    candidates = {k: [" ".join(words)] for k, words in enumerate(corpus.candidates)}
    whole, each = bleu.Bleu(4).compute_score(references, candidates, verbose=0)
    for order, metric in enumerate((BLEU1, BLEU2, BLEU3, BLEU4)):
        plain = metric().variant("plain")
        assert plain.score(truth, prediction) == pytest.approx(whole[order], abs=1e-12)
        np.testing.assert_allclose(plain.items(truth, prediction), each[order], atol=1e-12)
    for metric, scorer in ((RougeL, Rouge()), (CiderD, Cider())):
        expected = scorer.compute_score(references, candidates)[1]
        np.testing.assert_allclose(metric().variant("plain").items(truth, prediction), expected, atol=1e-12)


@needs_data
def test_one_reference_instead_of_five_lowers_bleu_and_raises_cider(umbrae):
    truth, prediction = umbrae
    one = [Stimulus(references=image.references[:1]) for image in truth]
    assert BLEU1().variant("plain").score(one, prediction) == pytest.approx(0.31, abs=0.01)
    assert CiderD().variant("plain").score(one, prediction) > CiderD().variant("plain").score(truth, prediction) + 0.05
    assert "5 to 6 references" in CiderD().variant("plain").made_with(truth)
    assert "1 reference an item" in CiderD().variant("plain").made_with(one)


@needs_data
def test_difference_of_two_systems_has_an_interval(umbrae):
    truth, first = umbrae
    second = brainhub("braincap", 1)[1]
    clusters = [str(k) for k in range(len(truth))]
    folds = [[stats.Scored(truth, texts, clusters)] for texts in (first, second)]
    for metric, expected in ((CiderD(), 0.126), (BLEU4(), 0.0266)):
        found = stats.paired(metric.variant("plain"), *folds, resamples=500)
        assert found.value == pytest.approx(expected, abs=0.001)
        assert 0 < found.low < found.value < found.high


@pytest.fixture
def toy():
    truth = seen(["a cat sits on a mat", "the cat is on the mat"], ["two dogs run", "dogs", "a dog runs in a park"])
    return truth, ["a cat is on a mat", "two dogs run"]


def test_bleu_by_hand(toy):
    truth, prediction = toy
    # Words: 5 of 6 are clipped at (a: 2, cat, is, on, mat) -> all 6 right; three of three right.
    assert BLEU1().variant("plain").score(truth, prediction) == pytest.approx(1)
    # Pairs: "a cat", "is on", "on a", "a mat" of 5 ("cat is" too); "two dogs", "dogs run".
    assert BLEU2().variant("plain").score(truth, prediction) == pytest.approx(1)
    # Shorter than the closest reference: of lengths 6 and 2, length 3 is closest to 2, so nothing is taken off.
    assert BLEU1().variant("plain").score(seen(["a b c d e f", "a b"]), ["a b c"]) == pytest.approx(1)
    assert BLEU1().variant("plain").score(seen(["a b c d e f"]), ["a b c"]) == pytest.approx(np.exp(-1))


def test_rouge_takes_precision_and_recall_from_different_references():
    truth = seen(["a b", "a b c d x y z w"])
    # Precision 4/4 of the second, recall 2/2 of the first.
    assert RougeL().variant("plain").score(truth, ["a b c d"]) == pytest.approx(1)


def test_cider_is_zero_for_one_image_and_ten_for_the_only_reference():
    assert CiderD().variant("plain").score(seen(["a cat on a mat"]), ["a cat on a mat"]) == 0
    truth = seen(["a cat sleeps on mats"], ["two dogs run in parks"])
    assert CiderD().variant("plain").score(truth, ["a cat sleeps on mats", "two dogs run in parks"]) == pytest.approx(
        10
    )


WORDS = st.sampled_from(["a", "cat", "dog", "on", "the", "mat", "runs", "red"])
TEXTS = st.lists(WORDS, max_size=9).map(" ".join)
REFERENCES = st.lists(st.lists(WORDS, min_size=1, max_size=9).map(" ".join), min_size=1, max_size=3)
CORPORA = st.lists(st.tuples(REFERENCES, TEXTS), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(CORPORA, st.randoms(use_true_random=False))
def test_order_of_images_and_doubling_all_change_nothing(corpus, random):
    truth, prediction = seen(*(texts for texts, _ in corpus)), [text for _, text in corpus]
    order = list(range(len(corpus)))
    random.shuffle(order)
    counts = np.stack([np.ones(len(corpus)), np.full(len(corpus), 2)])
    for metric in (metric().variant("plain") for metric in METRICS):
        score = metric.score(truth, prediction)
        assert 0 <= score <= (10 if metric.name.startswith("cider") else 1) + 1e-9
        shuffled = metric.score([truth[k] for k in order], [prediction[k] for k in order])
        assert shuffled == pytest.approx(score, abs=1e-9)
        # BLEU's scorer adds 1e-15 to counts, whose fourth root shows where no run of four words is right.
        np.testing.assert_allclose(metric.resample(truth, prediction, counts), score, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(REFERENCES, TEXTS), min_size=2, max_size=5), st.integers(0, 4))
def test_bleu_of_counts_is_bleu_of_repeated_images(corpus, row):
    truth, prediction = seen(*(texts for texts, _ in corpus)), [text for _, text in corpus]
    counts = np.ones((1, len(corpus)))
    row %= len(corpus)
    counts[0, row] = 3
    for metric in (metric().variant("plain") for metric in (BLEU1, BLEU4)):
        repeated = metric.score([*truth, truth[row], truth[row]], [*prediction, prediction[row], prediction[row]])
        assert metric.resample(truth, prediction, counts)[0] == pytest.approx(repeated, abs=1e-12)
    assert np.isnan(BLEU1().variant("plain").resample(truth, prediction, np.zeros((1, len(corpus))))[0])


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, max_size=12), st.lists(WORDS, max_size=12))
def test_common_length_equals_the_table(first, second):
    table = np.zeros((len(first) + 1, len(second) + 1), dtype=int)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
    assert common_length(tuple(first), tuple(second)) == table[-1, -1]


@pytest.mark.parametrize("part", ["plain", pytest.param("", marks=needs_java)])
def test_empty_and_hostile_texts_score_zero_and_stay_with_their_image(part):
    hostile = [
        "",
        "  \n\t ",
        "...",
        "\x00\x0b\x1c\x85\u2028",
        "\ud800 lone",
        "$(touch x); `id` | cat",
        "a\ncat\r\non\x0ca mat",
    ]
    truth = seen(*[["a cat on a mat", "one cat"]] * len(hostile), ["a dog in a park"])
    for metric in (metric().variant(part) if part else metric() for metric in METRICS):
        scores = metric.items(truth, [*hostile, "a dog in a park"])
        assert np.isfinite(scores).all()
        np.testing.assert_allclose(scores[:4], 0, atol=1e-3)
        assert scores[-1] > 0.9
        assert scores[-2] > 0.4  # the lines of one text are one text
    assert ExactMatch().items(seen(["a"]), [""]).tolist() == [0]


def test_an_item_without_references_is_named():
    with pytest.raises(BadData, match="item 1"):
        BLEU1().variant("plain").score([*seen(["a"]), Stimulus()], ["a", "b"])


@pytest.mark.parametrize("part", ["plain", pytest.param("", marks=needs_java)])
def test_endless_texts_are_cut_and_take_no_time(part):
    endless = ["cat " * 250_000, "x" * 1_000_000, "a b " * 100_000] * 20
    truth = seen(*[["a cat on a mat"] * 5] * len(endless))
    asked = [metric().variant(part) if part else metric() for metric in METRICS]
    begun = time.perf_counter()
    for metric in asked:
        assert np.isfinite(metric.score(truth, endless))
    assert time.perf_counter() - begun < 20
    assert len(tokens.cut(endless[0]).split()) == tokens.WORDS
    assert len(tokens.cut(endless[1])) == tokens.CHARACTERS
    assert tokens.cut(" a\n  b ") == "a b"


def test_parts_are_named_and_kept_apart(toy):
    truth, prediction = toy
    metric = RougeL().variant("plain")
    assert metric.name == "rouge-l:plain"
    assert "Java-free" in metric.made_with(truth)
    for other in (metric, RougeL()):
        with pytest.raises(UnknownName):
            other.variant("java")
    with pytest.raises(UnknownName):
        metric.variant("plain")
    assert RougeL().name == "rouge-l"
    assert metric.score(truth, prediction) > 0


PLAIN_CASES = {
    "A man's dog can't run!": "a man 's dog ca n't run",
    'He said: "two-way, 2:20 (or 1.5)"': "he said two-way 2:20 -lrb- or 1.5 -rrb-",
    "the 'best' dogs' park -- they're...": "the best dogs park they 're",
}


@pytest.mark.parametrize("text", list(PLAIN_CASES))
@pytest.mark.parametrize("tokeniser", [PLAIN, pytest.param(TREEBANK, marks=needs_java)], ids=["plain", "java"])
def test_both_tokenisers_by_hand(tokeniser, text):
    assert " ".join(tokeniser([text])[0]) == PLAIN_CASES[text]


@needs_java
def test_too_few_lines_from_java_are_an_error(monkeypatch):
    real = subprocess.run

    def loses_a_line(*arguments, **more):
        done = real(*arguments, **more)
        done.stdout = done.stdout.split(b"\n", 1)[1]
        return done

    monkeypatch.setattr(tokens.subprocess, "run", loses_a_line)
    with pytest.raises(Unavailable, match="1 lines for 2 texts"):
        tokens.TreebankTokeniser()(["one cat", "two dogs"])


def fake_java(folder, version, monkeypatch):
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.stderr.write('openjdk version \"{version}\"')\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(folder))
    monkeypatch.setenv("PATH", str(folder / "nothing"))


@pytest.mark.parametrize(("told", "version"), [("1.8.0_412", 8), ("11.0.2", 11), ("21", 21), ("22-ea", 22)])
def test_java_of_any_version_is_read(tmp_path, monkeypatch, told, version):
    fake_java(tmp_path, told, monkeypatch)
    assert java.find_java().version == version
    assert java.find_java().command("-x")[-1] == "-x"


def test_without_a_fit_java_one_is_told_how_to_get_it_and_the_others_score(tmp_path, monkeypatch, toy):
    truth, prediction = toy
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Unavailable, match="no Java is found") as missing:
        java.find_java()
    assert "install" in missing.value.hint
    assert "Java-free" in BLEU1().made_with(truth)
    assert BLEU1().score(truth, prediction) == pytest.approx(1)
    fake_java(tmp_path / "old", "1.7.0_80", monkeypatch)
    with pytest.raises(Unavailable, match=r"Java 8 or newer is needed.* version 7"):
        java.find_java()
    assert captions.default_tokeniser() is PLAIN


def test_without_the_package_of_jars_the_java_free_tokeniser_is_used(monkeypatch):
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    assert captions.default_tokeniser() is PLAIN
    with pytest.raises(Unavailable, match="pycocoevalcap") as missing:
        java.jars("meteor")
    assert "captions" in missing.value.hint
