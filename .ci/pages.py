"""What turns the repository's documents into pages: its own files at the top become pages beside those of docs/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "SECURITY.md": "security.md",
}
TOP = {name: page for name, page in PAGES.items() if (ROOT / name).is_file()}
"""File at the top of the repository -> page."""

LINK = re.compile(r"\[([^\]]*)\]\(([^)#:]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """List the documents that mkdocs.yml does not list behind those that it does."""
    known = [*TOP.values(), *sorted(path.name for path in (ROOT / "docs").glob("*.md"))]
    listed = str(config["nav"])
    more = [page for page in known if f"'{page}'" not in listed]
    config["nav"] += [{"More": more}] if more else []
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the files at the top."""
    for name, page in TOP.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as they are on the pages."""
    top = page.file.src_uri in TOP.values()
    return LINK.sub(lambda hit: _moved(hit, top), markdown)


def _moved(hit: re.Match[str], top: bool) -> str:
    """A link to another page; what is in the repository and on no page is named only."""
    text, target, anchor = hit[1], hit[2], hit[3] or ""
    inside = target.removeprefix("docs/" if top else "../")
    if not top and inside == target:
        return hit[0]
    page = TOP.get(inside) or (inside if target.startswith("docs/") else "")
    if page:
        return f"[{text}]({page}{anchor})"
    if (ROOT / inside).exists():
        return f"{text} (`{inside}`)" if text != inside else f"`{inside}`"
    return hit[0]
