"""Licences by their SPDX names: which of them are open, as https://spdx.org/licenses lists them."""

from __future__ import annotations

import re

_OPEN = """
0BSD AFL-3.0 AGPL-3.0-only AGPL-3.0-or-later Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-2-Clause BSD-3-Clause
BSD-3-Clause-Clear BSL-1.0 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-4.0 CC0-1.0 CECILL-2.1 ECL-2.0 EPL-2.0 EUPL-1.2
GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later ISC LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only
LGPL-3.0-or-later MIT MIT-0 MPL-2.0 MulanPSL-2.0 NCSA ODC-By-1.0 OSL-3.0 PDDL-1.0 PostgreSQL Python-2.0 Unlicense Zlib
"""
OPEN = frozenset(_OPEN.split())
"""Approved by the Open Source Initiative, or free for data and text."""

_WRITTEN = {name.lower(): name for name in (*OPEN, "AND", "OR", "WITH")}

TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


def written(expression: str) -> str:
    """An expression with the licences that are known here in the capitals of SPDX: ``mit`` is ``MIT``."""
    return TOKEN.sub(lambda hit: _WRITTEN.get(hit[0].lower(), hit[0]), expression)


def wrong(expression: str) -> str:
    """What is wrong with an SPDX expression such as ``MIT OR Apache-2.0``; "" where nothing is."""
    words = written(expression).replace("(", " ").replace(")", " ").split()
    if not words:
        return "names no licence"
    joints = set(words[1::2])
    if len(words) % 2 == 0 or not joints <= {"AND", "OR", "WITH"} or not all(map(TOKEN.fullmatch, words)):
        return "is no SPDX expression, such as  Apache-2.0  or  MIT OR Apache-2.0"
    return ""


def is_open(expression: str) -> bool:
    """Whether a licence is open: every one that is named, or of several without brackets one of those joined by OR."""
    if wrong(expression):
        return False
    expression = written(expression)
    choices = [expression.replace("(", " ").replace(")", " ")] if "(" in expression else expression.split(" OR ")
    return any(set(re.sub(r"\bWITH\s+\S+", "", choice).split()) - {"AND", "OR"} <= OPEN for choice in choices)
