"""The ledger loses no entry to whoever writes tables into the same page, whichever command writes it."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from models.checkpoint import load
from models.training.appraise import ZOO
from models.training.evaluate import Measure, measured
from models.training.ledger import alone, append


def added(page: Path) -> None:
    append(page, "entered")


def evaluated(page: Path) -> None:
    measured(load(ZOO / "vectors"), Measure(lambda *_: [], "nothing"), page.parent, "entered", page)


@pytest.mark.parametrize("write", [added, evaluated])
def test_an_entry_waits_for_who_writes_a_table(tmp_path: Path, write: Callable[[Path], None]) -> None:
    page = tmp_path / "results.md"
    page.write_text("# Results\n")
    writing = Thread(target=write, args=(page,))
    with alone(tmp_path):
        before = page.read_text()
        writing.start()
        writing.join(1.0)
        page.with_suffix(".partial").write_text(f"{before}a table\n")
        page.with_suffix(".partial").replace(page)
    writing.join()
    assert page.read_text().startswith("# Results\na table\n") and "entered" in page.read_text()
