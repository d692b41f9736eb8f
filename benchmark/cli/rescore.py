"""``brainbench rescore``: the numbers of a record, made anew from its predictions."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import StoreOption, errors, store_path


def rescore(
    record: Annotated[str, typer.Argument(help="Record id (its beginning is enough), or its folder.")],
    store: StoreOption = None,
) -> None:
    """Score a record again from its predictions, and say whether every number is the same.

    Example:  brainbench rescore abide2-asd--fc-svm
    """
    from ..rescoring import rescore as score_again
    from ..store import Store

    found, folder = Store(store_path(store)).find(record)
    with errors().status("scoring ..."):
        result = score_again(found, folder, lambda label, done, total: None)
    wide = max((len(name) for name in result.scores), default=0)
    for name, score in result.scores.items():
        if score.value is None:
            print(f"{name:{wide}}  not defined")
        else:
            print(f"{name:{wide}}  {score.value:.6f}  [{score.low:.6f}, {score.high:.6f}]")
    if result.differences:
        print("\n".join(result.differences))
        errors().print(f"{len(result.differences)} numbers differ from the record {found.id}", style="red")
        raise typer.Exit(1)
    print(f"every number of {found.id} is reproduced")
