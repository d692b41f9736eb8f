"""What the language model is asked, and the plain sentences of its text-only task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...benchmark.nn.language import TextTokenizer

DESCRIBE = "### Question: Describe the functional connectivity of this scan.\n### Answer:"


@dataclass(frozen=True)
class Speech:
    """How prompts and answers become the tokens of one language model.

    Attributes
    ----------
    tokenizer
        Of the language model.
    chat
        Whether a prompt is put into the model's chat template, thinking off, as published for Qwen.
    """

    tokenizer: TextTokenizer
    chat: bool = False

    def text(self, question: str, description: str = "") -> str:
        """What an answer follows; ``description`` is left out when empty."""
        lead = f"### Description: {description}\n" if description else ""
        plain = f"{lead}### Question: {question}\n### Answer:"
        return self.tokenizer.chat("", plain) if self.chat else plain

    def prompt(self, question: str, description: str = "") -> list[int]:
        """The same as token ids."""
        return self.tokenizer.encode(self.text(question, description))

    def answer(self, words: str) -> list[int]:
        """An answer as token ids, with the space that sets it off where a template does not."""
        return self.tokenizer.encode(words if self.chat else f" {words}")

    def more(self, words: str) -> list[int]:
        """Further words of an answer as token ids."""
        return self.tokenizer.encode(f" {words}")


PLAIN_TEXT = (
    "Functional magnetic resonance imaging follows the level of oxygen in the blood. Where neurons work harder, the "
    "vessels nearby widen within a few seconds, and the signal rises by about one percent.",
    "A person who lies at rest in the scanner still shows slow waves of activity. Regions whose waves rise and fall "
    "together are called functionally connected, even where no fibre joins them directly.",
    "The default mode network is most active when nothing is asked of us. It holds parts of the medial prefrontal "
    "cortex, the posterior cingulate cortex and the angular gyrus.",
    "The visual network covers the occipital lobe. It answers to edges, colours and movement, and its regions are "
    "tightly coupled with one another when the eyes are open.",
    "The somatomotor network runs along the central sulcus from one ear to the other. It moves the body and feels "
    "what the body touches.",
    "The dorsal attention network turns the gaze to where we choose to look. The salience network notices what we "
    "did not choose: a loud noise, a sudden pain, a face that does not fit.",
    "The frontoparietal control network keeps a goal in mind and switches between tasks. Its coupling with other "
    "networks changes from one task to the next.",
    "The limbic network takes part in emotion and memory. Its signal is hard to measure, because air in the sinuses "
    "disturbs the magnetic field close to it.",
    "The thalamus, the striatum, the hippocampus and the amygdala lie below the cortex. Nearly all of what the "
    "cortex learns of the world passes through the thalamus first.",
    "Head movement is the oldest enemy of resting-state studies. It makes near regions look more connected and far "
    "regions less connected than they are.",
    "Scanners differ in field strength, in coils and in software. A model that learns the scanner instead of the "
    "brain does well until it meets a scanner that it has not seen.",
    "A correlation of one means that two signals rise and fall in step. A correlation of zero means that knowing one "
    "tells nothing about the other along a straight line.",
    "To say that a value is high, one must say high among whom. A score of plus two means that the value lies two "
    "standard deviations above the mean of the group.",
    "An atlas divides the brain into regions. Averaging over a region makes the noise smaller, and it also hides "
    "what differs inside the region.",
    "A good test set holds people whom the model has never met. If two scans of one person stand on both sides of "
    "the cut, the result looks better than it is.",
    "Autism is a condition of development. It is defined by behaviour, not by a scan, and people who share the "
    "diagnosis differ greatly from one another.",
)
"""Plain sentences written for this project: the default corpus of the text-only task."""
