"""Tables between markers: written twice, a page is as it was after once, and the rest of it never moves."""

from pathlib import Path

import pytest

from benchmarks.page import command, put, table
from models.training.ledger import append

PAGE = "# Results\n\nWords.\n\n## a section of the ledger\n\nnever edited\n"


def test_a_table_in_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_markers_come_before_the_first_section_and_are_used_again(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(PAGE)
    put(page, "speed", "old")
    put(page, "accuracy", "other")
    put(page, "speed", "new")
    once = page.read_text()
    put(page, "speed", "new")
    assert page.read_text() == once
    assert once.endswith("\n\n## a section of the ledger\n\nnever edited\n")
    assert once.startswith("# Results\n\nWords.\n\n<!-- speed -->\nnew\n<!-- end of speed -->\n")
    assert "old" not in once
    assert "other" in once


def test_a_page_that_is_not_there_is_made(tmp_path: Path) -> None:
    put(tmp_path / "new.md", "speed", "text")
    assert (tmp_path / "new.md").read_text() == "<!-- speed -->\ntext\n<!-- end of speed -->\n"


def test_half_a_pair_of_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text("<!-- speed -->\nwhat comes here must not be lost\n")
    with pytest.raises(ValueError, match="end of speed"):
        put(page, "speed", "new")
    assert "must not be lost" in page.read_text()


def test_a_command_without_the_folders_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["accuracy.py", "text", "--out", "/tmp/a b", "--shots", "5"])
    assert command() == "python -m benchmarks.accuracy text --shots 5"


def test_what_is_added_to_a_page_stays_when_a_table_is_put(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    put(page, "table", "one")
    append(page, "\n## entry\n")
    put(page, "table", "two")
    assert page.read_text("utf-8").endswith("two\n<!-- end of table -->\n\n## entry\n")
