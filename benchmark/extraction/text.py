"""Features of a transcript: what a language model makes of the words up to each chunk.

Tokens belong to the chunk in which their word ends. A causal model reads the transcript in overlapping windows,
so that every token is seen with at least half a context of tokens before it (or all there are) and at most a
whole one; a model that looks both ways reads, for every chunk, only the tokens up to the chunk's end, so that
no feature knows words that come later. The states of a chunk's tokens are averaged, or the last is taken. A
chunk in which nothing is said carries the row before it, since the context has not changed; before the first
word rows are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BadData, BadOption
from .layers import run
from .models import Loaded
from .transcripts import read

CONTEXT = 512
"""Tokens of a context where none is given."""

Progress = Callable[[int, int], None]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """Tokens ``start`` to ``stop`` of a transcript, of which those from ``keep`` on give states."""

    start: int
    stop: int
    keep: int


class TextExtractor:
    """Rows of features from transcripts.

    Parameters
    ----------
    loaded
        A model of text.
    layers
        Names of its layers.
    context
        Tokens that the model sees at most; a model with fewer positions sees as many as it has.
    pool
        "mean" of a chunk's tokens, or their "last".
    batch
        Windows in one forward pass.
    """

    def __init__(
        self, loaded: Loaded, layers: Sequence[str], context: int, pool: Literal["mean", "last"], batch: int
    ) -> None:
        self._loaded, self._layers, self._pool, self._batch = loaded, tuple(layers), pool, batch
        self._before, self._after = _specials(loaded.processor)
        self.window = min(context, _positions(loaded)) - len(self._before) - len(self._after)
        if self.window < 2:
            raise BadOption(f"a context of {context} tokens leaves no room for text", "give more:  --context 512")
        self.causal = self._looks_back_only()

    @property
    def facts(self) -> dict[str, Any]:
        """What the settings say of the windows."""
        return {
            "context": self.window + len(self._before) + len(self._after),
            "unit": "tokens",
            "pool": self._pool,
            "causal": self.causal,
            "silence": "carried",
        }

    def __call__(self, path: Path, progress: Progress) -> dict[str, NDArray[np.float32]]:
        """Features (chunk, dim) by layer. Raises `BadData` where nothing is said at all."""
        texts = read(path).texts
        ids, chunks = tokens(self._loaded.processor, texts)
        if not len(ids):
            raise BadData(f"{path}: nothing is said in it", "leave silent films out of the folder of transcripts")
        windows = self.windows(chunks)
        rows = _Rows(len(texts), chunks, self._pool)
        for first in range(0, len(windows), self._batch):
            rows.take(windows[first : first + self._batch], self._states(ids, windows[first : first + self._batch]))
            progress(min(first + self._batch, len(windows)), len(windows))
        return rows.finished()

    def windows(self, chunks: Ids) -> list[Window]:
        """The windows that give every token's state once, for tokens of these chunks."""
        return _sliding(len(chunks), self.window) if self.causal else _by_chunk(chunks, self.window)

    def _states(self, ids: Ids, windows: Sequence[Window]) -> dict[str, list[NDArray[np.float32]]]:
        """States (kept token, dim) by layer, of every window."""
        rows = [[*self._before, *ids[w.start : w.stop], *self._after] for w in windows]
        heard = self._run(rows)
        lead = len(self._before)
        cuts = [slice(lead + w.keep - w.start, lead + w.stop - w.start) for w in windows]
        return {
            name: [states[index, cut].cpu().numpy() for index, cut in enumerate(cuts)] for name, states in heard.items()
        }

    def _run(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        longest = max(map(len, rows))
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.as_tensor(row)
            mask[index, : len(row)] = 1
        device = self._loaded.device
        model, forward = self._loaded.model, self._loaded.forward
        return run(model, forward, self._layers, input_ids=ids.to(device), attention_mask=mask.to(device))

    def _looks_back_only(self) -> bool:
        """Whether the states of tokens stay as they are when the token after them changes."""
        lead = len(self._before)
        one, other = ([*self._before, 5, 6, last, *self._after] for last in (7, 8))
        moved = [(states[0] - states[1]).abs() for states in self._run([one, other]).values()]
        return all(bool(move[: lead + 2].max() <= 1e-5 * move[lead + 2].max()) for move in moved)


def tokens(tokenizer: Any, texts: Sequence[str]) -> tuple[Ids, Ids]:
    """Token ids of a transcript, and the chunk of each."""
    said = [(k, text) for k, text in enumerate(texts) if text]
    if getattr(tokenizer, "is_fast", False):
        return _by_offsets(tokenizer, said)
    pieces = [(k, _encode(tokenizer, text if not n else f" {text}")) for n, (k, text) in enumerate(said)]
    ids = [token for _, piece in pieces for token in piece]
    return np.array(ids, dtype=np.int64), np.array([k for k, piece in pieces for _ in piece], dtype=np.int64)


def _by_offsets(tokenizer: Any, said: Sequence[tuple[int, str]]) -> tuple[Ids, Ids]:
    """All texts in one, so that no token depends on where chunks begin; a token is its last letter's chunk's."""
    ends = np.cumsum([len(text) + 1 for _, text in said])  # one space between two texts
    joined = " ".join(text for _, text in said)
    coded = tokenizer(joined, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    last = np.array([max(start, stop - 1) for start, stop in coded["offset_mapping"]], dtype=np.int64)
    rows = np.array([k for k, _ in said], dtype=np.int64)
    return np.array(coded["input_ids"], dtype=np.int64), rows[np.searchsorted(ends, last, side="right")]


def _encode(tokenizer: Any, text: str) -> list[int]:
    if hasattr(tokenizer, "encode") and not callable(tokenizer):
        return list(tokenizer.encode(text))
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _specials(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Ids that stand before and after a text.

    Where the tokenizer puts none before it, the token that begins texts is put there: the first token of a
    window draws attention whatever it is, and its states would stand out.
    """
    if not callable(tokenizer):
        return [], []
    bare, whole = tokenizer("a", add_special_tokens=False)["input_ids"], list(tokenizer("a")["input_ids"])
    at = next((i for i in range(len(whole)) if whole[i : i + len(bare)] == bare), 0)
    before, after = whole[:at], whole[at + len(bare) :]
    start = getattr(tokenizer, "bos_token_id", None)
    return before or ([start] if start is not None else []), after


def _positions(loaded: Loaded) -> int:
    """Tokens that the model takes at most."""
    told = [
        getattr(loaded.config, "max_position_embeddings", None),
        getattr(loaded.processor, "model_max_length", None),
    ]
    return min((int(limit) for limit in told if limit), default=1 << 30)


def _sliding(count: int, size: int) -> list[Window]:
    """Windows that step by half their size; each keeps the tokens that the one before did not reach."""
    windows = [Window(0, min(size, count), 0)]
    while (done := windows[-1].stop) < count:
        stop = min(done + size // 2, count)
        windows.append(Window(stop - size, stop, done))
    return windows


def _by_chunk(chunks: Ids, size: int) -> list[Window]:
    """For every chunk with words a window that ends with it; of more tokens than a window holds, the last."""
    ends = [*(np.flatnonzero(np.diff(chunks)) + 1), len(chunks)]
    starts = [0, *ends[:-1]]
    return [
        Window(max(0, int(end) - size), int(end), max(int(start), int(end) - size))
        for start, end in zip(starts, ends, strict=True)
    ]


class _Rows:
    """Features of a run while its tokens' states come in."""

    def __init__(self, count: int, chunks: Ids, pool: str) -> None:
        self._count, self._chunks, self._pool = count, chunks, pool
        self._sums: dict[str, NDArray[np.float32]] = {}
        self._tokens = np.zeros(count, dtype=np.int64)

    def take(self, windows: Sequence[Window], states: dict[str, list[NDArray[np.float32]]]) -> None:
        """Take in the kept states of windows, which come in order."""
        for index, window in enumerate(windows):
            chunks = self._chunks[window.keep : window.stop]
            for name, found in states.items():
                sums = self._sums.setdefault(name, np.zeros((self._count, found[index].shape[1]), dtype=np.float32))
                if self._pool == "mean":
                    np.add.at(sums, chunks, found[index])
                else:
                    last = np.flatnonzero(np.diff(chunks, append=-1))
                    sums[chunks[last]] = found[index][last]
            np.add.at(self._tokens, chunks, 1)

    def finished(self) -> dict[str, NDArray[np.float32]]:
        """Features by layer: means or last states, carried over silent chunks."""
        spoken = self._tokens > 0
        carried = np.maximum.accumulate(np.where(spoken, np.arange(self._count), -1))
        parts = np.maximum(self._tokens, 1)[:, None] if self._pool == "mean" else 1
        return {
            name: np.where(carried[:, None] >= 0, (sums / parts)[carried], 0).astype(np.float32)
            for name, sums in self._sums.items()
        }
