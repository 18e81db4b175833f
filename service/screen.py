"""The one place that prints tables: what is in them is shown as it is, and nothing of it is ever cut.

Rich is imported by what prints: `kshot serve` need not wait for it.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from unicodedata import category

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

WIDE = 10_000  # columns where nobody's terminal ends: in a file or a pipe a line of a table stays one line


def screen(*, stderr: bool = False) -> "Console":
    """Standard output (or error), which takes no text for markup: labels and names are a user's own."""
    from rich.console import Console

    is_seen = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if is_seen or "COLUMNS" in os.environ else WIDE
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def table(*header: str, rows: Iterable[Sequence[str]] = (), whole: Sequence[str] = ()) -> "Table":
    """A table of texts; where the terminal is too narrow they are folded, but for the columns that are `whole`: ids."""
    from rich.cells import cell_len
    from rich.table import Table

    made, lines = Table(box=None, pad_edge=False), [tuple(map(visible, row)) for row in rows]
    for place, name in enumerate(header):
        is_whole = name in whole
        least = max([cell_len(name), *(cell_len(line[place]) for line in lines)]) if is_whole else None
        made.add_column(visible(name), overflow="fold", no_wrap=is_whole, min_width=least)
    for line in lines:
        made.add_row(*line)
    return made


def show(*told: "RenderableType") -> None:
    """Print on standard output."""
    screen().print(*told)


def visible(text: str) -> str:
    """The text without the characters that would steer a terminal."""
    return "".join(each.encode("unicode_escape").decode() if category(each) == "Cc" else each for each in text)
