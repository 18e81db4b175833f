"""Temperatures reach what is stored: scores are less sure, and neither labels nor suspects change."""

from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import pytest
import torch

from models.appraisal import Appraisal, signs_of
from models.checkpoint import load
from models.pauses import at_once
from models.training.appraise import ZOO
from models.types import Support
from service.engine.arrays import Adapted, ClassScores, LabelledArrays
from service.engine.compute import Compute
from service.engine.packed import pack
from service.metrics import Metrics

WIDTH, WAYS, SHOTS = 4, 2, 6


def task(seed: int) -> LabelledArrays:
    """Clouds of which one row has a wrong label."""
    rng, classes = np.random.default_rng(seed), np.arange(WAYS).repeat(SHOTS)
    rows = (4 * classes[:, None] + rng.normal(size=(len(classes), WIDTH))).astype(np.float32)
    classes[0] = 1
    return LabelledArrays(rows, classes, WAYS, None)


def adapted(warmth: float, tasks: list[LabelledArrays]) -> tuple[list[Adapted], list[ClassScores]]:
    """The tasks by a model whose appraisal has this temperature, and their scores of the same queries."""
    torch.manual_seed(0)
    vectors, appraisal = load(ZOO / "vectors"), Appraisal("classification")
    appraisal.warmth.fill_(log(warmth))
    checkpoint = replace(vectors, appraisals={"classification": appraisal.eval().requires_grad_(False)})
    compute = Compute({vectors.digest: checkpoint}, torch.device("cpu"), torch.float32, Metrics())
    with torch.inference_mode():
        found = at_once(compute.adapt(vectors.digest, tasks))
        queries = np.random.default_rng(9).normal(1, 3, (50, WIDTH)).astype(np.float32)
        scores = at_once(compute.predict(vectors.digest, [(pack(each.params), queries) for each in found]))
    assert all(isinstance(each, ClassScores) for each in scores)
    return found, [each for each in scores if isinstance(each, ClassScores)]


def test_a_temperature_is_stored_with_the_params_and_changes_no_label_and_no_suspect() -> None:
    tasks = [task(1), task(2)]
    (plain, before), (cooled, after) = adapted(1.0, tasks), adapted(2.0, tasks)
    for one, other, hard, soft in zip(plain, cooled, before, after, strict=True):
        assert one.forecast is not None and other.forecast is not None
        assert one.temperature == 1
        assert other.temperature == pytest.approx(2)
        assert one.forecast.doubts == other.forecast.doubts != ()
        assert one.forecast.ends == other.forecast.ends
        powers = np.sqrt(hard.probabilities.astype(np.float64))
        np.testing.assert_allclose(soft.probabilities, powers / powers.sum(1, keepdims=True), atol=1e-5)
        np.testing.assert_array_equal(hard.probabilities.argmax(1), soft.probabilities.argmax(1))


def test_what_cannot_be_appraised_has_no_temperature() -> None:
    large = task(1)
    large = replace(large, rows=np.tile(large.rows, (100, 1)), classes=np.tile(large.classes, 100))  # type: ignore[arg-type]
    assert len(large.rows) > 1_000
    (plain, before), (cooled, after) = adapted(1.0, [large]), adapted(2.0, [large])
    assert plain[0].forecast is None and cooled[0].forecast is None
    np.testing.assert_array_equal(before[0].probabilities, after[0].probabilities)


def test_a_large_task_takes_nothing_from_a_small_one_beside_it() -> None:
    small = task(1)
    assert small.classes is not None
    large = replace(small, rows=np.tile(small.rows, (100, 1)), classes=np.tile(small.classes, 100))
    (alone,), _ = adapted(2.0, [small])
    (_, beside), _ = adapted(2.0, [large, small])
    assert alone.forecast is not None and beside.forecast is not None
    assert beside.temperature == alone.temperature == pytest.approx(2)
    assert beside.forecast.ends == pytest.approx(alone.forecast.ends, abs=1e-4)


def test_a_small_task_is_not_padded_to_a_large_one_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    small = task(1)
    assert small.classes is not None
    large = replace(small, rows=np.tile(small.rows, (100, 1)), classes=np.tile(small.classes, 100))
    sizes = []

    def seen(support: Support, *others: Any) -> Any:
        sizes.append(tuple(support.rows.mask.shape))
        return signs_of(support, *others)

    monkeypatch.setattr("service.engine.forecasting.signs_of", seen)
    adapted(2.0, [large, small])
    assert sizes == [(1, len(small.rows))]


@pytest.mark.parametrize("bad", [0, 2, 4])
def test_only_the_task_whose_appraisal_raises_goes_without(monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    tasks = [task(seed) for seed in range(5)]
    tasks[3] = replace(tasks[3], rows=tasks[3].rows[:-2], classes=tasks[3].classes[:-2])  # type: ignore[index]
    whole, _ = adapted(2.0, tasks)
    marked = torch.from_numpy(tasks[bad].rows[0])

    def raising(support: Support, *others: Any) -> Any:
        if bool((support.rows.values[:, 0] == marked).all(-1).any()):
            raise ValueError("this one cannot be appraised")
        return signs_of(support, *others)

    monkeypatch.setattr("service.engine.forecasting.signs_of", raising)
    found, _ = adapted(2.0, tasks)
    assert found[bad].forecast is None and found[bad].temperature == 1
    others = [pair for row, pair in enumerate(zip(found, whole, strict=True)) if row != bad]
    for one, other in others:
        assert one.forecast is not None and other.forecast is not None
        assert one.temperature == other.temperature == pytest.approx(2)
        assert one.forecast.ends == pytest.approx(other.forecast.ends, abs=1e-4)
        assert [doubt.row for doubt in one.forecast.doubts] == [doubt.row for doubt in other.forecast.doubts]
