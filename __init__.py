"""brainbench: benchmark suite and leaderboard harness for models that read fMRI."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .benchmark.contracts import Card, Context, Dataset, DatasetCard, Kind, Method, Metric, Task, TaskInfo, Train
    from .benchmark.errors import BrainbenchError
    from .benchmark.items import Items
    from .benchmark.kinds.connectivity import Graphs, Network
    from .benchmark.kinds.questions import Answers
    from .benchmark.splits import KFold, SiteOut

__version__ = "0.1.0"

_HOMES = {
    "benchmark.contracts": (
        "Card",
        "Context",
        "Dataset",
        "DatasetCard",
        "Kind",
        "Method",
        "Metric",
        "Task",
        "TaskInfo",
        "Train",
    ),
    "benchmark.errors": ("BrainbenchError",),
    "benchmark.items": ("Items",),
    "benchmark.kinds.connectivity": ("Graphs", "Network"),
    "benchmark.kinds.questions": ("Answers",),
    "benchmark.splits": ("KFold", "SiteOut"),
}

__all__ = [
    "Answers",
    "BrainbenchError",
    "Card",
    "Context",
    "Dataset",
    "DatasetCard",
    "Graphs",
    "Items",
    "KFold",
    "Kind",
    "Method",
    "Metric",
    "Network",
    "SiteOut",
    "Task",
    "TaskInfo",
    "Train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line starts quickly."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
