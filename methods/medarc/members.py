"""The models of an ensemble: what is drawn, and fits that several cells share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmark.contracts import Context, Train
from ...benchmark.errors import BadData
from ...benchmark.files import made_once
from ...benchmark.kinds.encoding import Run
from ...benchmark.nn.inner_movies import hold_out, names_of
from ...benchmark.space import draw
from .ensemble import Choice, Ensemble, Watched, stitch
from .options import Options
from .space import SPACES
from .training import Fitted, fit_one

ONLY_ENSEMBLE = (
    "members", "members_seed", "member_space", "top", "weights", "standardise_members", "estimate",
)  # fmt: skip
"""Options that no single model depends on."""


def fit(options: Options, train: Train, context: Context) -> Fitted | Ensemble:
    """One model, or with ``members`` the ensemble of models that are drawn from the space."""
    return fit_ensemble(options, train, context) if options.members else fit_shared(options, train, context)


def drawn(options: Options) -> list[Options]:
    """The options of each member: those of the ensemble, and over them what is drawn."""
    own = {field.name: getattr(options, field.name) for field in fields(Options)}
    base = replace(Options(**own), **{name: getattr(Options, name) for name in ONLY_ENSEMBLE})
    found = draw(SPACES[options.member_space], options.members, options.members_seed)
    return [replace(base, **config) for config in found]


def fit_ensemble(options: Options, train: Train, context: Context) -> Ensemble:
    """Train all members, and stitch them by their r on the inner films, which no member was trained on."""
    choice = Choice(options.top, options.weights, options.standardise_members, options.estimate)
    choice.verify()
    configurations = drawn(options)
    members, lost = fit_members(configurations, train, context)
    _, rows = hold_out(train.inputs, configurations[0].inner_movies)
    films = names_of(train.inputs)
    watched = Watched(train.inputs, train.targets, [int(row) for row in rows], [films[row] for row in rows])
    found = stitch(members, watched, choice, context.progress)
    return replace(found, facts={**found.facts, **told(members), "members_lost": lost})


@dataclass(frozen=True)
class Shelved:
    """A trained member whose weights lie in a folder: of all that share a desk, one is in memory.

    Attributes
    ----------
    folder, options, device
        Where the weights lie, what they were trained with, and where they are used.
    streams, best_epochs, parameters
        What a record tells of it.
    desk
        The folder of the member in memory, and the member.
    """

    folder: Path
    options: Options
    device: str
    streams: tuple[str, ...]
    best_epochs: list[int]
    parameters: int
    desk: dict[Path, Fitted]

    @classmethod
    def put(cls, fitted: Fitted, folder: Path, device: str, desk: dict[Path, Fitted]) -> Shelved:
        """A member that was just trained or read."""
        epochs = [part.best_epoch for part in fitted.parts]
        return cls(folder, fitted.options, device, tuple(fitted.streams), epochs, fitted.parameters, desk)

    def predict_run(self, run: Run) -> dict[str, np.ndarray]:
        """See `Fitted.predict_run`."""
        if self.folder not in self.desk:
            self.desk.clear()
            self.desk[self.folder] = Fitted.load(self.folder, self.options, self.device)
        return self.desk[self.folder].predict_run(run)


def fit_members(
    configurations: Sequence[Options], train: Train, context: Context
) -> tuple[list[Shelved], dict[str, str]]:
    """The members that could be trained, and why others could not, by their place in the draw from 1.

    Raises `BadData` where none could.
    """
    kept = context if context.shared is not None else replace(context, shared=context.workdir / "members")
    members: list[Shelved] = []
    lost: dict[str, str] = {}
    desk: dict[Path, Fitted] = {}
    for number, each in enumerate(configurations, 1):
        try:
            members.append(Shelved.put(fit_shared(each, train, kept), shelf(each, train, kept), context.device, desk))
        except BadData as error:  # a rate at which learning diverges is one bad draw of many
            lost[str(number)] = error.message
        context.progress("members", number, len(configurations))
    if not members:
        raise BadData(f"none of {len(configurations)} members could be trained; #1: {lost['1']}")
    return members, lost


def told(members: Sequence[Shelved]) -> dict[str, Any]:
    """What each member is: the options in which members differ, and its epochs."""
    plain = [asdict(member.options) for member in members]
    varied = [name for name in plain[0] if any(each[name] != plain[0][name] for each in plain)]
    return {
        "members": [{name: each[name] for name in varied} for each in plain],
        "best_epochs": [member.best_epochs for member in members],
        "parameters": sum(member.parameters for member in members),
    }


def fit_shared(options: Options, train: Train, context: Context) -> Fitted:
    """One model, or what another cell has trained with the same options."""
    rows, watched = hold_out(train.inputs, options.inner_movies)

    def make() -> Fitted:
        return fit_one(options, train.inputs, train.targets, rows, watched, context)

    if context.shared is None:
        return make()
    return made_once(
        shelf(options, train, context),
        lambda folder: Fitted.load(folder, options, context.device),
        make,
        lambda folder, fitted: fitted.save(folder),
    )


def shelf(options: Options, train: Train, context: Context) -> Path:
    """The folder of a model that cells share, or that one cell keeps."""
    assert context.shared is not None
    rows, _ = hold_out(train.inputs, options.inner_movies)
    return context.shared / f"medarc-{shared_name(options, rows, context)}"


def shared_name(options: Options, rows: np.ndarray, context: Context) -> str:
    """A name that tells all that a fit depends on within a cell's data."""
    own = {field.name: getattr(options, field.name) for field in fields(Options) if field.name not in ONLY_ENSEMBLE}
    text = json.dumps([own, rows.tolist(), context.seed, context.device.partition(":")[0]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
