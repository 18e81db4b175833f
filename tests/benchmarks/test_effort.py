"""The table of efforts: what is in a row, and which cells are counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.effort import Cell, Shown, kept, page

CELL = Cell("text", "snips", 20, 0, 0.90, 0.92, True, 0.5, 20.0, 110_000, "new")


def test_a_row_tells_the_gain_draw_by_draw_of_the_newest_model_alone() -> None:
    cells = [replace(CELL, high=0.1, digest="old"), CELL, replace(CELL, draw=1, fast=0.92, high=0.92, moved=False)]
    rows = [line for line in page(cells).splitlines() if line.startswith("| snips")]
    assert rows == ["| snips | text | 20 | 91.0 ± 1.0 | 92.0 ± 0.0 | +1.00 ± 1.00 | 1/2 | 0.5 | 20.0 | 110 |"]


def test_draws_of_more_shots_hold_those_of_fewer() -> None:
    pools = [np.arange(10)[:, None] + 100 * label for label in range(3)]
    shown = Shown("x", "text", pools, pools[0], np.zeros(10, np.int64), "")
    few, many = shown.draw(2, 7), shown.draw(5, 7)
    assert set(few.rows.flat) <= set(many.rows.flat)
    assert few.num_ways == 3 and few.classes is not None and few.classes.tolist() == [0, 0, 1, 1, 2, 2]


def test_cells_that_are_not_there_are_none(tmp_path: Path) -> None:
    assert kept(tmp_path / "cells.jsonl") == []
