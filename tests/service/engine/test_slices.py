"""How rows are cut into slices."""

import numpy as np
import pytest
import torch

from models.inputs.image import GlyphInput
from service.engine.slices import bulk_rows, cuts, rows_a_slice, unit_of


@pytest.mark.parametrize("unit", ["cpu", "amx"])
@pytest.mark.parametrize("is_bulk", [False, True])
@pytest.mark.parametrize("num_rows", [0, 1, 15, 16, 17, 25, 40])
def test_parts_are_alike_and_hold_every_row_once(num_rows: int, is_bulk: bool, unit: str) -> None:
    glyphs = GlyphInput()
    rows = np.arange(num_rows, dtype=np.uint8)[:, None, None] + np.zeros(glyphs.shape, np.uint8)
    parts = list(cuts(glyphs, rows, unit, is_bulk=is_bulk))
    most, sizes = (bulk_rows if is_bulk else rows_a_slice)(glyphs, unit), [len(where) for where, _ in parts]
    assert len(parts) == max(1, -(-num_rows // most))
    assert max(sizes) <= most and max(sizes) - min(sizes) <= 1
    assert np.concatenate([where for where, _ in parts]).tolist() == list(range(num_rows))
    assert all((part[:, 0, 0] == where).all() for where, part in parts)


def test_a_matrix_unit_has_slices_of_twice_the_size_where_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for has_tiles, unit in ((True, "amx"), (False, "cpu")):
        monkeypatch.setattr("service.engine.slices.has_tiles", lambda has_tiles=has_tiles: has_tiles)
        units = unit_of(cpu, torch.bfloat16), unit_of(cpu, torch.float32), unit_of(cuda, torch.bfloat16)
        assert units == (unit, "cpu", "cuda")
    assert rows_a_slice(GlyphInput(), "amx") == 2 * rows_a_slice(GlyphInput(), "cpu")
