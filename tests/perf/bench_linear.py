"""Linear models on connectivity, tuned by inner folds: ours beside scikit-learn's grid search.

Run: ``python tests/perf/bench_linear.py [SCANS]``. Edges of 450 ROIs (101,025 columns) of 120 scans by default, in
memory; both choose C of five or six, or alpha of 17, by the same five inner folds and fit all scans at the end.
scikit-learn is run as its users do (``GridSearchCV`` of ``SVC(kernel="linear")``, ``LogisticRegression`` and ``Ridge``
on the columns, scaled beforehand as ours are, so that both mean the same by C). The bound is one Gram matrix
(symmetric) and the weights: the only steps that touch the columns.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from bounds import Row, bound, race, table

from brainbench.baselines.aims import ClassAim, LabelAim
from brainbench.benchmark.contracts import Context, TaskInfo, Train
from brainbench.benchmark.registry import load_method

EDGES = 450 * 449 // 2
INFO = TaskInfo("bench", "classification", "label", classes=("a", "b"))


def make(scans: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges with a planted effect, and labels."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(scans) % 2)
    edges = 0.2 * rng.standard_normal((scans, EDGES), dtype=np.float32) + 0.3
    edges[:, :1000] += 0.02 * labels[:, None].astype(np.float32)
    return edges, labels


class Given(list):
    """As many scans as there are rows of edges."""

    def series(self, row: int) -> np.ndarray:
        """No values: the edges are given."""
        return np.zeros((1, 450), np.float32)


def ours(name: str, edges: np.ndarray, labels: np.ndarray) -> Any:
    """A baseline fitted on given edges."""
    method = load_method(name)[0]()
    method.learn_features = lambda scans, context: edges.copy()
    context = Context(INFO, 0, Path(tempfile.gettempdir()))
    method.fit(Train(Given(range(len(labels))), labels, np.arange(len(labels))), context)
    return method.report()


def prepared(name: str, edges: np.ndarray) -> np.ndarray:
    """Columns as a baseline sees them."""
    features = load_method(name)[0]().prepare(edges.copy())
    columns: np.ndarray = features.centred
    return columns if name == "ridge" else columns / np.float32(np.sqrt(features.scale))


def searched(name: str, columns: np.ndarray, labels: np.ndarray) -> Any:
    """The same by scikit-learn."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    method = load_method(name)[0]()
    key, models = method.setting, {"fc-svm": SVC(kernel="linear"), "fc-logistic": LogisticRegression(max_iter=5000)}
    aim = LabelAim(2) if name == "ridge" else ClassAim(2)
    folds = aim.folds(labels, np.arange(len(labels)), 0)
    search = GridSearchCV(models.get(name, Ridge()), {key: method.grid}, cv=folds, scoring="roc_auc")
    return search.fit(columns, labels).best_params_


def main() -> None:
    """Print the table, and what both chose."""
    count = int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1].isdigit() else 120
    edges, labels = make(count)
    rows = []
    for name in ("fc-svm", "fc-logistic", "ridge"):
        chosen: dict[str, Any] = {}
        columns = prepared(name, edges)
        cases = {
            "ours": lambda name=name, chosen=chosen: chosen.update(ours=ours(name, edges, labels)),
            "GridSearchCV": lambda name=name, chosen=chosen, columns=columns: chosen.update(
                peer=searched(name, columns, labels)
            ),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first, seconds = race({"ours": cases["ours"]}, 2), race(cases, 1)
        least = bound(moved=2 * edges.nbytes, done=count * count * EDGES + 2 * count * EDGES)
        case = f"{name}, {count} scans x {EDGES} edges"
        rows.append(Row(case, "GridSearchCV", min(first["ours"], seconds["ours"]), seconds["GridSearchCV"], least))
        told = {key: chosen["ours"][key] for key in chosen["peer"]}
        print(f"{name}: ours chose {told}, scikit-learn {chosen['peer']}")
    print(table(rows))


if __name__ == "__main__":
    main()
