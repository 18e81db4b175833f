"""The page that keeps every read of a test set: one process at a time writes, and only adds."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def append(page: Path, text: str) -> None:
    """Add to the end of a page, as the ledger is."""
    with alone(page.parent), page.open("a", encoding="utf-8") as file:
        file.write(text)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time changes pages: of two that read, changed and wrote, one's change would be lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
