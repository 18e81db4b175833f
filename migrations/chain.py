"""The revisions in their order, read off the files of the migrations: a service that starts needs no alembic."""

import re
from ast import literal_eval
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TOLD = re.compile(r"^(revision|down_revision|finishes) = (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Revision:
    """One migration, and whether it takes what code of the release before cannot do without."""

    name: str
    finishes: bool


@cache
def chain() -> tuple[Revision, ...]:
    """All, the newest first. Raises RuntimeError if they branch, or if there is none."""
    told = [_constants(file) for file in (Path(__file__).parent / "versions").glob("*.py")]
    above = {each["down_revision"]: each for each in told if "revision" in each}
    found, below = [], None
    while below in above:
        own = above[below]
        below = own["revision"]
        found.append(Revision(below, own.get("finishes", False)))
    if not found or len(found) != sum("revision" in each for each in told):
        raise RuntimeError("the installed migrations are no chain")
    return tuple(reversed(found))


def _constants(file: Path) -> Mapping[str, Any]:
    return {name: literal_eval(value) for name, value in TOLD.findall(file.read_text("utf-8"))}
