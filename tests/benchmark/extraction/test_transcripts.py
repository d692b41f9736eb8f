"""Reading transcripts, well formed and hostile."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark.errors import BadData
from brainbench.benchmark.extraction.transcripts import _words, read

HEADER = "text_per_tr\twords_per_tr\tonsets_per_tr\tdurations_per_tr\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "s01e01a.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_rows_are_chunks_and_empty_cells_are_silent(tmp_path: Path) -> None:
    rows = "\t[]\t[]\t[]\nhi  there\t['hi', 'there']\t[1.6, 1.9]\t[0.2, 0.2]\n\t\t\t\n"
    rows += '"say ""no"""\t"[""don\'t""]"\t[4.6]\t[0.1]\n'
    found = read(write(tmp_path, HEADER + rows))
    assert found.texts == ("", "hi there", "", 'say "no"')
    assert found.source == "text"
    assert found.remarks == ()


@pytest.mark.parametrize(
    "header",
    ["episode\ttext_per_tr\twords_per_tr", "\tTEXT_PER_TR\tword_per_tr", "index\ttext\twords", "a\ttext_per_chunk\tb"],
)
def test_headers_are_known_by_their_word(tmp_path: Path, header: str) -> None:
    assert read(write(tmp_path, f"{header}\nx\thello\t['hello']\n")).texts == ("hello",)


def test_no_empty_line_is_lost(tmp_path: Path) -> None:
    assert read(write(tmp_path, "text_per_tr\na\n\nb\n\n")).texts == ("a", "", "b", "")
    assert read(write(tmp_path, "episode\ttext\nx\ta\n\n\n")).texts == ("a",)
    with pytest.raises(BadData, match="line 3 has 0 cells"):
        read(write(tmp_path, "episode\ttext\nx\ta\n\nx\tb\n"))


def test_words_stand_in_where_no_column_has_texts(tmp_path: Path) -> None:
    found = read(write(tmp_path, "words_per_tr\tonset_per_tr\n['oh', 'no']\t[0.1, 0.5]\nnan\tnan\n"))
    assert (found.texts, found.source) == (("oh no", ""), "word")


def test_a_row_of_words_without_text_is_silent_and_said(tmp_path: Path) -> None:
    found = read(write(tmp_path, HEADER + "\t['chocolate']\t[0.4]\t[0.5]\nchalk?\t[]\t[]\t[]\n"))
    assert found.texts == ("", "chalk?")
    assert found.remarks == ("1 chunks have words but no text, and are taken as silent",)


def test_times_that_run_backwards_or_lie_elsewhere_are_said(tmp_path: Path) -> None:
    rows = "a b\t['a', 'b']\t[0.9, 0.2]\t[0.1, 0.1]\nc\t['c']\t[9.0]\t[0.1]\nd\t['d', 'e']\t[9.5]\t[0.1]\n"
    remarks = " ".join(read(write(tmp_path, HEADER + rows)).remarks)
    assert "1 words begin before" in remarks
    assert "2 words end outside" in remarks
    assert "1 chunks have unequal" in remarks


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no rows"),
        (HEADER.encode(), "no rows"),
        (b"\xff\xfe\x00bad\n\x00", "no table"),
        (b"episode\tonsets_per_tr\nx\t[]\n", "no column text_per_tr or words_per_tr"),
        (b"text_per_tr\ttext\nx\ty\n", "two columns for texts"),
        (HEADER.encode() + b"only\ttwo\n", "line 2 has 2 cells, the header 4"),
        (HEADER.encode() + b"x\t__import__('os').system('true')\t[]\t[]\n", "no list of texts"),
        (HEADER.encode() + b"x\t['a'] * 10**9\t[]\t[]\n", "no list of texts"),
        (HEADER.encode() + b"x\t" + b"[" * 20000 + b"\t[]\t[]\n", "no list of texts"),
        (HEADER.encode() + b"x\t['a', 3]\t[]\t[]\n", "no list of texts"),
        (HEADER.encode() + b"x\t['\\N{no such}']\t[]\t[]\n", "cannot be read"),
        (HEADER.encode() + b"x\t['a']\t[1.0, 'b']\t[]\n", "no list of numbers"),
        (HEADER.encode() + b"x\t['a']\t[1.2.3]\t[]\n", "no numbers"),
        (HEADER.encode() + b"y" * 70000 + b"\t[]\t[]\t[]\n", "cell of 70000 characters"),
        (HEADER.encode() + b'"never closed\t[]\t[]\t[]\n', "no table"),
    ],
)
def test_what_is_no_transcript_is_refused_with_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(BadData, match=why):
        read(write(tmp_path, content))


def test_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, HEADER + "\t[]\t[]\t[]\n" * 20)
    monkeypatch.setattr("brainbench.benchmark.extraction.transcripts.MOST_ROWS", 10)
    with pytest.raises(BadData, match="has 21 rows"):
        read(path)
    monkeypatch.setattr("brainbench.benchmark.extraction.transcripts.LARGEST_FILE", 100)
    with pytest.raises(BadData, match="larger than"):
        read(path)


def test_a_cell_of_spaces_is_refused_at_once(tmp_path: Path) -> None:
    """Time grows with the length of a cell, not with its square."""
    for cell in ("[" + " " * 60_000 + "x]", "['a'" + " " * 60_000 + "x]", "[" + "'a' , " * 10_000 + "x]"):
        started = time.perf_counter()
        for row in (f"x\t{cell}\t[]\t[]\n", f"x\t[]\t{cell.replace(chr(39) + 'a' + chr(39), '1')}\t[]\n"):
            with pytest.raises(BadData, match="no list of"):
                read(write(tmp_path, HEADER + row))
        assert time.perf_counter() - started < 5


def test_half_characters_do_not_reach_a_tokenizer(tmp_path: Path) -> None:
    (text,) = read(write(tmp_path, "words\n['a\\ud800b']\n")).texts
    assert text.encode() == b"a?b"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_list_of_texts_that_python_writes_is_read(words: list[str]) -> None:
    cell = repr(words)
    assert _words(Path("x"), 0, cell) == [word for word in (" ".join(text.split()) for text in words) if word]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="[]'\"\\, a1\n(){}*", max_size=40))
def test_any_other_cell_is_refused_and_nothing_else_is_raised(cell: str) -> None:
    try:
        assert all(isinstance(word, str) for word in _words(Path("x"), 0, cell.strip()))
    except BadData:
        pass


def test_the_real_transcripts(shared: Path) -> None:
    folder = shared / "cneuromod_friends_transcripts_sample"
    found = {path.name[8:15]: read(path) for path in folder.glob("*.tsv")}
    assert {run: len(transcript.texts) for run, transcript in found.items()} == {
        "s01e01a": 589,
        "s01e01b": 581,
        "s01e02a": 480,
        "s01e02b": 476,
    }
    assert [bool(text) for text in found["s01e01a"].texts[:14]] == [False] * 12 + [True] * 2
    assert sum(map(bool, found["s01e01a"].texts)) == 448
    assert all(len(transcript.remarks) == 1 for transcript in found.values())  # words without text, nothing else
