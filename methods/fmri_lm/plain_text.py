"""Plain text for the domain term and the text-only task: a corpus of files in windows, or our own passages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...benchmark.contracts import Context
from ...benchmark.errors import BadData, BadOption
from ...benchmark.nn.language import TextTokenizer
from .prompts import PLAIN_TEXT

WINDOW = 768
"""Tokens of a window of a corpus, as published."""
BLOCK = 1 << 20
"""Characters that are read and encoded at a time."""
MOST_TEXT = 512
"""Tokens of a passage at most."""


@dataclass(frozen=True)
class PlainText:
    """Texts as token ids.

    Attributes
    ----------
    texts
        Passages of several lengths, or the (window, token) array of a corpus, on disk.
    """

    texts: Sequence[Sequence[int]] | np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def draw(self, rng: np.random.Generator, count: int) -> list[list[int]]:
        """``count`` different texts, or all where there are fewer."""
        rows = rng.choice(len(self.texts), min(count, len(self.texts)), replace=False)
        return [[int(token) for token in self.texts[row]] for row in rows]

    def vocabulary(self) -> set[int]:
        """All tokens that occur."""
        return {int(token) for text in self.texts for token in np.unique(np.asarray(text))}


def plain_text(paths: str, tokenizer: TextTokenizer, context: Context) -> PlainText:
    """Our own passages, each with an end, or the files of ``paths`` (separated by commas) in windows.

    Files are streamed: blocks of text are encoded with the model's own tokenizer, with an end of text after each
    file, into scratch disk. Raises `BadOption` for a path that holds no text file, `BadData` for text that is not
    UTF-8, or too little of it.
    """
    if not paths:
        return PlainText([[*tokenizer.encode(text)[: MOST_TEXT - 1], tokenizer.eos] for text in PLAIN_TEXT])
    files = [file for path in paths.split(",") for file in text_files(Path(path.strip()).expanduser())]
    scratch = context.workdir / "fmri-lm-corpus.bin"
    with open(scratch, "wb") as out:
        for number, file in enumerate(files, 1):
            for block in blocks(file):
                np.array(tokenizer.encode(block), np.int32).tofile(out)
            np.array([tokenizer.eos], np.int32).tofile(out)
            context.progress("encoding text", number, len(files))
    count = scratch.stat().st_size // 4
    if count < 3:
        raise BadData(f"corpus={paths} holds {count} tokens", "give more text")
    window = min(WINDOW, count)
    tokens = np.memmap(scratch, np.int32, "r")
    return PlainText(tokens[: count // window * window].reshape(-1, window))


def text_files(path: Path) -> list[Path]:
    """A file, or the .txt files of a folder in the order of their names."""
    found = sorted(path.rglob("*.txt")) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise BadOption(f"corpus={path}: no text file there", "give UTF-8 files, or folders of .txt files")
    return found


def blocks(file: Path) -> Iterator[str]:
    """The text of a file in blocks that end with a line. Raises `BadData` where it is not UTF-8."""
    try:
        with open(file, encoding="utf-8") as lines:
            while part := lines.readlines(BLOCK):
                yield "".join(part)
    except UnicodeDecodeError as error:
        raise BadData(f"{file}: not UTF-8 text ({error.reason} at byte {error.start})", "convert it") from None
