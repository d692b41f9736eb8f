"""What trained networks on scans have in common: inputs, the training loop, prediction batch by batch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from ..benchmark.contracts import Context, Method, Train
from ..benchmark.errors import BadOption, need

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.kinds.scans import Scan
    from ..benchmark.nn.objective import Objective
    from ..benchmark.nn.training import Recipe

VALIDATION_FOLDS = 8

Arrays = tuple[np.ndarray, ...]


class Stored(Protocol):
    """The encoded scans, one a row: a memory map, or something that reads rows when asked for them."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: np.ndarray) -> np.ndarray: ...


@dataclass
class TrainedNetwork(Method):
    """A network that maps scans to classes or a number, and how it is trained.

    The epoch is chosen on an eighth of the training scans, no subject cut, by AUC or squared error; with
    fewer than eight subjects in a class the last epoch is taken. A subclass builds the network and says how
    scans are read; see `NetworkBaseline` for those of a fixed shape.

    Attributes
    ----------
    epochs, batch, rate, weight_decay
        Of the optimiser.
    patience
        Stop after so many epochs without a better validation score.
    mixup
        Mix pairs of scans and their targets with a share from Beta(1, 1).
    precision
        "float32", or "bf16" for mixed precision.
    """

    epochs: int = 20
    batch: int = 16
    rate: float = 1e-3
    weight_decay: float = 1e-4
    patience: int = 6
    mixup: bool = False
    precision: Literal["float32", "bf16"] = "float32"

    supports: ClassVar[tuple[str, ...]] = ("classification", "regression")
    reads: ClassVar[tuple[str, ...]] = ("series",)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "rate", "patience"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")

    def learn(self, scans: Any, context: Context) -> None:
        """Learn what reading a scan needs from the training scans, such as the scale of a site."""

    @abstractmethod
    def _store(self, scans: Any, context: Context) -> Sequence[Stored]:
        """The training scans, as the network takes them."""

    @abstractmethod
    def _validate(self, store: Sequence[Stored], rows: np.ndarray, context: Context) -> np.ndarray:
        """Outputs (n, outputs) of stored scans."""

    @abstractmethod
    def build(self, shapes: tuple[tuple[int, ...], ...], outputs: int, context: Context) -> nn.Module:
        """The network: called with one tensor (batch, *shape) an array, it returns (batch, outputs)."""

    def loss(self, network: nn.Module, arrays: tuple[Tensor, ...], wanted: Tensor, objective: Objective) -> Tensor:
        """Mean training loss of a batch."""
        return objective.loss(network(*arrays), wanted)

    def recipe(self) -> Recipe:
        """How the network is optimised: Adam, the rate falls to a tenth along a cosine."""
        from ..benchmark.nn.training import Recipe

        return Recipe(
            self.epochs, self.batch, self.rate, self.rate / 10, weight_decay=self.weight_decay,
            patience=self.patience, precision=self.precision,
        )  # fmt: skip

    def groups(self, network: nn.Module) -> list[dict[str, Any]] | None:
        """Parameter groups of the optimiser, as `training.train` takes them; None for all alike."""
        return None

    def fit(self, train: Train, context: Context) -> None:
        """Train, and keep the weights of the best validation epoch."""
        training = training_loop()
        from ..benchmark.nn.objective import objective_of

        self._objective = objective_of(context.task, train.targets)
        targets = np.asarray(train.targets)
        rows, held_out = training.hold_out(targets, train.groups, VALIDATION_FOLDS, context.seed)
        with training.reproducible(context):
            self.learn(train.inputs, context)
            store = self._store(train.inputs, context)
            self._network = self.build(tuple(a.shape[1:] for a in store), self._objective.outputs, context)
            self._network.to(context.device)
            wanted = self._objective.wanted(targets)
            mixing = np.random.default_rng(context.seed)

            def load(part: np.ndarray) -> tuple[tuple[Tensor, ...], Tensor]:
                return tensors(store, part, context.device), wanted[part].to(context.device)

            def loss(loaded: tuple[tuple[Tensor, ...], Tensor]) -> Tensor:
                arrays, mine = self._mix(*loaded, mixing)
                return self.loss(self._network, arrays, mine, self._objective)

            def score() -> float:
                return self._objective.score(targets[held_out], self._validate(store, held_out, context))

            history = training.train(
                self._network, loss, self._epoch(rows), self.recipe(), context, score if len(held_out) else None,
                self.groups(self._network), load=load,
            )  # fmt: skip
        self._facts = {
            "parameters": training.parameter_count(self._network),
            "best_epoch": history.best,
            "epochs_run": len(history.losses),
            "validation_scans": len(held_out),
        }
        if not len(held_out):
            self._facts["note"] = "too few scans for a validation part: the last epoch is taken"

    def _epoch(self, rows: np.ndarray) -> np.ndarray:
        """Training rows of an epoch; a scan that is seen several times stands there several times."""
        return rows

    def _mix(
        self, arrays: tuple[Tensor, ...], wanted: Tensor, rng: np.random.Generator
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        if not self.mixup:
            return arrays, wanted
        share, order = float(rng.beta(1, 1)), rng.permutation(len(wanted))
        return tuple(share * a + (1 - share) * a[order] for a in arrays), share * wanted + (1 - share) * wanted[order]

    def _outputs(self, arrays: tuple[Tensor, ...]) -> np.ndarray:
        """Outputs (batch, outputs) of the trained network."""
        from ..benchmark.nn.training import mixed

        with mixed(self.precision, arrays[0].device.type):
            found: np.ndarray = self._network(*arrays).float().cpu().numpy()
        return found

    def report(self) -> dict[str, Any]:
        """Parameter count, best epoch, epochs run, validation scans, and a note where there are none."""
        return dict(self._facts)


@dataclass
class NetworkBaseline(TrainedNetwork):
    """A network on arrays of one shape for all scans.

    A subclass says what the arrays of a scan are (`encode`). Training scans are encoded once, into memory
    maps in the cell's scratch folder; test scans one batch at a time.
    """

    @abstractmethod
    def encode(self, scan: Scan) -> Arrays:
        """Arrays of one scan; their shapes are the same for all scans. Stored as float32."""

    def _store(self, scans: Any, context: Context) -> Sequence[Stored]:
        """The encoded training scans, one memory map (n, *shape) an array."""
        maps: list[np.ndarray] = []
        for row, scan in enumerate(scans):
            arrays = self.encode(scan)
            maps = maps or [
                scratch(context.workdir / f"inputs{k}.npy", (len(scans), *array.shape))
                for k, array in enumerate(arrays)
            ]
            for store, array in zip(maps, arrays, strict=True):
                store[row] = array
            context.progress("inputs", row + 1, len(scans))
        return maps

    def _validate(self, store: Sequence[Stored], rows: np.ndarray, context: Context) -> np.ndarray:
        """Outputs (n, outputs) of stored scans, batch by batch."""
        parts = np.array_split(rows, max(1, -(-len(rows) // self.batch)))
        return np.concatenate([self._outputs(tensors(store, part, context.device)) for part in parts])

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), or values (n,)."""
        training = training_loop()
        import torch

        outputs = []
        with training.reproducible(context), torch.no_grad():
            self._network.eval()
            for start in range(0, len(test), self.batch):
                scans = [self.encode(test[row]) for row in range(start, min(start + self.batch, len(test)))]
                stacked = [np.stack([arrays[k] for arrays in scans]) for k in range(len(scans[0]))]
                outputs.append(self._outputs(tensors(stacked, np.arange(len(scans)), context.device)))
                context.progress("predict", start + len(scans), len(test))
        return self._objective.predict(np.concatenate(outputs))


def tensors(store: Sequence[Stored], rows: np.ndarray, device: str) -> tuple[Tensor, ...]:
    """Some rows of the stored arrays, as float32 tensors."""
    import torch

    return tuple(torch.as_tensor(np.asarray(array[rows], dtype=np.float32)).to(device) for array in store)


def scratch(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """An empty float32 memory map."""
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)


def training_loop() -> Any:
    """The module `benchmark.nn.training`; `ExtraMissing` where torch is not installed."""
    try:
        from ..benchmark.nn import training
    except ModuleNotFoundError:
        raise need("torch", "torch") from None
    return training
