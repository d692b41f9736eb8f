"""The joined network: encoder, projector and language model, and what it makes of items.

Layout of a sequence [ours; the paper's is unknown]: the user turn opens, then come the FCN tokens of each
network between two marker tokens, then the question; the turn closes and the answer follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...benchmark.nn.language import Language
from ...benchmark.nn.packing import Prefix, Text, candidate_scores, log_likelihoods, pack, read
from .encoder import Encoder
from .instructions import Item
from .projector import Projector

SYSTEM = ""
PLACE = "[brain network]"


class Reader(nn.Module):
    """Everything that answers a question about networks.

    Parameters
    ----------
    sees
        False for the control that reads text only.
    choose
        Whether an item with candidates is learned by choosing among them, see `choice_loss`.
    """

    def __init__(
        self, encoder: Encoder, projector: Projector, language: Language, *, sees: bool, choose: bool
    ) -> None:  # fmt: skip
        super().__init__()
        self.choose = choose
        self.encoder = encoder
        self.projector = projector
        self.language = language
        self.lm = language.model
        self.sees = sees
        self.eos = language.tokenizer.eos
        self._encoded: dict[str, list[int]] = {}
        opening, closing = language.tokenizer.chat(SYSTEM, PLACE).split(PLACE)
        self.opening = language.tokenizer.encode(opening)
        self.closing = closing

    def attach(self) -> None:
        """Take over the language model after it was wrapped by adapters."""
        self.lm = self.language.model

    def encoded(self, text: str) -> list[int]:
        """Token ids of a text, kept: questions and answers recur."""
        if text not in self._encoded:
            self._encoded[text] = self.language.tokenizer.encode(text)
        return self._encoded[text]

    def asked(self, question: str, said: Sequence[str] = ()) -> list[int]:
        """Token ids of a question, its turn closed, and what was answered so far."""
        return [token for text in (question + self.closing, *said) for token in self.encoded(text)]

    def prefix(self, networks: Tensor) -> Prefix:
        """What comes before a question: (batch, k, roi, roi), k networks a sample."""
        count, several = networks.shape[:2]
        lead = torch.tensor(self.opening, dtype=torch.long, device=networks.device).expand(count, -1)
        parts = [self.language.embed(lead)]
        for number in range(several if self.sees else 0):
            parts.append(self.projector.framed(self.encoder(networks[:, number])).to(parts[0].dtype))
        return Prefix.causal(torch.cat(parts, dim=1))

    def scores(self, networks: Tensor, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[str]]) -> Tensor:
        """(batch, most answers) log-likelihood of each candidate after its prompt, -inf where a sample has fewer."""
        most = max(map(len, answers))
        texts = [
            Text.of(prompt, [self.encoded(answer) for answer in candidates])
            for prompt, candidates in zip(prompts, answers, strict=True)
        ]
        text = pack(texts, self.eos).to(str(networks.device))
        found = candidate_scores(self.language, self.prefix(networks), text, most)
        there = torch.arange(most) < torch.tensor([[len(candidates)] for candidates in answers])
        return found.masked_fill(~there.to(found.device), -torch.inf)

    def form(self, item: Item) -> tuple[Any, ...]:
        """Items of one form are learned in one pass."""
        return (len(item.pieces), self.choose and len(item.answers) > 1)

    def loss(self, networks: Tensor, items: Sequence[Item]) -> Tensor:
        """Summed loss of items of one form and their networks (batch, k, roi, roi)."""
        _, choice = self.form(items[0])
        return self.choice_loss(networks, items) if choice else self.token_loss(networks, items)

    def choice_loss(self, networks: Tensor, items: Sequence[Item]) -> Tensor:
        """Summed cross-entropy over the candidate answers of items."""
        prompts = [self.asked(item.question, item.said) for item in items]
        scores = self.scores(networks, prompts, [item.answers for item in items])
        right = torch.tensor([item.right for item in items], device=scores.device)
        return F.cross_entropy(scores, right, reduction="sum")

    def token_loss(self, networks: Tensor, items: Sequence[Item]) -> Tensor:
        """Next-token cross-entropy on the right answers and their ends: means over tokens, summed over items."""
        texts = [
            Text.of(self.asked(item.question, item.said), [[*self.encoded(item.answers[item.right]), self.eos]])
            for item in items
        ]
        text = pack(texts, self.eos).to(str(networks.device))
        wanted = text.branch > 0
        hidden = read(self.language, self.prefix(networks), text).text
        values = -log_likelihoods(self.language, hidden, text, wanted)
        share = 1 / wanted.sum(1)
        return (values * share[torch.nonzero(wanted, as_tuple=True)[0]]).sum()
