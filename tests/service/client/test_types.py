"""What a type checker makes of both clients; mypy is the test, so nothing in here is run."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

import pytest

from service import schemas
from service.client import AsyncClient, Client


def blocking(kshot: Client, photos: list[Path]) -> None:
    assert_type(kshot.adapt("glyphs", photos, labels="ab"), schemas.CreatedTask)
    assert_type(kshot.predict("t", photos, on_progress=lambda done, total: None), schemas.Predictions)
    assert_type(kshot.tasks(model="glyphs"), Iterator[schemas.Task])
    assert_type(kshot.support("t"), Iterator[schemas.SupportExample])
    assert_type(kshot.wait(kshot.adapt_later("glyphs", photos, labels="ab")), schemas.Job)
    assert_type(kshot.delete("t"), None)
    assert_type(kshot.models(), list[schemas.Model])
    kshot.adapt("glyphs", photos, lables="ab")  # type: ignore[call-arg]
    kshot.rollback("t", "1")  # type: ignore[arg-type]


async def awaiting(kshot: AsyncClient, photos: list[Path]) -> None:
    assert_type(await kshot.adapt("glyphs", photos, labels="ab"), schemas.CreatedTask)
    assert_type(await kshot.predict("t", photos, on_progress=lambda done, total: None), schemas.Predictions)
    assert_type(kshot.tasks(model="glyphs"), AsyncIterator[schemas.Task])
    assert_type(kshot.support("t"), AsyncIterator[schemas.SupportExample])
    assert_type(await kshot.wait(await kshot.adapt_later("glyphs", photos, labels="ab")), schemas.Job)
    assert_type(await kshot.delete("t"), None)
    assert_type(await kshot.models(), list[schemas.Model])
    await kshot.adapt("glyphs", photos, lables="ab")  # type: ignore[call-arg]
    await kshot.rollback("t", "1")  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [blocking, awaiting])
def test_is_checked_by_mypy(function: object) -> None:
    assert callable(function)
