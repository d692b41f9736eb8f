"""A linear layer for each brain before a language model."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ..benchmark.nn.captioner import Conversation
from ..benchmark.nn.language import Language


class Talker(nn.Module):
    """Responses as ``tokens`` embeddings of a language model."""

    def __init__(self, voxels: Mapping[str, int], language: Language, tokens: int) -> None:
        super().__init__()
        self.language, self.lm, self.tokens = language, language.model, tokens
        self.talk = Conversation(language)
        gain = float(language.table.detach().float().std())
        self.project = nn.ModuleDict(
            {brain: self._layer(n, tokens * language.width, gain) for brain, n in voxels.items()}
        )

    @staticmethod
    def _layer(voxels: int, width: int, gain: float) -> nn.Linear:
        """A layer whose embeddings begin as large as words are, of z-scored responses."""
        layer = nn.Linear(voxels, width)
        nn.init.normal_(layer.weight, std=gain / voxels**0.5)
        nn.init.zeros_(layer.bias)
        return layer

    def prefix(self, responses: Tensor, brain: str) -> Tensor:
        """Responses (batch, voxels) of one brain -> embeddings (batch, tokens, width)."""
        out: Tensor = self.project[brain](responses).view(len(responses), self.tokens, -1)
        return out
