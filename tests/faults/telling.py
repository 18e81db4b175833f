"""How trials say how far they are, and what came of them."""

import sys
from pathlib import Path

from benchmarks import page


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def conclude(text: str, name: str, results: Path | None) -> None:
    """Tell what came of it, and put it between the markers of `name` in the page, if there is one to write to."""
    say(text)
    if results is not None:
        page.put(results, name, text)
