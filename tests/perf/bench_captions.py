"""Caption metrics of 982 images: ours beside the reference way. Run: ``python tests/perf/bench_captions.py``.

The reference way is that of BrainHub's script: a scorer of pycocoevalcap after the other, each on captions that
are tokenised for it. "Five systems" scores five sets of captions on the same references. A resample is a
bootstrap draw of images, scored from the tokens on; ours is the mean of 2,000 draws. The captions are those of
BrainHub where BRAINBENCH_SHARED has them, else random words. Each case runs in a process of its own, and cases
take turns; imports are not counted. Seconds and memory hold those of Java: processor seconds are sums, memory is
that of the process and of the largest process that it started.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate
from turns import HEADS, in_turn

IMAGES, SYSTEMS, RESAMPLES, ROUNDS = 982, 5, 2000, 3
TEXTS = Path(os.environ.get("BRAINBENCH_SHARED", "../shared")) / "data" / "brainhub" / "caption"
FOLDERS = ("umbrae", "umbrae-v-1-4", "braincap", "sdrecon", "onellm")
TOKEN_SCORERS = ("bleu", "rouge", "cider")
SCORERS = {
    "bleu": "bleu.bleu:Bleu",
    "rouge": "rouge.rouge:Rouge",
    "cider": "cider.cider:Cider",
    "meteor": "meteor.meteor:Meteor",
}
OURS = ("bleu-1", "bleu-2", "bleu-3", "bleu-4", "rouge-l", "cider-d")
Score = Callable[[list[list[str]], list[list[str]]], None]
BESIDE = {
    "ours, one system": "ours, one system",
    "ours without Java, one system": "ours, one system",
    "pycocoevalcap, one system": "ours, one system",
    "ours, five systems": "ours, five systems",
    "pycocoevalcap, five systems": "ours, five systems",
    "ours, METEOR, one system": "ours, METEOR, one system",
    "pycocoevalcap, METEOR, one system": "ours, METEOR, one system",
    "ours, METEOR, five systems": "ours, METEOR, five systems",
    "pycocoevalcap, METEOR, five systems": "ours, METEOR, five systems",
    "ours, a resample": "ours, a resample",
    "pycocoevalcap, a resample": "ours, a resample",
}


def texts() -> tuple[list[list[str]], list[list[str]]]:
    """References of each image, and the captions of each system."""
    if TEXTS.is_dir():
        told = json.loads((TEXTS / "fmri_cococap.json").read_text())
        said = [json.loads((TEXTS / name / "sub01.json").read_text()) for name in FOLDERS]
        return list(told.values()), [[system[image] for image in told] for system in said]
    rng = np.random.default_rng(0)
    words = np.array([f"word{k}" for k in range(3000)])

    def sentence() -> str:
        return " ".join(words[np.minimum(rng.zipf(1.3, 10), len(words)) - 1]) + "."

    return (
        [[sentence() for _ in range(5)] for _ in range(IMAGES)],
        [[sentence() for _ in range(IMAGES)] for _ in range(SYSTEMS)],
    )


def ours(names: tuple[str, ...], part: str = "") -> Score:
    """Our metrics by name, on all systems."""
    from brainbench.benchmark.kinds.seen import Stimulus
    from brainbench.benchmark.metrics import METRICS

    metrics = []
    for name in names:
        module, _, attribute = METRICS[name].partition(":")
        metric = getattr(import_module(f"brainbench.benchmark.metrics.{module}"), attribute)()
        metrics.append(metric.variant(part) if part else metric)

    def score(references: list[list[str]], systems: list[list[str]]) -> None:
        truth = [Stimulus(references=tuple(told)) for told in references]
        for metric in metrics:
            for captions in systems:
                assert np.isfinite(metric.score(truth, captions))
        if "meteor" in names:  # what a process took is known when it has ended
            import_module("brainbench.benchmark.metrics.meteor").JAR.stop()

    return score


def reference(names: tuple[str, ...]) -> Score:
    """The scorers of pycocoevalcap, each with its own tokens."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    made = {name: scorer(name) for name in names}  # imported, and made where a scorer is asked for

    def score(references: list[list[str]], systems: list[list[str]]) -> None:
        for captions in systems:
            for name in names:
                tokenizer = PTBTokenizer()
                told = tokenizer.tokenize({k: [{"caption": text} for text in one] for k, one in enumerate(references)})
                said = tokenizer.tokenize({k: [{"caption": text}] for k, text in enumerate(captions)})
                value = made[name]().compute_score(told, said)[0]
                assert np.isfinite(value).all()

    return score


