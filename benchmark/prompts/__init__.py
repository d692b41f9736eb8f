"""The prompt bank: what is asked of a scan, in which words, and which words answer it."""

from .asking import SEPARATOR, answer_words, full_answer, question, questions, short_questions
from .bands import Band, band_of
from .bank import Attribute, Split, age_words, attribute, attribute_for, attribute_of, attributes, listed

__all__ = [
    "SEPARATOR",
    "Attribute",
    "Band",
    "Split",
    "age_words",
    "answer_words",
    "attribute",
    "attribute_for",
    "attribute_of",
    "attributes",
    "band_of",
    "full_answer",
    "listed",
    "question",
    "questions",
    "short_questions",
]
