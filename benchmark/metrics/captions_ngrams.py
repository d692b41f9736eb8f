"""Statistics of BLEU, ROUGE-L and CIDEr-D, an image each, from tokens.

BLEU: Papineni et al. 2002 with the closest reference length. ROUGE-L: Lin 2004, as COCO's caption evaluation
takes it. CIDEr-D: Vedantam et al. 2015; what that evaluation calls CIDEr. N-grams are counted in sparse
matrices, so that a corpus is a few products of them; the numbers are those of pycocoevalcap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from .captions_corpus import KEPT, Corpus
from .tokens import Tokens

if TYPE_CHECKING:
    from scipy import sparse

ORDERS = 4
SMALL, TINY = 1e-9, 1e-15
"""What BLEU's scorer adds to counts, so that none of its quotients is 0 / 0."""

BETA = 1.2
"""Weight of recall over precision in ROUGE-L."""

SIGMA = 6.0
"""Width of CIDEr-D's penalty on a difference in length, in bigrams."""


@dataclass(frozen=True)
class Counted:
    """N-gram counts of one order.

    Attributes
    ----------
    candidates, references
        (n, grams) and (r, grams) counts.
    most
        (n, grams): the largest count of any reference of the image.
    """

    candidates: sparse.csr_array
    references: sparse.csr_array
    most: sparse.csr_array


