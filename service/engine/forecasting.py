"""How good tasks will be that were just adapted: their folds, as further batches of the head, and the appraisal."""

import logging
from collections.abc import Generator, Sequence
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
    told = yield from _tried(head, appraisal, *_part(small, support, params, tasks), threads)
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


def _tried(
    head: Head,
    appraisal: Appraisal,
    support: Support,
    params: TaskParams,
    tasks: list[LabelledArrays],
    threads: Threads,
) -> Generator[None, None, list[Forecast | None]]:
    """If the batch raises, its halves are tried, down to the one task that cannot be appraised."""
    try:
        return (yield from _forecasts(head, appraisal, support, params, tasks, threads))
    except Exception:
        log.warning("%d tasks could not be appraised", len(tasks), exc_info=len(tasks) == 1)
    if len(tasks) == 1:
        return [None]
    found, middle = [], len(tasks) // 2
    for half in (range(middle), range(middle, len(tasks))):
        found += yield from _tried(head, appraisal, *_part(half, support, params, tasks), threads)
    return found


def _part(
    rows: Sequence[int], support: Support, params: TaskParams, tasks: list[LabelledArrays]
) -> tuple[Support, TaskParams, list[LabelledArrays]]:
    """These tasks of a batch, padded to the longest of them: what is told of a task hangs on no other's size."""
    if len(rows) == len(tasks):
        return support, params, tasks
    own, at = [tasks[row] for row in rows], torch.tensor(rows, device=support.rows.mask.device)
    part = picked(support, at, support.rows.mask[at], max(len(task.rows) for task in own))
    return part, {name: leaf[at] for name, leaf in params.items()}, own


def _forecasts(
    head: Head,
    appraisal: Appraisal,
    support: Support,
    params: TaskParams,
    tasks: list[LabelledArrays],
    threads: Threads,
) -> Generator[None, None, list[Forecast | None]]:
    folds = Folds.of([_shots(task) for task in tasks], [_num_names(task) for task in tasks])
    crossed = yield from cross(head, support, folds, threads.abreast)
    own = yield from answered(head, params, support.rows)
    signs = signs_of(support, own, crossed)
    told = appraisal.appraise(signs)
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
