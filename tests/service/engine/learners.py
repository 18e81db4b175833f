"""Small real models for engine tests, and a store in memory in place of the database."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from time import monotonic
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from models.card import Card
from models.checkpoint import Checkpoint
from models.encoders.identity import Identity
from models.encoders.mlp import MLP
from models.heads.bayesian_linear import BayesianLinear
from models.heads.both import Both
from models.heads.head import Head
from models.heads.prototypical import Prototypical
from models.heads.ridge import Ridge
from models.inputs.vector import VectorInput
from models.learner import Learner
from models.types import Logits, Rows, Support, TaskParams
from service.codec import pack_params
from service.engine.arrays import Adapted, LabelledArrays
from service.engine.engine import Engine
from service.fields import Prior
from service.metrics import Metrics
from service.settings import Settings

DIM = 3
SLOW = 555.0  # a support row that makes `Fragile` take a hundred steps
POISON = 666.0  # a support row or query that makes `Fragile` raise
MEMORY = 888.0  # one for which the device has not enough
DIVERGE = 777.0  # a support row that makes its params not finite


class Fragile(Head):
    """Nearest class mean; raises or diverges on marked rows, as a device or an inner loop can."""

    num_slow_steps = 0  # counted for the tests; a real head writes no attribute
    layout = MappingProxyType({"weight": f"N {DIM}", "ways": "N"})

    def start(self, support: Support) -> TaskParams:
        return {}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        self._check(support.rows)
        one_hot = support.target.one_hot(support.rows.mask)  # type: ignore[union-attr]
        sums = one_hot.mT @ support.rows.values
        if (support.rows.values == SLOW).any():
            for _ in range(100):
                self.num_slow_steps += 1
                time.sleep(0.03)
                yield start
        diverges = (support.rows.values == DIVERGE).flatten(1).any(1)
        weight = torch.where(diverges[:, None, None], torch.nan, sums)
        yield {"weight": weight, "ways": support.target.ways}  # type: ignore[union-attr]

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        self._check(query)
        logits = query.values @ params["weight"].mT
        return Logits(logits.masked_fill(~params["ways"].unsqueeze(1), -torch.inf))

    @staticmethod
    def _check(rows: Rows) -> None:
        if (rows.values == POISON).any():
            raise RuntimeError("injected device failure")
        if (rows.values == MEMORY).any():
            raise torch.OutOfMemoryError("injected: no memory is left")


def checkpoint(head: Head, digest: str, kind: str = "classification", encoder: nn.Module | None = None) -> Checkpoint:
    card = Card("test", "vector", (kind,), {"name": "vector"}, {"name": "identity"}, {"name": "test"}, "2026-01-01")
    return Checkpoint(digest, card, VectorInput(DIM), Learner(encoder or Identity(), head))


CHECKPOINTS = {
    "ridge": checkpoint(Ridge(), "ridge"),
    "fragile": checkpoint(Fragile(), "fragile"),
    "bayes": checkpoint(BayesianLinear(DIM, rank=DIM), "bayes", "regression"),
    "both": checkpoint(Both(Prototypical(), BayesianLinear(DIM, rank=DIM)), "both"),
    "encoded": checkpoint(Prototypical(), "encoded", encoder=MLP(DIM, [7])),
}


@dataclass
class Stored:
    version: int
    model_digest: str
    labels: list[str] | None
    params: bytes | None
    params_digest: str | None
    prior: Prior | None = None


@dataclass
class Store:
    """What the engine reads: tasks by (tenant, id); counts its reads, takes `delay_s`; `before` runs ahead of each."""

    tasks: dict[tuple[str, str], Stored] = field(default_factory=dict)
    retained: dict[tuple[str, str, int], Stored] = field(default_factory=dict)
    num_reads: int = 0
    delay_s: float = 0.0
    before: Callable[[], None] = lambda: None

    def put(self, task: str, digest: str, adapted: Adapted, version: int = 1, tenant: str = "t") -> None:
        data = pack_params(adapted.params, {})
        self.tasks[tenant, task] = Stored(version, digest, ["a", "b"], data, sha256(data).hexdigest())
        self.retained[tenant, task, version] = self.tasks[tenant, task]

    async def fetch(self, wanted: Sequence[tuple[str, str, int | None]]) -> dict[tuple[str, str], Stored]:
        self.num_reads += 1
        self.before()
        await asyncio.sleep(self.delay_s)
        found = {}
        for tenant, task, cached in wanted:
            stored = self.tasks.get((tenant, task))
            if stored is not None:
                current = Stored(stored.version, stored.model_digest, None, None, None)
                found[tenant, task] = current if stored.version == cached else stored
        return found

    async def fetch_versions(self, wanted: Sequence[tuple[str, str, int]]) -> dict[tuple[str, str, int], Stored]:
        self.num_reads += 1
        self.before()
        await asyncio.sleep(self.delay_s)
        return {each: self.retained[each] for each in wanted if each in self.retained}


@asynccontextmanager
async def running(
    store: Store, checkpoints: Mapping[str, Checkpoint] = CHECKPOINTS, **settings: object
) -> AsyncIterator[Engine]:
    engine = Engine(checkpoints, store.fetch, store.fetch_versions, Settings(**settings), Metrics())  # type: ignore[arg-type]
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def labelled(seed: int, num_ways: int = 2, num_shots: int = 3) -> LabelledArrays:
    """Rows round one random point a class."""
    random = np.random.default_rng(seed)
    classes = np.tile(np.arange(num_ways), num_shots)
    rows = random.normal(size=(num_ways, DIM))[classes] * 3 + random.normal(size=(len(classes), DIM))
    return LabelledArrays(rows.astype(np.float32), classes, num_ways, None)


def soon() -> float:
    return monotonic() + 20
