"""The demonstration of texts: its sentences are fair, and it runs against a service that has the model."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from service.demo_beside import flat
from service.demo_text import demonstrate, rival, sentences
from tests.e2e.server import serving


def test_nothing_that_is_asked_is_shown() -> None:
    shown, asked = sentences()
    assert shown.keys() == asked.keys()
    assert {len(texts) for texts in shown.values()} == {5} and {len(texts) for texts in asked.values()} == {4}
    texts = [*flat(shown)[0], *flat(asked)[0]]
    assert len(set(texts)) == len(texts)


def test_the_rival_is_worth_beating() -> None:
    shown, asked = sentences()
    assert rival(*flat(shown), *flat(asked)) > 0.7


def test_it_learns_more_than_its_rival(tmp_path: Path) -> None:
    console = Console(record=True, width=100, file=StringIO())
    with serving(tmp_path, models="text") as server:
        demonstrate(server.url, console)
    (line,) = [line.split() for line in console.export_text().splitlines() if line.strip().startswith("5 ")]
    ours, theirs = (int(share.rstrip("%")) for share in line[-2:])
    assert ours >= 90 and ours > theirs
