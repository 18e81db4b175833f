"""What a request must cost: its inputs decoded, the learner at its best batch, the database alone; CPU-ms, in process.

`python -m benchmarks.serving.limits MODEL DATABASE` prints them as JSON. The fourth limit, the echo, is a server.
"""

import gc
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import typer

from benchmarks.asked import INPUTS, NUM_WAYS, adaptation
from benchmarks.serving.stored import reading, writing
from models import checkpoint, zoo
from models.checkpoint import Checkpoint
from models.inputs.text import PAD, TextInput
from models.learner import Learner
from models.pauses import at_once
from models.types import Classes, Rows, Support
from service import codec
from service.engine.arrays import LabelledArrays
from service.engine.collate import rows_of, to_device, ways_of
from service.engine.compute import Compute
from service.engine.device import choose_dtype
from service.metrics import Metrics
from service.schemas import Image

CPU = torch.device("cpu")
PREDICT_ROWS, ADAPT_TASKS = (1, 4, 8, 16, 32), (1, 2, 4, 8, 16)  # batches tried: as large as 32 clients allow
FORECAST_TASKS = ADAPT_TASKS[-2]
LEAST_S = 0.2  # a measurement, of CPU
NUM_TURNS = 5  # of adaptations with forecasts and without: a difference is as noisy as both
FEWEST = 3  # calls
MAX_PIXELS = 10**7


def cpu_ms(work: Callable[[], object]) -> float:
    """Of one call, when it is warm."""
    work()
    gc.collect()
    before, num_calls = time.process_time(), 0
    while num_calls < FEWEST or time.process_time() - before < LEAST_S:
        work()
        num_calls += 1
    return 1000 * (time.process_time() - before) / num_calls


def limits(model: str, database: Path) -> dict[str, float]:
    """All of this model; the database has tasks of it."""
    torch.set_num_threads(1)
    found = checkpoint.load(Path(zoo.__path__[0]) / model)
    one, support = [_input(model, 1, 0)], _supports(model, 1)[0]
    read_ms, write_ms = cpu_ms(partial(next, reading(database))), cpu_ms(partial(next, writing(database)))
    return {
        "decode_predict": cpu_ms(lambda: _decoded(found, one)),
        "decode_adapt": cpu_ms(lambda: _decoded(found, support)),
        **_learner(model, found),
        "database_predict": read_ms,
        "database_adapt": write_ms,
    }


def _input(model: str, label: int, seed: int) -> Any:
    made = INPUTS[model](np.random.default_rng(seed), label)
    return Image(**made) if isinstance(made, dict) else made


def _supports(model: str, num_tasks: int) -> list[list[Any]]:
    """Inputs of supports, in the order of their labels."""
    bodies = (adaptation(model, seed)["support"] for seed in range(num_tasks))
    return [[Image(**i) if isinstance(i := each["input"], dict) else i for each in body] for body in bodies]


def _decoded(found: Checkpoint, inputs: Sequence[Any]) -> np.ndarray:
    sizes, end = codec.ImageLimits(MAX_PIXELS, MAX_PIXELS), time.monotonic() + 60
    told = found.card.modalities
    rows, wrong = codec.decode_inputs(inputs, found.inputs, told, limits=sizes, deadline=end, path="inputs.{}")
    assert not wrong
    if isinstance(found.inputs, TextInput):
        return rows[:, : (rows != PAD).sum(1).max()]
    return rows


def _learner(model: str, found: Checkpoint) -> dict[str, float]:
    """A prediction and an adaptation at the best of several batches; the params of distinct tasks are one batch."""
    compute = Compute({found.digest: found}, CPU, choose_dtype("auto", CPU), Metrics())
    learner = compute.learners[found.digest]
    inputs = _supports(model, max(PREDICT_ROWS))
    decoded = _decoded(found, [each for support in inputs for each in support])
    rows = np.split(decoded, len(inputs))
    query = _decoded(found, [_input(model, number % NUM_WAYS, number) for number in range(len(inputs))])
    with torch.inference_mode():
        predicts = [_predicting(learner, rows[:size], query[:size]) for size in PREDICT_ROWS]
        predict = [cpu_ms(work) / size for work, size in zip(predicts, PREDICT_ROWS, strict=True)]
        adapt = [cpu_ms(partial(_adapted, learner, rows[:size])) / size for size in ADAPT_TASKS]
    return {
        "bare_predict": predict[0],
        "learner_predict": min(predict),
        "learner_adapt": min(adapt),
        "forecast": _forecast(found, rows),
    }


def _predicting(learner: Learner, support: Sequence[np.ndarray], query: np.ndarray) -> Callable[[], object]:
    params = _adapted(learner, support)
    rows = rows_of(to_device(query, CPU), [1] * len(query))
    return lambda: learner.predict(params, rows)


def _adapted(learner: Learner, support: Sequence[np.ndarray]) -> Any:
    """Params of these tasks, adapted in one batch."""
    lengths = [len(rows) for rows in support]
    classes = _classes(lengths[0])
    index = rows_of(torch.from_numpy(np.concatenate([classes] * len(support))), lengths).values
    target = Classes(index, ways_of([NUM_WAYS] * len(support), CPU))
    return learner.adapt(Support(_rows(support, lengths), target))


def _rows(support: Sequence[np.ndarray], lengths: Sequence[int]) -> Rows:
    return rows_of(to_device(np.concatenate(list(support)), CPU), lengths)


def _classes(num_rows: int) -> np.ndarray:
    return np.arange(num_rows) * NUM_WAYS // num_rows


def _forecast(found: Checkpoint, rows: Sequence[np.ndarray]) -> float:
    """What an adaptation is the dearer for telling how good the task will be, which no rival tells."""
    works: list[Callable[[], object]] = []
    for each in (found, replace(found, appraisals={})):
        compute = Compute({found.digest: each}, CPU, choose_dtype("auto", CPU), Metrics())
        tasks = [_encoded(compute, found.digest, own) for own in rows[:FORECAST_TASKS]]
        works.append(lambda c=compute, t=tasks: at_once(c.adapt(found.digest, t)))  # type: ignore[misc]
    with torch.inference_mode():
        turns = [[cpu_ms(work) for work in works] for _ in range(NUM_TURNS)]
    return max(0.0, median(told - bare for told, bare in turns)) / FORECAST_TASKS


def _encoded(compute: Compute, digest: str, rows: np.ndarray) -> LabelledArrays:
    """A support whose features are known, so that no encoder's noise is taken for a forecast."""
    with torch.inference_mode():
        (made,) = at_once(compute.encode(digest, [rows]))
    features = rows if made.features is None else made.features
    return LabelledArrays(features, _classes(len(rows)), NUM_WAYS, None, encoded=made.features is not None)


def main(model: str, database: Path) -> None:
    """Print them."""
    typer.echo(json.dumps(limits(model, database)))


if __name__ == "__main__":
    typer.run(main)
