"""The life of a task, top to bottom: adapt, predict, get, list, delete. Each write is one short transaction."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as library_version
from typing import TypeAlias, TypeVar, cast

import numpy as np

from service import codec
from service.catalog import Catalog, Served
from service.engine.arrays import Adapted, Array, ClassScores, LabelledArrays
from service.engine.engine import Engine
from service.engine.freshness import TaskMoved
from service.errors import MAX_LISTED, Conflict, TaskNotFound
from service.ids import is_id, new_id
from service.schemas import (
    CreatedTask,
    CreatePredictions,
    CreateTask,
    Example,
    Input,
    Kind,
    Predictions,
    Task,
    TaskPage,
    Timing,
)
from service.settings import Settings
from service.storage import queries
from service.storage.database import Database
from service.storage.records import NewExample, NewTask, NewVersion, TaskRecord

Result = TypeVar("Result")
Targets: TypeAlias = codec.Labelled | codec.Measured

MAX_PINNED = 100_000  # tasks whose model this process remembers
TURN = {"image": 8, "text": 256, "vector": 1_024}  # inputs a thread decodes before another request has its turn
LIBRARIES = {name: library_version(name) for name in ("kshot", "torch")}
MAX_MOVES = 3  # how often a predict follows a task to a new digest before it gives up


@dataclass(frozen=True)
class _Pinned:
    """What never changes of a task's version on one digest: enough to decode a query before its params are read."""

    digest: str
    scalar: bool


