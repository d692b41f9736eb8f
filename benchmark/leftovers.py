"""What a process that nobody trusts left on the disk: looked at before anything follows it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

MOST_FILES = 1_000_000
DEEPEST = 32


def tidy(folder: Path, keep: Path) -> str:
    """Remove everything of a folder but ``keep``; what is odd in that one, or "" where all of it is plain.

    Odd are links, pipes and devices, which would lead a reader elsewhere or make it wait, very many files and very
    deep folders; ``keep`` is removed then, too.
    """
    for path in folder.iterdir():
        if path != keep:
            remove(path)
    odd = oddity(keep)
    if odd:
        remove(keep)
    return odd


def oddity(folder: Path) -> str:
    """The first thing in a folder that is no plain file or folder, in words; "" where there is none."""
    if not os.path.lexists(folder):
        return ""
    if not stat.S_ISDIR(folder.lstat().st_mode):
        return f"{folder.name}, which is no folder"
    todo, files = [(str(folder), 0)], 0
    while todo:
        place, depth = todo.pop()
        if depth > DEEPEST:
            return f"folders that are more than {DEEPEST} deep"
        try:
            entries = list(os.scandir(place))
        except OSError as error:
            return f"a folder that cannot be read ({error.strerror})"
        files += len(entries)
        if files > MOST_FILES:
            return f"more than {MOST_FILES} files"
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                todo.append((entry.path, depth + 1))
            elif not stat.S_ISREG(mode):
                kind = "a link" if stat.S_ISLNK(mode) else "a pipe, socket or device"
                return f"{kind} among its predictions"
    return ""


def remove(path: Path) -> None:
    """Remove a file, a link or a folder however deep; never what a link points to."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):  # modes that forbid it, or thousands of folders in each other
        for command in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            if path.exists():
                subprocess.run([*command, "--", str(path)], check=False, capture_output=True)
