"""How the work of a model is cut, and where it pauses."""

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch

from service.engine import pace
from service.engine.arrays import LabelledArrays
from service.engine.compute import Compute
from service.engine.packed import pack
from service.metrics import Metrics
from tests.models.divided import both
from tests.service.engine.learners import CHECKPOINTS, DIM

DIGEST = "encoded"


def compute() -> tuple[Compute, list[int]]:
    """That of a small encoder, and the rows of each of its passes."""
    made = Compute({DIGEST: CHECKPOINTS[DIGEST]}, torch.device("cpu"), torch.float32, Metrics())
    passes: list[int] = []
    made.learners[DIGEST].encoder.register_forward_hook(lambda module, given, features: passes.append(len(features)))
    return made, passes


def ended(work: Generator[None, None, Any]) -> tuple[Any, int]:
    """What it comes to, and how often it paused."""
    num_pauses = 0
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value, num_pauses
        num_pauses += 1


def rows_of(num_rows: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(num_rows, DIM)).astype(np.float32)


@torch.inference_mode()
def test_predictions_come_in_twice_as_often_between_passes_of_an_adaptation() -> None:
    made, passes = compute()
    slice_rows = made.slice_rows[DIGEST]
    rows = rows_of(slice_rows)
    ended(made.encode(DIGEST, [rows]))
    ended(made.adapt(DIGEST, [LabelledArrays(rows, np.arange(len(rows)) % 2, 2, None)]))
    assert passes == [slice_rows // 2] * 4


@torch.inference_mode()
def test_nothing_comes_between_a_lone_pass_and_its_scores() -> None:
    made, passes = compute()
    support = LabelledArrays(rows_of(4), np.arange(4) % 2, 2, None)
    (adapted,), _ = ended(made.adapt(DIGEST, [support]))
    params, slice_rows = pack(adapted.params), made.slice_rows[DIGEST]
    passes.clear()
    (one,), num_pauses = ended(made.predict(DIGEST, [(params, rows_of(2))]))
    assert (passes, num_pauses) == ([2], 1)
    (many,), num_pauses = ended(made.predict(DIGEST, [(params, rows_of(slice_rows + 2))]))
    assert (passes, num_pauses) == ([2, slice_rows // 2 + 1, slice_rows // 2 + 1], 4)
    np.testing.assert_allclose(one.probabilities, many.probabilities[:2], atol=1e-5)


@torch.inference_mode()
def test_a_start_tells_the_fixed_part_of_a_pace_from_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only passes move on: by 5 ms and 2 a row, and by 100 more in the first of each size."""
    base, high = both()
    now_ms, seen = 0.0, set[int]()

    def passed(module: torch.nn.Module, given: Any, features: torch.Tensor) -> None:
        nonlocal now_ms
        now_ms += 5 + 2 * len(features) + 100 * (len(features) not in seen)
        seen.add(len(features))

    made = Compute({each.digest: each for each in (base, high)}, torch.device("cpu"), torch.float32, Metrics())
    made.learners[high.digest].encoder.register_forward_hook(passed)  # which is a part of the model's
    monkeypatch.setattr(pace, "perf_counter", lambda: now_ms / 1000)
    ended(made.warm_up())
    for each in (base, high):
        found = made.paces[each.digest, "predict"]
        assert (found.ms_per_row, found.ms(10)) == pytest.approx((2, 25))
