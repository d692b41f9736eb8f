"""SPICE 1.0 (Anderson et al. 2016) by its own jar: needs Java 8 to 14, pycocoevalcap and CoreNLP's models."""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Unavailable
from ..home import home
from .captions import ItemCaptionMetric
from .captions_corpus import KEPT, Corpus
from .java import find_java, jars
from .tokens import Tokens, last_words

NEWEST_JAVA = 14
"""The jar writes its scores through the JavaScript engine that Java 15 removed."""

MODELS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
TIMEOUT = 4 * 3600.0
"""Seconds for all texts: a caption takes about a tenth of a second to parse."""

LONGEST = 200
"""Tokens of a text that are parsed: the time grows with the cube of a sentence's length."""


class Spice(ItemCaptionMetric):
    """Mean over images of the F score of the tuples of scene graphs, parsed from text and references.

    Only the first 200 tokens of a text are parsed. Parses are kept under ``$BRAINBENCH_HOME/spice``.
    """

    name, title = "spice", "SPICE"
    java_free = False

    def made_with(self, truth: Any) -> str:
        """The jar, tokeniser, and number of references."""
        return f"spice-1.0.jar with CoreNLP 3.6.0; {super().made_with(truth)}"

    def corpus(self, truth: Any, prediction: Any) -> Corpus:
        """Tokens of truth and prediction. Raises `Unavailable` without Java, the jar or its models."""
        _ready()
        return super().corpus(truth, prediction)

    def score_items(self, corpus: Corpus) -> np.ndarray:
        """SPICE (n,)."""
        return _scores(corpus)


def _ready() -> list[str]:
    """The command up to the jar. Raises `Unavailable` with how to get what is missing."""
    folder = jars("spice")
    missing = [name for name in MODELS if not (folder / "lib" / name).is_file()]
    if missing:
        raise Unavailable(
            f"SPICE needs the models of Stanford CoreNLP 3.6.0; {folder / 'lib'} has no {missing[0]}",
            "where there is a network:  python -c 'from pycocoevalcap.spice.get_stanford_models import "
            f"get_stanford_models as get; get()'   else copy {' and '.join(MODELS)} into that folder; it also needs "
            f"a Java of version 8 to {NEWEST_JAVA}",
        )
    return find_java(most=NEWEST_JAVA).command("-Xmx8G", "-jar", str(folder / "spice-1.0.jar"))


@lru_cache(maxsize=KEPT)
def _scores(corpus: Corpus) -> np.ndarray:
    """SPICE (n,). A text or reference set without a word has no tuples, scores 0 and is not parsed."""
    asked = []
    for row, (words, references) in enumerate(zip(corpus.candidates, corpus.references, strict=True)):
        told = [_text(reference) for reference in references if reference]
        if words and told:
            asked.append({"image_id": row, "test": _text(words), "refs": told})
    scores = np.zeros(len(corpus))
    for answer in _ask(asked) if asked else []:
        scores[int(answer["image_id"])] = float(answer["scores"]["All"]["f"])
    return scores


def _text(words: Tokens) -> str:
    return " ".join(words[:LONGEST])


def _ask(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the jar writes for these images. Raises `Unavailable` where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.json", Path(folder) / "out.json"
        source.write_text(json.dumps(asked))
        command = [*_ready(), str(source), "-out", str(target), "-subset", "-silent", *_cache()]
        try:
            subprocess.run(command, cwd=jars("spice"), capture_output=True, timeout=TIMEOUT, check=True)
            answers: list[dict[str, Any]] = json.loads(target.read_text())
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise Unavailable(f"the process of SPICE failed: {last_words(error)}", "it needs 8 GB of memory") from None
    if len(answers) != len(asked):
        raise Unavailable(f"SPICE scored {len(answers)} of {len(asked)} texts")
    return answers


def _cache() -> list[str]:
    """Where parses are kept; nowhere on other processors than those that the jar's data base is built for."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return []
    folder = home() / "spice"
    folder.mkdir(parents=True, exist_ok=True)
    return ["-cache", str(folder)]
