"""What is said about a training image: the six types of dialogue that the paper names.

It speaks of seven types and names six; no seventh is made up here. Its dialogues were written by a language model
from captions and boxes; these are put together from the captions, description, boxes and questions that the
data set has. All wordings are ours: 14 ask for a brief description, 20 for a detailed one, one for a prompt that an
image could be made from, and one for the place of a thing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...benchmark.kinds.seen import Stimulus
from ...benchmark.nn.captioner import Turn
from .retelling import largest

BRIEF = (
    "What is shown?",
    "Describe the image in a sentence.",
    "Say briefly what the image shows.",
    "What did this person look at?",
    "Give a short caption.",
    "Sum up the picture in a few words.",
    "What can be seen here?",
    "Tell in one sentence what is there.",
    "Write one line about the image.",
    "What is this a picture of?",
    "In short, what is on the image?",
    "Name what the picture shows, briefly.",
    "How would you caption this?",
    "What is the scene, in one sentence?",
)
DETAILED = (
    "Describe the image in detail.",
    "What is shown, and where? Tell all that you see.",
    "Give a full account of the picture.",
    "Write a long description of the image.",
    "Describe everything in the scene.",
    "Tell in detail what this person looked at.",
    "Go through the image part by part.",
    "What are the things in the image, and how do they look?",
    "Describe the place and all things in it.",
    "Explain at length what can be seen.",
    "Give as many details of the image as you can.",
    "Paint the picture in words, with all details.",
    "Write a paragraph about what is shown.",
    "Describe the scene thoroughly.",
    "Tell me everything about this image.",
    "What does the whole picture look like, in detail?",
    "Give a rich description of what is there.",
    "List and describe what the picture holds.",
    "Describe what is in front and what is behind.",
    "Tell the full story of the picture.",
)
PROMPT = "Write a prompt for Stable Diffusion that would make this image."
LOCATE = 'Where in the image is "{concept}"?'
PLACES = 100
"""Corners of boxes are told in so many steps of the image's side."""

TYPE_OF_KIND = {
    "captioning": "brief",
    "description": "detailed",
    "reasoning": "reasoning",
    "reconstruction": "prompt",
    "grounding": "localisation",
}
"""Which type of dialogue a task asks for."""


def conversation(stimulus: Stimulus, kind: str, rng: np.random.Generator) -> list[Turn]:
    """One dialogue of a type about an image; empty where the image lacks what it needs."""
    if kind == "brief" and stimulus.captions:
        return [Turn(_one(BRIEF, rng), stimulus.captions)]
    if kind == "detailed" and stimulus.description:
        return [Turn(_one(DETAILED, rng), (stimulus.description,))]
    if kind == "continuous" and len(stimulus.dialogue) > 1:
        return _several(stimulus.dialogue, rng)
    if kind == "reasoning" and stimulus.dialogue:
        question, answer = stimulus.dialogue[int(rng.integers(len(stimulus.dialogue)))]
        return [Turn(question, (answer,))]
    if kind == "prompt" and stimulus.captions:
        return [Turn(PROMPT, (prompt_of(stimulus, rng),))]
    if kind == "localisation" and stimulus.boxes:
        concept = _one(sorted(stimulus.boxes), rng)
        return [Turn(LOCATE.format(concept=concept), (box_words(stimulus.boxes[concept]),))]
    return []


def _several(dialogue: Sequence[tuple[str, str]], rng: np.random.Generator) -> list[Turn]:
    """Two or three of an image's questions in their order, as one talk."""
    count = min(int(rng.integers(2, 4)), len(dialogue))
    chosen = sorted(rng.choice(len(dialogue), count, replace=False))
    return [Turn(dialogue[k][0], (dialogue[k][1],)) for k in chosen]


def prompt_of(stimulus: Stimulus, rng: np.random.Generator) -> str:
    """A caption, then the things in the image by name, as prompts are written."""
    caption = _one(stimulus.captions, rng).rstrip(". ")
    return ", ".join([caption, *sorted(stimulus.boxes)])


def box_words(boxes: np.ndarray) -> str:
    """The largest box as four whole numbers from 0 to 100: left, top, right, bottom."""
    return " ".join(str(round(float(side) * PLACES)) for side in largest(boxes))


def box_of_words(text: str) -> np.ndarray:
    """(1, 4) box that `box_words` would write so; (0, 4) where the text is none."""
    numbers = [int(word) for word in text.replace(",", " ").split() if word.isdigit()]
    if len(numbers) != 4 or max(numbers) > PLACES or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
        return np.empty((0, 4))
    return np.array([numbers], float) / PLACES


def _one(texts: Sequence[str], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]


def asked_at_test(kind: str, questions: Sequence[str], concepts: Sequence[str]) -> list[str]:
    """The question that each test item is asked; the first of several wordings."""
    fixed = {"captioning": BRIEF[0], "description": DETAILED[0], "reconstruction": PROMPT}
    if kind == "reasoning":
        return list(questions)
    if kind == "grounding":
        return [LOCATE.format(concept=concept) for concept in concepts]
    return [fixed[kind]] * len(questions)


def texts_of(stimuli: Sequence[Stimulus], types: Sequence[str], seed: int) -> list[list[Turn]]:
    """Every type of dialogue about every image, once: the language model's vocabulary and its plain text."""
    rng = np.random.default_rng(seed)
    made = [conversation(stimulus, kind, rng) for stimulus in stimuli for kind in types]
    return [turns for turns in made if turns]
