"""Figures of a model on held-out tasks of several streams: accuracies of 5 ways, of whole tables, and R2."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import Checkpoint
from models.data.episodes import generator, split_batch
from models.data.streams import STREAMS, Pool, pool_of
from models.inputs.mixed import MixedInput
from models.learner import Learner
from models.training.figures import Figure, encode_all, episode_answers, percent
from models.training.objectives.episodic import Metrics
from models.types import Gaussian, Values

WAYS, SHOTS = 5, (1, 5)
TABLE_SHOTS = (5, 10)  # of a class
VALUE_SHOTS = (10, 30)
QUERIES = 50
ASKED = 3  # of a class


def validated(pools: Mapping[str, Pool], learner: Learner) -> Metrics:
    """The means of a few figures, a stream each."""
    found: dict[str, list[float]] = {}
    for name, figure in figures(learner, pools, num_tasks=60).items():
        found.setdefault(name.partition(":")[0], []).append(figure.value)
    return {stream: sum(values) / len(values) for stream, values in found.items()}


def measure_streams(checkpoint: Checkpoint, data: Path, dtype: torch.dtype, test: bool) -> list[Figure]:
    """Figures on held-out tasks of every stream, on those of the test parts only where that is asked for."""
    assert isinstance(checkpoint.inputs, MixedInput) and dtype == torch.float32
    pools: dict[str, Pool] = {
        stream: pool_of(data, stream, "test" if test else "val", checkpoint.inputs) for stream in STREAMS
    }
    return list(figures(checkpoint.learner, pools).values())


def figures(learner: Learner, pools: Mapping[str, Pool], num_tasks: int = 400) -> dict[str, Figure]:
    """Accuracy in per cent of every kind of task, and 100 R2 of regressions, by "stream: task, shots"."""
    return {name: percent(name, each) for name, each in shares(learner, pools, num_tasks).items()}


def shares(learner: Learner, pools: Mapping[str, Pool], num_tasks: int = 400) -> dict[str, np.ndarray]:
    """What each task came to, the same tasks for every learner: the share of right answers, or R2."""
    found: dict[str, np.ndarray] = {}
    for stream, pool in pools.items():
        features = encode_all(learner, pool.rows)
        if stream == "regression":
            found |= _of_tables(learner, features, pool, num_tasks)
            continue
        families = {"": [*pool.classes.values()]}
        if stream == "vector":
            families = {
                family: [rows for (own, _), rows in pool.classes.items() if own == family] for family in pool.families
            }
        for family, classes in families.items():
            rows = [torch.tensor(each) for each in classes]
            for shots in TABLE_SHOTS if family else SHOTS:
                usable = [each for each in rows if len(each) >= shots + ASKED]
                if len(usable) < 2:
                    continue
                ways = min(len(usable), 10) if family else WAYS
                sizes = {"ways": ways, "shots": shots, "num_tasks": num_tasks, "queries": ASKED, "max_tasks": 25}
                answers = episode_answers(learner.head, features, usable, **sizes)
                name = f"{stream}: {family.partition('/')[2] or f'{WAYS}-way'} {shots}-shot"
                found[name] = answers.right.mean(1)
    return found


def _of_tables(learner: Learner, features: Tensor, pool: Pool, num_tasks: int) -> dict[str, np.ndarray]:
    """R2: how much of a table's variance the answers explain."""
    found = {}
    for (table, _), rows in pool.classes.items():
        for shots in VALUE_SHOTS:
            draws, places = generator(0, shots), torch.tensor(rows)
            tasks = [places[torch.randperm(len(rows), generator=draws)[: shots + QUERIES]] for _ in range(num_tasks)]
            left = np.concatenate(
                [_left(learner, features, pool, part, shots) for part in torch.split(torch.stack(tasks), 25)]
            )
            name = f"regression: {table.partition('/')[2]} {shots}-shot"
            found[name] = 1 - left
    return found


def _left(learner: Learner, features: Tensor, pool: Pool, places: Tensor, shots: int) -> np.ndarray:
    """Squared error of each task in units of its table's variance, at most ten of them: few rows can mislead."""
    batch = split_batch(features[places], pool.targets[places], shots)
    with torch.inference_mode():
        scores = learner.head.predict(learner.head.adapt(batch.support), batch.query)
    assert isinstance(scores, Gaussian) and isinstance(batch.target, Values)
    return (scores.mean - batch.target.values).square().mean((1, 2)).clamp(max=10).numpy()
