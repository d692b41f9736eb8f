"""METEOR 1.5 (Denkowski & Lavie 2014), matched by its own jar: needs Java and pycocoevalcap.

The jar matches words, stems, synonyms and paraphrases, and tells 23 sums for each image. The score is a
function of their totals, which is computed here, so that images can be resampled without asking the jar again.
"""

from __future__ import annotations

import atexit
import queue
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

import numpy as np

from ..errors import Unavailable
from .captions import CorpusMetric
from .captions_corpus import KEPT, Corpus, Described
from .counts import ratio
from .java import find_java, jars
from .tokens import Tokens

TIMEOUT = 300.0
"""Seconds that the jar may take for one image."""

LONGEST = 500
"""Tokens of a text that the jar gets: its search over alignments takes minutes on longer ones."""

FIELDS = 23
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
"""The jar's defaults for English; weights of exact, stem, synonym and paraphrase matches."""


class Meteor(CorpusMetric):
    """METEOR of the corpus as the jar aggregates it, with its default parameters for English and ``-norm``.

    Only the first 500 tokens of a text are matched.
    """

    name, title = "meteor", "METEOR"
    java_free = False

    def made_with(self, truth: Sequence[Described]) -> str:
        """The jar, tokeniser, and number of references."""
        return f"meteor-1.5.jar (Java {find_java().version}); {super().made_with(truth)}"

    def statistics(self, corpus: Corpus) -> np.ndarray:
        """The jar's summands (n, 23), an image each. Raises `Unavailable` without Java or the jar."""
        return _statistics(corpus)

    def combine(self, sums: np.ndarray) -> np.ndarray:
        """METEOR (B,)."""
        return meteor(sums)


def meteor(sums: np.ndarray) -> np.ndarray:
    """METEOR (B,) from sums (B, 23) of what `summands` gives."""
    length, reference_length, function, reference_function = sums[:, :4].T
    stages = sums[:, 4:20].reshape(-1, 4, 4)  # stage; content and function words of text and reference
    content, reference_content, functional, reference_functional = stages.transpose(2, 0, 1)
    chunks, words, reference_words = sums[:, 20:].T
    precision = _weighted(content @ WEIGHTS, functional @ WEIGHTS, length, function)
    recall = _weighted(
        reference_content @ WEIGHTS, reference_functional @ WEIGHTS, reference_length, reference_function
    )
    mean = ratio(precision * recall, ALPHA * precision + (1 - ALPHA) * recall, 0)
    scattered = ratio(chunks, (words + reference_words) / 2, 0)
    found: np.ndarray = np.maximum(mean * (1 - GAMMA * scattered**BETA), 0)
    return found


def summands(told: np.ndarray) -> np.ndarray:
    """What the jar sums (n, 23) of what it tells (n, 23): the one chunk of a text that is its reference is no chunk.

    The columns are four lengths, sixteen numbers of matches, chunks, and matched words of text and reference.
    """
    matches = told[:, 4:20].reshape(-1, 4, 2, 2).sum(axis=(1, 2))  # of text and reference
    same = (matches == told[:, :2]).all(axis=1) & (told[:, 20] == 1)
    out = told.copy()
    out[same, 20] = 0
    return out


def _weighted(content: np.ndarray, functional: np.ndarray, length: np.ndarray, function: np.ndarray) -> np.ndarray:
    """Matches over length (B,), content words counted by DELTA and function words by the rest."""
    matched = DELTA * content + (1 - DELTA) * functional
    return ratio(matched, DELTA * (length - function) + (1 - DELTA) * function, 0)


class Jar:
    """The jar as one process that stays between calls; it is ended at exit, and after a failure."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._said: queue.Queue[str | None] = queue.Queue()
        atexit.register(self.stop)

    def ask(self, lines: Sequence[str]) -> list[str]:
        """One answer a line. Raises `Unavailable` where Java or the jar is missing, fails or takes too long."""
        with self._lock:
            process = self._started()
            threading.Thread(target=_write, args=(process, lines), daemon=True).start()
            answers = []
            for number, _ in enumerate(lines):
                try:
                    answer = self._said.get(timeout=TIMEOUT)
                except queue.Empty:
                    self.stop()
                    raise Unavailable(f"METEOR took longer than {TIMEOUT:.0f} s for text {number}") from None
                if answer is None:
                    self.stop()
                    raise Unavailable(f"the process of METEOR ended at text {number}", "it needs 2 GB of memory")
                answers.append(answer)
            return answers

    def stop(self) -> None:
        """End the process; the next call starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            jar = jars("meteor", "meteor-1.5.jar")
            self._process = subprocess.Popen(
                find_java().command("-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"),
                cwd=jar.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                encoding="utf-8", errors="replace",
            )  # fmt: skip
            self._said = queue.Queue()
            threading.Thread(target=_listen, args=(self._process, self._said), daemon=True).start()
        return self._process


def _write(process: subprocess.Popen[str], lines: Sequence[str]) -> None:
    assert process.stdin is not None
    with suppress(OSError, ValueError):  # the process ended: who listens will notice
        for line in lines:
            process.stdin.write(line + "\n")
        process.stdin.flush()


def _listen(process: subprocess.Popen[str], said: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    with suppress(OSError, ValueError):
        for line in process.stdout:
            said.put(line.strip())
    said.put(None)


JAR = Jar()


@lru_cache(maxsize=KEPT)
def _statistics(corpus: Corpus) -> np.ndarray:
    """The jar's summands (n, 23)."""
    answers = JAR.ask([_line(*pair) for pair in zip(corpus.candidates, corpus.references, strict=True)])
    rows = [answer.split() for answer in answers]
    if any(len(row) != FIELDS for row in rows):
        JAR.stop()
        raise Unavailable("METEOR answered in another format than that of meteor-1.5.jar", "reinstall pycocoevalcap")
    return summands(np.array(rows, dtype=np.float64).reshape(-1, FIELDS))


def _line(candidate: Tokens, references: Sequence[Tokens]) -> str:
    """A request of the jar's line protocol; what separates its fields is taken out of the texts."""
    texts = [" ".join(words[:LONGEST]).replace("|||", " ") for words in (*references, candidate)]
    return " ||| ".join(["SCORE", *texts])
