"""A description in the words of a language model. Needs the extra ``torch``, which callers bring."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..nn.language import Language

SYSTEM = "You rewrite descriptions of brain scans. You keep every name and every number, and add nothing."
ASK = "Rewrite this description in fluent sentences. Keep each z-score beside what it belongs to.\n\n"

NUMBER = re.compile(r"[+-]\d+\.\d+")
"""A z-score as descriptions write it."""

ROOM = 1.5
"""Tokens that the rewriting may take, as a multiple of the text's."""


def rewrite(text: str, language: Language) -> str:
    """The text as the language model puts it (greedy decoding); the text itself where the model changed a z-score.

    A rewriting is taken only when it holds the same z-scores in the same order, no more and no fewer. What
    else it changes is not checked.
    """
    from ..nn.generation import generate

    encode, chat = language.tokenizer.encode, language.tokenizer.chat
    room = int(ROOM * len(encode(text)))
    answer = generate(language, None, [encode(chat(SYSTEM, ASK + text))], room)[0].strip()
    return answer if answer and NUMBER.findall(answer) == NUMBER.findall(text) else text
