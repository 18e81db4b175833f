"""How rows are cut into slices."""

import numpy as np
import pytest

from models.inputs.image import GlyphInput
from service.engine.slices import bulk_rows, cuts, rows_a_slice


@pytest.mark.parametrize("is_bulk", [False, True])
@pytest.mark.parametrize("num_rows", [0, 1, 15, 16, 17, 25, 40])
def test_parts_are_alike_and_hold_every_row_once(num_rows: int, is_bulk: bool) -> None:
    glyphs = GlyphInput()
    rows = np.arange(num_rows, dtype=np.uint8)[:, None, None] + np.zeros(glyphs.shape, np.uint8)
    parts = list(cuts(glyphs, rows, "cpu", is_bulk=is_bulk))
    most, sizes = (bulk_rows if is_bulk else rows_a_slice)(glyphs, "cpu"), [len(where) for where, _ in parts]
    assert len(parts) == max(1, -(-num_rows // most))
    assert max(sizes) <= most and max(sizes) - min(sizes) <= 1
    assert np.concatenate([where for where, _ in parts]).tolist() == list(range(num_rows))
    assert all((part[:, 0, 0] == where).all() for where, part in parts)
