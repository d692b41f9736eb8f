"""BLEU-1 .. 4, ROUGE-L and CIDEr-D: truth with `references`, prediction one text an item.

All are those of COCO's caption evaluation (Chen et al. 2015), as shares and not per cent. An empty text is a
prediction like any other and scores 0. The tokeniser is the treebank's where Java is found and a Java-free
one elsewhere; the part ``plain`` asks for the Java-free one by name, as in ``bleu-1:plain``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..contracts import Metric
from ..errors import UnknownName
from .captions_corpus import Corpus, Described, corpus_of, references_told
from .captions_ngrams import bleu, bleu_statistics, cider_d, rouge_l
from .counts import ItemMetric, sums
from .tokens import PLAIN, Tokeniser, default_tokeniser

PLAIN_PART = "plain"


class CaptionMetric(Metric):
    """What metrics of tokens share: the tokeniser, its choice by name, and what is said of both.

    ``java_free`` tells whether the metric can be had without Java at all.
    """

    java_free: ClassVar[bool] = True
    _tokeniser: Tokeniser | None = None

    def variant(self, part: str) -> Metric:
        """The metric on tokens of the Java-free tokeniser. Raises `UnknownName` for other parts."""
        if not self.java_free:
            return super().variant(part)
        if part != PLAIN_PART or self._tokeniser is not None:
            raise UnknownName(f"metric {self.name!r} has no part {part!r}", f"its one part is  {PLAIN_PART}  (no Java)")
        chosen = type(self)()
        chosen.name, chosen._tokeniser = f"{self.name}:{part}", PLAIN
        return chosen

    def made_with(self, truth: Sequence[Described]) -> str:
        """Tokeniser, and number of references."""
        return f"{(self._tokeniser or default_tokeniser()).made_with}; {references_told(truth)}"

    def corpus(self, truth: Sequence[Described], prediction: Sequence[str]) -> Corpus:
        """Tokens of truth and prediction. Raises `BadData` for an item without references."""
        return corpus_of(truth, prediction, self._tokeniser or default_tokeniser())


class CorpusMetric(CaptionMetric):
    """A function of sums over images, and no mean of their scores: images are resampled by their sums."""

    @abstractmethod
    def statistics(self, corpus: Corpus) -> np.ndarray:
        """What is summed (n, k)."""

    @abstractmethod
    def combine(self, sums: np.ndarray) -> np.ndarray:
        """Scores (B,) of sums (B, k)."""

    def resample(self, truth: Sequence[Described], prediction: Sequence[str], counts: np.ndarray) -> np.ndarray:
        """Scores (B,) of the images under counts (B, n); NaN for a resample of none."""
        statistics = self.statistics(self.corpus(truth, prediction))
        return np.where(counts.sum(axis=1) > 0, self.combine(sums(counts, statistics)), np.nan)

    def items(self, truth: Sequence[Described], prediction: Sequence[str]) -> np.ndarray:
        """Scores (n,) of each image as if it were alone; their mean is not the score."""
        return self.combine(self.statistics(self.corpus(truth, prediction)))


class BLEU(CorpusMetric):
    """Corpus BLEU up to an order, with the closest reference length."""

    order: int

    def statistics(self, corpus: Corpus) -> np.ndarray:
        """Right and made n-grams, and lengths (n, 10)."""
        return bleu_statistics(corpus)

    def combine(self, sums: np.ndarray) -> np.ndarray:
        """BLEU (B,)."""
        return bleu(sums, self.order)


class BLEU1(BLEU):
    """BLEU of single words."""

    name, title, order = "bleu-1", "BLEU-1", 1


class BLEU2(BLEU):
    """BLEU up to pairs of words."""

    name, title, order = "bleu-2", "BLEU-2", 2


class BLEU3(BLEU):
    """BLEU up to three words."""

    name, title, order = "bleu-3", "BLEU-3", 3


class BLEU4(BLEU):
    """BLEU up to four words."""

    name, title, order = "bleu-4", "BLEU-4", 4


class ItemCaptionMetric(CaptionMetric, ItemMetric):
    """A mean over images of a score from tokens."""

    @abstractmethod
    def score_items(self, corpus: Corpus) -> np.ndarray:
        """Scores (n,) of the images."""

    def items(self, truth: Sequence[Described], prediction: Sequence[str]) -> np.ndarray:
        """Scores (n,) of the images."""
        return self.score_items(self.corpus(truth, prediction))


class RougeL(ItemCaptionMetric):
    """ROUGE-L with beta 1.2 and the best precision and recall taken apart; not that of other packages."""

    name, title = "rouge-l", "ROUGE-L"

    def score_items(self, corpus: Corpus) -> np.ndarray:
        """ROUGE-L (n,)."""
        return rouge_l(corpus)


class CiderD(ItemCaptionMetric):
    """CIDEr-D, which tables of the field print as CIDEr, times 100.

    Document frequencies are those of the whole set that is scored, and stay so under resampling. Values
    depend on its size and on the references: with fewer of these they rise.
    """

    name, title = "cider-d", "CIDEr-D"

    def score_items(self, corpus: Corpus) -> np.ndarray:
        """CIDEr-D (n,)."""
        return cider_d(corpus)
