"""How the work of a model is cut, and where it pauses."""

from collections.abc import Generator
from typing import Any

import numpy as np
import torch

from service.engine.arrays import LabelledArrays
from service.engine.compute import Compute
from service.engine.packed import pack
from service.metrics import Metrics
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
    assert (passes, num_pauses) == ([2, slice_rows, 2], 4)
    np.testing.assert_allclose(one.probabilities, many.probabilities[:2], atol=1e-5)
