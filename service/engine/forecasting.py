"""How good tasks will be that were just adapted: their folds, as further batches of the head, and the appraisal."""

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from models.appraisal import LEVEL, LEVELS, Appraisal, Appraised, signs_of, suspects_of
from models.heads.crossed import Folds, answered, cross
from models.heads.head import Head, tempered
from models.heads.held_out import picked
from models.types import Classes, Logits, Support, TaskParams, Values
from service.engine.arrays import Doubt, Forecast, LabelledArrays
from service.engine.threads import Threads

MAX_FORECAST_ROWS = 1_000  # of a support; folds of more take too long beside what it would tell
LEAST_POINTS = 3  # of a regression

log = logging.getLogger(__name__)


def forecasts(
    head: Head,
    appraisal: Appraisal | None,
    support: Support,
    params: TaskParams,
    tasks: list[LabelledArrays],
    threads: Threads,
) -> Generator[None, None, list[Forecast | None]]:
    """Of each task, none where it cannot be told. What goes wrong here must not cost the task."""
    wanted = Values if appraisal is not None and appraisal.is_regression else Classes
    small = [row for row, task in enumerate(tasks) if len(task.rows) <= MAX_FORECAST_ROWS]
    found: list[Forecast | None] = [None] * len(tasks)
    if appraisal is None or not isinstance(support.target, wanted) or not small:
        return found
    told = yield from _tried(_Batch(head, appraisal, support, params, tasks, threads).part(small))
    for row, forecast in zip(small, told, strict=True):
        found[row] = forecast
    return found


def as_told(head: Head, params: TaskParams, told: Sequence[Forecast | None]) -> TaskParams:
    """The params that are stored, by which probabilities are true: of each task divided by its temperature."""
    divisors = [temperature_of(each) for each in told]
    if all(each == 1 for each in divisors):
        return params
    device = next(iter(params.values())).device
    return tempered(head, params, torch.tensor(divisors, device=device))


def temperature_of(told: Forecast | None) -> float:
    """What the logits of a task are divided by."""
    return 1.0 if told is None else told.temperature


@dataclass(frozen=True)
class _Batch:
    """Tasks that were adapted together, and what they are appraised by."""

    head: Head
    appraisal: Appraisal
    support: Support
    params: TaskParams
    tasks: Sequence[LabelledArrays]
    threads: Threads

    def part(self, rows: Sequence[int]) -> "_Batch":
        """These tasks, padded to the longest of them: what is told of a task hangs on no other's size."""
        if len(rows) == len(self.tasks):
            return self
        own, at = [self.tasks[row] for row in rows], torch.tensor(rows, device=self.support.rows.mask.device)
        support = picked(self.support, at, self.support.rows.mask[at], max(len(task.rows) for task in own))
        return replace(self, support=support, params={name: leaf[at] for name, leaf in self.params.items()}, tasks=own)


def _tried(batch: _Batch) -> Generator[None, None, list[Forecast | None]]:
    """If the batch raises, its halves are tried, down to the one task that cannot be appraised."""
    count = len(batch.tasks)
    try:
        return (yield from _forecasts(batch))
    except Exception:
        log.warning("%d tasks could not be appraised", count, exc_info=count == 1)
    if count == 1:
        return [None]
    found: list[Forecast | None] = []
    for half in (range(count // 2), range(count // 2, count)):
        found += yield from _tried(batch.part(half))
    return found


def _forecasts(batch: _Batch) -> Generator[None, None, list[Forecast | None]]:
    tasks, support = batch.tasks, batch.support
    folds = Folds.of([_shots(task) for task in tasks], [_num_names(task) for task in tasks])
    crossed = yield from cross(batch.head, support, folds, batch.threads.abreast)
    own = yield from answered(batch.head, batch.params, support.rows)
    told = batch.appraisal.appraise(signs_of(support, own, crossed))
    yield
    ends = told.interval.tolist()
    doubts: list[list[Doubt]] = [[] for _ in tasks]
    if isinstance(crossed.scores, Logits):
        found = suspects_of(support, crossed)
        doubts = [[Doubt(each.row, each.instead, each.probability) for each in own] for own in found]
    rows, divisors = [_thresholds(told, row) for row in range(len(tasks))], told.temperature.tolist()
    return [_forecast(task, *each) for task, *each in zip(tasks, ends, doubts, rows, divisors, strict=True)]


def _forecast(
    task: LabelledArrays,
    ends: list[float],
    doubts: list[Doubt],
    thresholds: tuple[tuple[float, float], ...],
    temperature: float,
) -> Forecast | None:
    low, middle, high = ends
    is_constant = task.values is not None and (len(task.rows) < LEAST_POINTS or not task.values.std(0).all())
    if is_constant or not all(isfinite(each) for each in (*ends, temperature, *(each for _, each in thresholds))):
        return None
    return Forecast((low, middle, high), LEVEL, tuple(doubts), thresholds, temperature)


def _thresholds(told: Appraised, row: int) -> tuple[tuple[float, float], ...]:
    if told.thresholds is None:
        return ()
    own: Tensor = told.thresholds[row]
    return tuple(zip(LEVELS, own.tolist(), strict=True))


def _shots(task: LabelledArrays) -> list[int]:
    """Known on the host."""
    if task.classes is None:
        return [len(task.rows)]
    return [int(num) for num in np.bincount(task.classes)]


def _num_names(task: LabelledArrays) -> int:
    return 0 if task.names is None else int(task.names.sum())
