"""A language model of whole words, made from texts: small enough to be trained beside a brain decoder on a CPU."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..contracts import Context
from .language import Language
from .packing import Text, log_likelihoods, pack, read
from .training import History, Recipe, train

WORDS = "words"
EOS, UNKNOWN = 0, 1
PIECE = re.compile(r"<\w+>|[^\W_]+(?:['’][^\W_]+)*|[^\w\s]")
CLOSE_BEFORE = frozenset(".,;:!?)%")
MOST_POSITIONS = 1024


def pieces(text: str) -> list[str]:
    """Lower-case words, marks such as ``<bot>``, and single signs."""
    return PIECE.findall(text.lower())


class WordTokenizer:
    """One id a word; 0 ends a text and 1 stands for every word that is not known.

    Parameters
    ----------
    words
        The vocabulary in the order of its ids, from 2.
    """

    eos = EOS

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: number for number, word in enumerate(self.words, 2)}

    @classmethod
    def of(cls, texts: Iterable[str], least: int = 1) -> WordTokenizer:
        """The words that occur ``least`` times or more, the most frequent first."""
        counts = Counter(word for text in texts for word in pieces(text))
        kept = [word for word, count in counts.items() if count >= least]
        return cls(sorted(kept, key=lambda word: (-counts[word], word)))

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self.words) + 2

    def encode(self, text: str) -> list[int]:
        """Ids of the words of a text."""
        return [self._ids.get(word, UNKNOWN) for word in pieces(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """Words with spaces between them, none before a full stop and its like; ids without a word are left out."""
        text = ""
        for number in ids:
            if number >= 2:
                word = self.words[number - 2]
                text += word if not text or word in CLOSE_BEFORE else f" {word}"
        return text

    def chat(self, system: str, user: str) -> str:
        """Paragraphs."""
        return "".join(f"{text}\n\n" for text in (system, user) if text)


def word_language(
    texts: Iterable[str], width: int = 128, layers: int = 2, heads: int = 4, seed: int = 0
) -> Language:  # fmt: skip
    """A small causal transformer over the words of texts: random, frozen and in evaluation mode.

    Parameters
    ----------
    texts
        Training texts alone, with every question that will be asked: the vocabulary is theirs.
    width, layers, heads
        Of the transformer.
    seed
        Of its weights.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = WordTokenizer.of(texts)
    config = LlamaConfig(
        vocab_size=tokenizer.size,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=MOST_POSITIONS,
        bos_token_id=None,
        eos_token_id=EOS,
        pad_token_id=None,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.eval().requires_grad_(False)
    source = f"{len(tokenizer.words)} words of the training texts, weights from the seed"
    return Language(model, tokenizer, WORDS, source, layers, layers)


def teach(language: Language, texts: Sequence[str], recipe: Recipe, context: Context) -> History:
    """Train every weight of a language model on plain texts, one after another; it is frozen again afterwards.

    Each text is predicted from its second token to its end. Call it within `reproducible`.
    """
    eos = language.tokenizer.eos
    encoded = [Text.of([*ids, eos]) for ids in map(language.tokenizer.encode, texts) if ids]

    def loss(rows: np.ndarray) -> Tensor:
        text = pack([encoded[row] for row in rows], eos).to(str(language.table.device))
        wanted = text.valid & (text.parents >= 0)
        return -log_likelihoods(language, read(language, None, text).text, text, wanted).mean()

    language.model.requires_grad_(True)
    history = train(language.model, loss, np.arange(len(encoded)), recipe, context)
    language.model.requires_grad_(False)
    return history
