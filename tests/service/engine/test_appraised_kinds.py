"""A model of both kinds tells of labels and of numbers, each by the appraisal of its kind."""

import numpy as np
import torch

from models.checkpoint import load
from models.inputs.mixed import MixedInput
from models.pauses import at_once
from models.training.appraise import ZOO
from service.engine.arrays import Forecast, LabelledArrays
from service.engine.compute import Compute
from service.metrics import Metrics

NUM_ROWS = 30


def told_of(*, is_number: bool, noise: float) -> Forecast:
    """What `universal` tells of a line, or of its sign, under so much noise."""
    universal, rng = load(ZOO / "universal"), np.random.default_rng(0)
    assert isinstance(universal.inputs, MixedInput)
    values = np.linspace(-1, 1, NUM_ROWS).astype(np.float32)
    rows = [universal.inputs([float(each), 0.5, float(each) ** 2]) for each in values]
    heard = values + noise * rng.normal(size=NUM_ROWS).astype(np.float32)
    classes = None if is_number else (heard > 0).astype(np.int64)
    task = LabelledArrays(np.stack(rows), classes, 0 if is_number else 2, heard[:, None] if is_number else None)
    compute = Compute({universal.digest: universal}, torch.device("cpu"), torch.float32, Metrics())
    with torch.inference_mode():
        (found,) = at_once(compute.adapt(universal.digest, [task]))
    assert found.forecast is not None
    return found.forecast


def test_numbers_are_told_by_r2_and_have_no_sets_of_labels() -> None:
    clean, noisy = told_of(is_number=True, noise=0.05), told_of(is_number=True, noise=5.0)
    assert not clean.thresholds and clean.ends[1] > 0.7 > 0.4 > noisy.ends[1]
    assert -1 <= noisy.ends[0] < noisy.ends[1] < noisy.ends[2] <= 1


def test_labels_are_told_beside_them() -> None:
    told = told_of(is_number=False, noise=0.05)
    assert told.thresholds and told.ends[1] > 0.7
