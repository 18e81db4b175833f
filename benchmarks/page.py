"""Tables in a page of Markdown, each between markers of its own: written again and again, the rest stays as it is."""

import sys
from collections.abc import Sequence
from pathlib import Path

from models.training.ledger import alone

FOLDERS = ("--out", "--results", "--cache", "--folder", "--twin", "--kept")  # of one machine


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def command(module: str = "accuracy", package: str = "benchmarks") -> str:
    """What was asked for, as it was written, but for where things lie on this machine."""
    words = sys.argv[1:]
    kept = [word for before, word in zip(["", *words], words, strict=False) if not {before, word} & set(FOLDERS)]
    return " ".join([f"python -m {package}.{module}", *kept])


def put(page: Path, name: str, text: str) -> None:
    """Replace what lies between the markers of `name`; without markers, put them before the page's first section."""
    with alone(page.parent):
        _put(page, name, text)


def _put(page: Path, name: str, text: str) -> None:
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    content = page.read_text("utf-8") if page.is_file() else ""
    if first not in content:
        top, section, rest = content.partition("\n## ")
        content = f"{top.rstrip()}\n\n{first}\n{last}\n{section}{rest}".lstrip()
    before, _, after = content.partition(first)
    if last not in after:
        raise ValueError(f"{page} has no line {last!r} after {first!r}")
    beside = page.with_suffix(".partial")
    beside.write_text(f"{before}{first}\n{text}\n{last}{after.partition(last)[2]}", "utf-8")
    beside.replace(page)