def scorer(name: str) -> Callable[[], Any]:
    """What makes a scorer of pycocoevalcap; that of METEOR starts Java."""
    module, _, attribute = SCORERS[name].partition(":")
    made = getattr(import_module(f"pycocoevalcap.{module}"), attribute)
    return partial(made, 4) if name == "bleu" else made


def a_resample(program: str, references: list[list[str]], captions: list[str]) -> Callable[[], None]:
    """What scores bootstrap draws of the images, tokens at hand: 2,000 of them at once, or one."""
    from brainbench.benchmark.kinds.seen import Stimulus
    from brainbench.benchmark.metrics import captions as metrics
    from brainbench.benchmark.metrics.captions_corpus import Corpus
    from brainbench.benchmark.metrics.tokens import default_tokeniser

    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(captions), (RESAMPLES, len(captions)))
    counts = np.stack([np.bincount(row, minlength=len(captions)) for row in rows])
    truth = [Stimulus(references=tuple(told)) for told in references]
    asked = [metrics.BLEU1(), metrics.BLEU2(), metrics.BLEU3(), metrics.BLEU4(), metrics.RougeL(), metrics.CiderD()]
    if program == "ours":
        asked[0].corpus(truth, captions)
        return partial(each, [partial(metric.resample, truth, captions, counts) for metric in asked])
    corpus = Corpus(references, captions, default_tokeniser())
    told = {k: [" ".join(words) for words in corpus.references[row]] for k, row in enumerate(rows[0])}
    said = {k: [" ".join(corpus.candidates[row])] for k, row in enumerate(rows[0])}
    return partial(each, [partial(scorer(name)().compute_score, told, said) for name in TOKEN_SCORERS])


def each(calls: Sequence[Callable[[], object]]) -> None:
    """Call one after the other."""
    for call in calls:
        call()


def measure(case: str) -> dict[str, float]:
    """Wall and processor seconds, and the peak memory in GB."""
    references, systems = texts()
    program, *_, amount = case.split(", ")
    systems = systems[: SYSTEMS if amount == "five systems" else 1]
    draws = RESAMPLES if case == "ours, a resample" else 1
    meteor = ("meteor",) if "METEOR" in case else ()
    if amount == "a resample":
        score = a_resample(program, references, systems[0])
    elif program == "pycocoevalcap":
        score = partial(reference(meteor or TOKEN_SCORERS), references, systems)
    else:
        score = partial(ours(meteor or OURS, "plain" if "without" in program else ""), references, systems)
    begun = time.perf_counter(), processor()
    score()
    wall, used = time.perf_counter() - begun[0], processor() - begun[1]
    return {"wall": wall / draws, "processor": used / draws, "gb": memory()}


def processor() -> float:
    """Processor seconds of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def memory() -> float:
    """Peak memory of this process and of its largest child in GB."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return sum(resource.getrusage(kind).ru_maxrss for kind in kinds) * unit / 1e9


def main() -> None:
    """Print the table, or with ``--case`` the measures of one case."""
    if sys.argv[1:2] == ["--case"]:
        print(json.dumps(measure(" ".join(sys.argv[2:]))))
        return
    references, _ = texts()
    print(f"{len(references)} images, {sum(map(len, references))} references; BLEU-1 .. 4, ROUGE-L and CIDEr-D,")
    print(f"or METEOR where it is named; medians of {ROUNDS} rounds in turn")
    print(tabulate(in_turn(__file__, BESIDE, ROUNDS), ["program", *HEADS], floatfmt=".3g"))


if __name__ == "__main__":
    main()
