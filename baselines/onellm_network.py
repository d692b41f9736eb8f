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
        self.project = nn.ModuleDict({brain: nn.Linear(n, tokens * language.width) for brain, n in voxels.items()})
        gain = float(language.table.detach().float().std())
        for brain, count in voxels.items():
            # Embeddings begin as large as words are.
            nn.init.normal_(self.project[brain].weight, std=gain / count**0.5)
            nn.init.zeros_(self.project[brain].bias)

    def prefix(self, responses: Tensor, brain: str) -> Tensor:
        """Responses (batch, voxels) of one brain -> embeddings (batch, tokens, width)."""
        out: Tensor = self.project[brain](responses).view(len(responses), self.tokens, -1)
        return out
