"""How much of a task is adapted between two chances to let others go first, at the largest that a service takes."""

import json
from pathlib import Path

import pytest
import torch

import models
from models.checkpoint import build
from models.heads.crossed import Folds, answered, cross
from models.heads.head import Head
from models.types import Classes, Rows, Support, Values
from service.engine.forecasting import MAX_FORECAST_ROWS
from tests.models.work import PER_NUMBER, counted, steps_of

ZOO = Path(models.__file__).parent / "zoo"
SHARE = 4  # of a step in all that adapting does: at most one part of so many,
SMALL = 250_000_000  # or what a core does in a third of a second
EXAMPLES, WAYS = 5_000, 256  # of a request, where the model sets no limits of its own

# a model of the zoo, what its head is given a row, and how many rows of how many ways; no ways: numbers
LARGEST = {
    "curves": ((1,), EXAMPLES, 0),
    "glyphs": ((384,), EXAMPLES, WAYS),
    "glyphs-maml": ((28, 28), 400, 20),
    "multitask": ((64,), EXAMPLES, WAYS),
    "photos": ((1024,), EXAMPLES, WAYS),
    "tables": ((64, 3), 320, 26),
    "text": ((1536,), EXAMPLES, WAYS),
    "text, of 150 ways": ((1536,), 750, 150),
    "universal": ((192,), EXAMPLES, WAYS),
    "universal, numbers": ((192,), EXAMPLES, 0),
    "vectors": ((64,), EXAMPLES, WAYS),
}


def head_of(name: str) -> Head:
    """That of a model of the zoo, without its weights."""
    card = json.loads((ZOO / name.partition(",")[0] / "model.json").read_text())
    return build({"name": "identity"}, card["head"]).to("meta").eval().head


def support_of(shape: tuple[int, ...], num_rows: int, ways: int) -> Support:
    """One task, of which only the sizes are there."""
    with torch.device("meta"):
        mask, places = torch.ones(1, num_rows, dtype=torch.bool), torch.zeros(num_rows, dtype=torch.int64)
        dtype = torch.uint8 if len(shape) == 2 and shape[-1] > 3 else torch.float32  # of a picture
        rows = Rows(torch.zeros(1, num_rows, *shape, dtype=dtype), mask, places)
        if not ways:
            return Support(rows, Values(torch.zeros(1, num_rows, 2)))
        return Support(rows, Classes(places.unsqueeze(0), torch.ones(1, ways, dtype=torch.bool)))


@pytest.mark.parametrize(("name", "largest"), LARGEST.items(), ids=LARGEST)
def test_no_step_is_most_of_it(name: str, largest: tuple[tuple[int, ...], int, int]) -> None:
    work = list(steps_of(head_of(name), support_of(*largest)))
    assert max(work) <= max(SMALL, sum(work) // SHARE), [f"{step:,}" for step in work]


def test_a_table_is_adapted_in_many_steps() -> None:
    work = list(steps_of(head_of("tables"), support_of(*LARGEST["tables"])))
    assert max(work) <= sum(work) // 16


def test_many_ways_are_told_apart_in_many_steps() -> None:
    """None is more than the products of all rows with each other."""
    work = list(steps_of(head_of("text"), support_of(*LARGEST["text, of 150 ways"])))
    assert max(work) <= 1.1 * 750**2 * 1536 / PER_NUMBER and sum(work) <= 6 * max(work)


def test_a_table_is_answered_in_small_steps_too() -> None:
    head, support = head_of("tables"), support_of(*LARGEST["tables"])
    work = list(counted(answered(head, head.start(support), support.rows)))
    assert max(work) <= SMALL // 8


@pytest.mark.parametrize("name", ["glyphs", "text", "universal", "vectors"])
def test_to_cross_is_no_long_step(name: str) -> None:
    shape, _, _ = LARGEST[name]
    head, support = head_of(name), support_of(shape, MAX_FORECAST_ROWS, WAYS)
    work = list(counted(cross(head, support, Folds.of([[4] * (MAX_FORECAST_ROWS // 4)]))))
    assert max(work) <= max(SMALL, sum(work) // SHARE), [f"{step:,}" for step in work]