def ngram_counts(texts: Sequence[Tokens]) -> list[sparse.csr_array]:
    """Counts (texts, grams) of the n-grams of orders 1 to 4."""
    from scipy import sparse

    lengths = np.array([len(words) for words in texts], dtype=np.int64)
    vocabulary: dict[str, int] = {}
    words = np.array([vocabulary.setdefault(w, len(vocabulary)) for w in chain.from_iterable(texts)], dtype=np.int64)
    rows = np.repeat(np.arange(len(texts)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(words))  # words up to the text's end
    starts, grams = np.arange(len(words)), words
    counts = []
    for order in range(1, ORDERS + 1):
        if order > 1:
            whole = left[starts] >= order
            starts = starts[whole]
            grams = grams[whole] * max(len(vocabulary), 1) + words[starts + order - 1]
        kinds, grams = np.unique(grams, return_inverse=True)
        shape = (len(texts), max(len(kinds), 1))
        counts.append(sparse.csr_array((np.ones(len(grams)), (rows[starts], grams)), shape=shape))
        counts[-1].sum_duplicates()
    return counts


def owners(corpus: Corpus) -> np.ndarray:
    """(r,) image of each reference."""
    return np.repeat(np.arange(len(corpus)), [len(texts) for texts in corpus.references])


@lru_cache(maxsize=16)
def counted(corpus: Corpus) -> tuple[Counted, ...]:
    """N-gram counts of a corpus, orders 1 to 4."""
    n, owner = len(corpus), owners(corpus)
    flat = list(chain.from_iterable(corpus.references))
    return tuple(
        Counted(counts[:n], counts[n:], _most(counts[n:], owner, n))
        for counts in ngram_counts([*corpus.candidates, *flat])
    )


def _most(references: sparse.csr_array, owner: np.ndarray, n: int) -> sparse.csr_array:
    """Largest count (n, grams) of any reference of an image."""
    from scipy import sparse

    entries = references.tocoo()
    width = references.shape[1]
    keys = owner[entries.row] * width + entries.col
    order = np.argsort(keys, kind="stable")
    first = np.flatnonzero(np.diff(keys[order], prepend=-1))
    largest = np.maximum.reduceat(entries.data[order], first) if len(first) else np.zeros(0)
    found = keys[order][first]
    return sparse.csr_array((largest, (found // width, found % width)), shape=(n, width))


@lru_cache(maxsize=KEPT)
def bleu_statistics(corpus: Corpus) -> np.ndarray:
    """(n, 10): right n-grams of orders 1 to 4, n-grams of orders 1 to 4, length, closest reference length."""
    right = [np.asarray(c.candidates.minimum(c.most).sum(axis=1)).ravel() for c in counted(corpus)]
    length = np.array([len(words) for words in corpus.candidates], dtype=np.float64)
    closest = [
        min((abs(len(words) - own), len(words)) for words in texts)[1]
        for own, texts in zip(length, corpus.references, strict=True)
    ]
    made = [np.maximum(length - order, 0) for order in range(ORDERS)]
    return np.stack([*right, *made, length, np.array(closest, dtype=np.float64)], axis=1)


def bleu(sums: np.ndarray, order: int) -> np.ndarray:
    """BLEU (B,) of an order from sums (B, 10) of the statistics."""
    right, made = sums[:, :order], sums[:, ORDERS : ORDERS + order]
    precision = ((right + TINY) / (made + SMALL)).prod(axis=1) ** (1 / order)
    ratio = (sums[:, -2] + TINY) / (sums[:, -1] + SMALL)
    found: np.ndarray = precision * np.exp(np.minimum(1 - 1 / ratio, 0))
    return found


@lru_cache(maxsize=KEPT)
def rouge_l(corpus: Corpus) -> np.ndarray:
    """ROUGE-L (n,): the F score of the best precision and the best recall, each over the references."""
    return np.array([_rouge(a, b) for a, b in zip(corpus.candidates, corpus.references, strict=True)])


def _rouge(candidate: Tokens, references: Sequence[Tokens]) -> float:
    shared = [(common_length(candidate, words), len(words)) for words in references]
    if not any(length for length, _ in shared):
        return 0.0
    precision = max(length for length, _ in shared) / len(candidate)
    recall = max(length / total for length, total in shared if total)
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_length(first: Tokens, second: Tokens) -> int:
    """Length of the longest common subsequence, a row of the table at a time as the bits of a whole number.

    Hyyrö, Bit-parallel LCS-length computation revisited, 2004.
    """
    places: dict[str, int] = {}
    for k, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << k
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        met = row & places.get(word, 0)
        row = (row + met | row - met) & full
    return len(first) - row.bit_count()


@lru_cache(maxsize=KEPT)
def cider_d(corpus: Corpus) -> np.ndarray:
    """CIDEr-D (n,) of each image; document frequencies over the reference sets of this whole corpus."""
    owner = owners(corpus)
    total = np.zeros(len(owner))
    for one in counted(corpus):
        weight = inverse_frequency(one.most) ** 2
        candidates = one.candidates[owner]
        shared = candidates.minimum(one.references).multiply(one.references) @ weight
        norms = _norms(one.candidates, weight)[owner] * _norms(one.references, weight)
        total += np.divide(shared, norms, out=np.zeros(len(owner)), where=norms > 0)
    bigrams = [np.array([max(len(words) - 1, 0) for words in texts]) for texts in _both(corpus)]
    total *= np.exp(-((bigrams[0][owner] - bigrams[1]) ** 2) / (2 * SIGMA**2))
    return np.bincount(owner, total, minlength=len(corpus)) / np.bincount(owner, minlength=len(corpus)) * 10 / ORDERS


def cider_between(texts: Sequence[Tokens], owner: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """CIDEr-D (k, k) of each chosen text as a candidate (row) with each as its one reference (column).

    ``owner`` (texts,) is the image of each text; document frequencies are over the reference sets of all images.
    """
    total = np.zeros((len(chosen), len(chosen)))
    for counts in ngram_counts(texts):
        weight = inverse_frequency(_most(counts, owner, int(owner.max()) + 1)) ** 2
        held = counts[chosen]
        norms = _norms(held, weight)
        scaled = (held * weight).tocsr()
        shared = np.zeros_like(total)
        for level in range(1, int(held.data.max(initial=0)) + 1):  # min(a, b) is how many levels both reach
            reached = (held >= level).astype(np.float64)
            shared += (reached @ (scaled * reached).T).toarray()
        lengths = np.outer(norms, norms)
        total += np.divide(shared, lengths, out=np.zeros_like(total), where=lengths > 0)
    bigrams = np.array([max(len(texts[k]) - 1, 0) for k in chosen])
    found: np.ndarray = total * np.exp(-((bigrams[:, None] - bigrams) ** 2) / (2 * SIGMA**2)) * 10 / ORDERS
    return found


def inverse_frequency(most: sparse.csr_array) -> np.ndarray:
    """Logarithm (grams,) of the images over those that hold a gram in a reference."""
    holding = np.bincount(most.indices, minlength=most.shape[1])
    found: np.ndarray = np.log(most.shape[0]) - np.log(np.maximum(holding, 1))
    return found


def _norms(counts: sparse.csr_array, weight: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.sqrt(counts.multiply(counts) @ weight)
    return found


def _both(corpus: Corpus) -> tuple[list[Tokens], list[Tokens]]:
    return corpus.candidates, list(chain.from_iterable(corpus.references))
