"""``brainbench weights``: the frozen networks that metrics and methods need, and files of them from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption, errors, out

app = typer.Typer(help="Weights of frozen networks: what is here, and taking over files.", no_args_is_help=True)


@app.command("list")
def list_(json_: JsonOption = False) -> None:
    """List the weights by name: what needs them, whether they are here, and the hash of their file.

    Example:  brainbench weights list
    """
    from rich.table import Table

    from ..weights import states

    rows = states()
    if json_:
        import json

        print(json.dumps(rows, indent=1))
        return
    table = Table("name", "for", "state", "sha256", "published file")
    for row in rows:
        table.add_row(row["name"], row["for"], row["state"], row["sha256"][:12], row["published"])
    console = out()
    console.print(table)
    for row in rows:
        if row["get"]:
            console.print(f"{row['name']}: {row['get']}", markup=False, highlight=False, soft_wrap=True)


@app.command("import")
def import_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name as `brainbench weights list` prints it.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="State dict: .pth, .pt, .bin or .safetensors.")],
    json_: JsonOption = False,
) -> None:
    """Take over a file of weights, after its keys and shapes were checked. Nothing that it contains is run.

    Example:  brainbench weights import alexnet alexnet-owt-7be5be79.pth
    """
    from ..weights import digest, entry_of, import_file, published_hash

    kept = import_file(name, file)
    if json_:
        import json

        print(json.dumps({"name": name, "path": str(kept), "sha256": digest(kept)}, indent=1))
        return
    if not digest(kept).startswith(published_hash(entry_of(name))):
        errors().print("this is not the published file: numbers that rest on it say so", markup=False)
    out().print(f"{name}: sha256 {digest(kept)}, kept in {kept.parent}", markup=False, highlight=False, soft_wrap=True)
