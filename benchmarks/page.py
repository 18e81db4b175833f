"""Tables in a page of Markdown, each between markers of its own: written again and again, the rest stays as it is."""

from collections.abc import Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def put(page: Path, name: str, text: str) -> None:
    """Replace what lies between the markers of `name`; without markers, put them before the page's first section."""
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
