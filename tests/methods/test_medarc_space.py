"""What the sweep draws, and that members are the same models wherever they are trained."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cells import configure
from brainbench.benchmark.cli import app
from brainbench.benchmark.space import draw, size, space_of
from brainbench.methods.medarc.method import MedARC
from brainbench.methods.medarc.options import Options
from brainbench.methods.medarc.space import PUBLISHED, SETS, SPACES, by_place

NAMES = ("video/b", "audio/a", "text/c")


@pytest.mark.parametrize("name", SPACES)
def test_spaces_name_options_and_every_draw_is_valid(name):
    assert set(SPACES[name]) <= {field.name for field in fields(Options)}
    for config in draw(SPACES[name], 60, 0):
        Options(**config).verify()


def test_the_published_space_has_the_published_size():
    """3 rates, 3 decays, 4 kernels, 3 numbers and 3 lengths of crops, 3 batches, epochs and widths, sets of streams."""
    assert size(PUBLISHED) == 3 * 3 * 4 * 3 * 3 * 3 * 3 * 3 * len(SETS)


@pytest.mark.parametrize(
    ("preset", "space", "members"),
    [
        ("small", "small", 0),
        ("published", "published", 0),
        ("stitched", "small", 8),
        ("published-ensemble", "published", 140),
    ],
)
def test_presets_sweep_the_space_of_their_size(preset, space, members):
    _, options = configure(MedARC, preset, {})
    assert space_of(MedARC, options) is SPACES[space]
    assert options["members"] == members


def test_the_card_on_the_command_line_shows_what_is_drawn():
    told = json.loads(CliRunner().invoke(app, ["methods", "medarc", "--json"]).stdout)["sweep"]
    assert "member_space=published" in told
    assert "  kernel: 11, 33, 45, 65" in told.splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", ("audio/a", "text/c", "video/b")),
        ("but:1", ("text/c", "video/b")),
        ("only:3", ("video/b",)),
        ("only:4", ("audio/a",)),
        ("but:5", ("audio/a", "video/b")),
        ("audio", None),
        ("only:0x", None),
        ("", None),
    ],
)
def test_sets_of_streams_by_place(text, expected):
    assert by_place(text, NAMES) == expected


def test_the_only_stream_is_never_left_out():
    assert by_place("but:3", ["audio/a"]) == ("audio/a",)


def test_sets_of_five_streams_are_all_different_and_none_is_empty():
    found = [by_place(text, "abcde") for text in SETS]
    assert len(set(found)) == len(SETS) == 11
    assert all(found)
