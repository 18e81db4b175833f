"""The table of efforts: what is in a row, and which cells are counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.effort import Cell, Shown, kept, measured, page, trained_on
from tests.models.divided import divided

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


def test_no_draw_is_of_weights_that_another_has_rounded() -> None:
    base, rows = divided(), np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)
    before = {name: leaf.clone() for name, leaf in base.learner.state_dict().items()}
    shown = Shown("x", "vector", list(rows), rows[0], np.zeros(6, np.int64), "")
    assert measured(base, shown, 4, 0).digest == measured(base, shown, 4, 0).digest
    assert all(torch.equal(leaf, before[name]) for name, leaf in base.learner.state_dict().items())


def test_a_model_is_not_measured_on_what_it_was_trained_on() -> None:
    base = divided()
    told = replace(base, card=replace(base.card, card={"data": {"snips": "digest"}}))
    assert (trained_on(told), trained_on(base)) == ({"snips"}, set())


def test_cells_that_are_not_there_are_none(tmp_path: Path) -> None:
    assert kept(tmp_path / "cells.jsonl") == []