class Tasks:
    """Every operation on tasks, for one tenant at a time."""

    def __init__(self, database: Database, engine: Engine, catalog: Catalog, settings: Settings) -> None:
        self._database = database
        self._engine = engine
        self._catalog = catalog
        self._settings = settings
        self._decoders = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="kshot-decode")
        self._pinned: OrderedDict[tuple[str, str], _Pinned] = OrderedDict()

    def close(self) -> None:
        """End the decode threads."""
        self._decoders.shutdown(wait=False, cancel_futures=True)  # a turn is short, and the loop must not wait for it

    async def adapt(self, tenant: str, request: CreateTask, deadline: float) -> tuple[CreatedTask, int]:
        """A new task, adapted and committed, and its revision. `deadline` is in time.monotonic() seconds."""
        model = self._catalog.resolve(request.model)
        kind = cast(Kind, model.card.kinds[0])
        # targets first: checking them costs nothing, so what breaks a rule is refused before it is decoded
        targets = codec.decode_support(
            request.support, kind, max_examples=self._settings.max_examples, max_ways=self._settings.max_ways
        )
        rows = await self._decode([example.input for example in request.support], model, deadline, "support.{}.input")
        support = _labelled_arrays(rows, targets)
        answer = await self._engine.adapt(tenant, model.digest, support, deadline)
        task = NewTask(tenant, new_id("task"), request.name, model.card.name, kind, request.metadata)
        version = await self._in_thread(partial(self._new_version, model, rows, targets, answer.result))
        examples = await self._in_thread(partial(_new_examples, request.support, rows, answer.result.features))
        now = datetime.now(UTC)
        record = await self._database.write(lambda session: queries.insert_task(session, task, version, examples, now))
        self._remember(record)
        timing = Timing(queue_ms=answer.queue_ms, compute_ms=answer.compute_ms)
        return CreatedTask(**_task(record).model_dump(), timing=timing), record.revision

    async def predict(self, tenant: str, task_id: str, request: CreatePredictions, deadline: float) -> Predictions:
        """Answers of the task's current version to each input."""
        codec.check_count(len(request.inputs), self._settings.max_inputs, "inputs", "inputs")
        for _ in range(MAX_MOVES):
            pinned = await self._pinned_of(tenant, task_id)
            model = self._catalog.get(pinned.digest)
            inputs = await self._decode(request.inputs, model, deadline, "inputs.{}")
            try:
                answer = await self._engine.predict(tenant, task_id, model.digest, inputs, deadline)
            except (TaskMoved, TaskNotFound) as error:
                self._pinned.pop((tenant, task_id), None)
                if isinstance(error, TaskNotFound):
                    raise
                continue
            return Predictions(
                task=task_id,
                version=answer.version,
                predictions=codec.classifications(answer.labels or [], answer.result.probabilities, request.top)
                if isinstance(answer.result, ClassScores)
                else codec.regressions(answer.result.mean, answer.result.std, scalar=pinned.scalar),
                timing=Timing(queue_ms=answer.queue_ms, compute_ms=answer.compute_ms),
            )
        raise Conflict("The task is being moved to another model digest; try again.", retry_after_s=1)

    async def get(self, tenant: str, task_id: str) -> tuple[Task, int]:
        """The task as of its current version, and its revision."""
        record = await self._record(tenant, task_id)
        return _task(record), record.revision

    async def page(
        self, tenant: str, *, limit: int, cursor: str | None, model: str | None, name: str | None
    ) -> TaskPage:
        """A page of tasks, newest first."""
        after = codec.read_cursor(cursor) if cursor is not None else None
        async with self._database.read() as session:
            found = await queries.list_tasks(session, tenant, limit=limit + 1, after=after, model=model, name=name)
        cursor = codec.write_cursor(found[limit - 1].id) if len(found) > limit else None
        return TaskPage(items=[_task(record) for record in found[:limit]], next_cursor=cursor)

    async def delete(self, tenant: str, task_id: str) -> None:
        """Delete the task and all that is stored of it. Raises TaskNotFound."""
        if not await self._database.write(lambda session: queries.delete_task(session, tenant, task_id)):
            raise _no_such_task(task_id)
        self._pinned.pop((tenant, task_id), None)

    async def _record(self, tenant: str, task_id: str) -> TaskRecord:
        record = None
        if is_id(task_id, "task"):
            async with self._database.read() as session:
                record = await queries.get_task(session, tenant, task_id)
        if record is None:
            raise _no_such_task(task_id)
        return record

    async def _pinned_of(self, tenant: str, task_id: str) -> _Pinned:
        found = self._pinned.get((tenant, task_id))
        return found or self._remember(await self._record(tenant, task_id))

    def _remember(self, record: TaskRecord) -> _Pinned:
        pinned = _Pinned(self._catalog.get(record.model_digest).digest, scalar=record.output_dim is None)
        self._pinned[record.tenant, record.id] = pinned
        if len(self._pinned) > MAX_PINNED:
            self._pinned.popitem(last=False)
        return pinned

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

    async def _decode(self, inputs: Sequence[Input], model: Served, deadline: float, path: str) -> Array:
        """Rows [B *X] of the inputs, decoded in turns with other requests. Raises InvalidRequest with bad fields."""
        decode = partial(
            codec.decode_inputs,
            preprocess=model.inputs,
            modality=model.card.modality,
            max_pixels=int(self._settings.max_image_megapixels * 1e6),
            deadline=deadline,
            path=path,
        )
        parts, wrong, turn = [], [], TURN[model.card.modality]
        for first in range(0, len(inputs), turn):
            rows, errors = await self._in_thread(partial(decode, inputs[first : first + turn], first=first))
            parts.append(rows)
            wrong += errors
            if len(wrong) >= MAX_LISTED:
                break
        codec.refuse(wrong)
        return np.concatenate(parts)

    def _new_version(self, model: Served, rows: Array, targets: Targets, adapted: Adapted) -> NewVersion:
        header = {"model": model.card.name, "model_digest": model.digest, "version": "1"}
        return NewVersion(
            number=1,
            model_digest=model.digest,
            labels=targets.labels if isinstance(targets, codec.Labelled) else None,
            output_dim=None if isinstance(targets, codec.Labelled) or targets.scalar else targets.values.shape[1],
            num_support=len(rows),
            support_digest=codec.support_digest(rows, targets),
            dtype=self._engine.dtype_of(model.digest),
            libraries=LIBRARIES,
            seed=0,  # no method served so far draws random numbers when it adapts
            params=codec.pack_params(adapted.params, header),
        )


def _labelled_arrays(rows: Array, targets: Targets) -> LabelledArrays:
    if isinstance(targets, codec.Labelled):
        return LabelledArrays(rows, targets.classes, len(targets.labels), None)
    return LabelledArrays(rows, None, 0, targets.values)


def _new_examples(examples: Sequence[Example], rows: Array, features: Array | None) -> list[NewExample]:
    """Rows to store, as the model saw them; the ids of examples that were sent without one are made here."""
    return [
        NewExample(
            example_id=example.id or new_id("example"),
            ordinal=ordinal,
            label=example.label,
            target=example.target,
            input=rows[ordinal].tobytes(),
            features=None if features is None else features[ordinal].tobytes(),
        )
        for ordinal, example in enumerate(examples)
    ]


def _task(record: TaskRecord) -> Task:
    return Task(
        id=record.id,
        model=record.model,
        model_digest=record.model_digest,
        name=record.name,
        kind=cast(Kind, record.kind),
        labels=record.labels,
        version=record.version,
        num_support=record.num_support,
        metadata=record.metadata,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _no_such_task(task_id: str) -> TaskNotFound:
    return TaskNotFound(f"There is no task {task_id[:80]!r}.")
