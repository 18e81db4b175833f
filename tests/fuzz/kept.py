"""What runs have counted of the same code, so that hours can be gathered in pieces."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.running import Count

FUZZED = ("service", "models", "tests/fuzz")  # whose change makes older counts those of other code
ROOT = Path(__file__).parents[2]


def code() -> str:
    """What tells this code from other code: digests of what is committed, and what is changed beside it."""
    trees = _git("rev-parse", *(f"HEAD:{folder}" for folder in FUZZED)).split()
    return " ".join(trees + _git("status", "--porcelain", "--", *FUZZED).split())


def commit() -> str:
    """The short name of the commit."""
    return _git("rev-parse", "--short", "HEAD").strip()


def load(path: Path, code: str) -> dict[str, Count]:
    """The counts of each target, if they are of this code."""
    kept = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {name: Count(**count) for name, count in kept["counts"].items()} if kept.get("code") == code else {}


def save(path: Path, code: str, counts: Mapping[str, Count]) -> None:
    """Keep the counts of this code, and no other's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    kept = {"code": code, "counts": {name: asdict(count) for name, count in counts.items()}}
    beside.write_text(json.dumps(kept, indent=1), "utf-8")
    beside.replace(path)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
