"""Tokens of captions: the Penn Treebank tokeniser that COCO's protocol fixes, and one that needs no Java.

Both give lower-case tokens without punctuation. Only the first 2,000 words and 20,000 characters of a text
are read: a caption has ten words, and a text that never ends must not hold up a table.
"""

from __future__ import annotations

import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..errors import Unavailable
from .java import find_java, jars

WORDS = 2000
CHARACTERS = 20_000
TIMEOUT = 600.0
"""Seconds that the tokeniser in Java may take for all texts of a call."""

KEPT_CHARACTERS = 20_000_000
"""Texts whose tokens are remembered, in characters."""

Tokens = tuple[str, ...]

# What pycocoevalcap drops after tokenising. Brackets come out in lower case, as -lrb-, so that they stay in.
DROPPED = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";")
)


def cut(text: str) -> str:
    """The text as one line of at most 2,000 words and 20,000 characters, one blank between words."""
    return " ".join(text[: 2 * CHARACTERS].split(None, WORDS)[:WORDS])[:CHARACTERS]


class Tokeniser(ABC):
    """Texts to tokens; remembers what it has read, because many systems share their references."""

    def __init__(self) -> None:
        self._known: dict[str, Tokens] = {}
        self._held = 0

    @property
    @abstractmethod
    def made_with(self) -> str:
        """What made the tokens, for the record."""

    @abstractmethod
    def _read(self, lines: Sequence[str]) -> list[Tokens]:
        """Tokens of lines, none of which is empty."""

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of each text; none for an empty one."""
        lines = [cut(text) for text in texts]
        unknown = [line for line in dict.fromkeys(lines) if line and line not in self._known]
        fresh = dict(zip(unknown, self._read(unknown), strict=True)) if unknown else {}
        found = [() if not line else fresh[line] if line in fresh else self._known[line] for line in lines]
        self._remember(fresh)
        return found

    def _remember(self, fresh: dict[str, Tokens]) -> None:
        self._held += sum(map(len, fresh))
        if self._held > KEPT_CHARACTERS:
            self._known, self._held = {}, 0
        else:
            self._known.update(fresh)


class TreebankTokeniser(Tokeniser):
    """PTBTokenizer of Stanford CoreNLP 3.4.1 as COCO's caption evaluation calls it; needs Java and pycocoevalcap.

    Raises `Unavailable` where either is missing, where it fails, and where its lines are not as many as the
    texts: the reference wrapper would then give captions to the wrong images.
    """

    @property
    def made_with(self) -> str:
        """Name and version of the tokeniser."""
        return f"tokens by PTBTokenizer 3.4.1 (Java {find_java().version})"

    def ready(self) -> bool:
        """Whether Java and the jar are here."""
        try:
            find_java()
            return jars("tokenizer", "stanford-corenlp-3.4.1.jar").is_file()
        except Unavailable:
            return False

    def _read(self, lines: Sequence[str]) -> list[Tokens]:
        jar = jars("tokenizer", "stanford-corenlp-3.4.1.jar")
        call = ["-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
        command = find_java().command(*call, "-encoding", "UTF-8")
        text = "\n".join(lines) + "\n"
        try:
            done = subprocess.run(
                command, input=text.encode("utf-8", "replace"), capture_output=True, timeout=TIMEOUT, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(
                f"the tokeniser in Java failed: {last_words(error)}", "the Java-free one:  METRIC:plain"
            ) from None
        found = done.stdout.decode("utf-8", "replace").split("\n")[:-1]
        if len(found) != len(lines):
            raise Unavailable(
                f"the tokeniser in Java gave {len(found)} lines for {len(lines)} texts",
                "tokenise without Java:  METRIC:plain",
            )
        return [tuple(word for word in line.split() if word not in DROPPED) for line in found]


class PlainTokeniser(Tokeniser):
    """An approximation in Python: lower case, English contractions split off, punctuation dropped.

    On captions of COCO images it moves BLEU, ROUGE-L and CIDEr-D by at most 0.0002 from the tokeniser in Java.
    """

    made_with = "tokens by the Java-free tokeniser"

    def _read(self, lines: Sequence[str]) -> list[Tokens]:
        return [_plain(line) for line in lines]


_NOT = re.compile(r"(?<=\w)n't\b")
_SPLIT = re.compile(r"(?<=\w)('s|'re|'ve|'ll|'m|'d)\b")
_POINTS = re.compile(r"[\"`?!;]|(?<!\d)[.,:]|[.,:](?!\d)")  # 2:20 and 1.5 are one token
_BRACKETS = str.maketrans(
    {
        sign: f" {name} "
        for sign, name in zip("()[]{}", ("-lrb-", "-rrb-", "-lsb-", "-rsb-", "-lcb-", "-rcb-"), strict=True)
    }
)
_ENDINGS = frozenset(("n't", "'s", "'re", "'ve", "'ll", "'m", "'d"))


def _plain(line: str) -> Tokens:
    text = line.lower().replace("\u2019", "'").translate(_BRACKETS)
    text = _SPLIT.sub(r" \1", _NOT.sub(" n't", text))
    words = (word if word in _ENDINGS else word.strip("'") for word in _POINTS.sub(" ", text).split())
    return tuple(word for word in words if word and word not in DROPPED)


def last_words(error: Exception) -> str:
    """The end of what a process said before it failed."""
    said = getattr(error, "stderr", None) or b""
    return said.decode("utf-8", "replace").strip()[-300:] or str(error)[:300]


TREEBANK = TreebankTokeniser()
PLAIN = PlainTokeniser()


def default_tokeniser() -> Tokeniser:
    """The treebank's where Java and its jar are here, else the Java-free one."""
    return TREEBANK if TREEBANK.ready() else PLAIN
