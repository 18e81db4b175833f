"""Asking a task: its inputs are decoded for the model that it is pinned to, and follow it when it moves to another."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from service import codec
from service.catalog import Catalog, Served
from service.codec.costs import telling_us
from service.engine.arrays import Array, ClassScores, FrameScores, ScoreArrays, TagScores
from service.engine.ask import Answer
from service.engine.engine import Engine
from service.engine.freshness import TaskMoved
from service.errors import Conflict, FieldError, TaskNotFound
from service.fields import Prior
from service.schemas import Classification, CreatePredictions, Frame, Input, Multilabel, Predictions, Regression, Timing
from service.settings import Settings
from service.storage import history
from service.storage.database import Database
from service.storage.records import TaskRecord
from service.tasks.columns import columns_of
from service.tasks.decoding import Decoding
from service.tasks.finding import find_asked, form_of

MAX_PINNED = 100_000  # tasks whose model this process remembers
MAX_COUNTED = 10_000  # versions of tasks with a prior, whose examples it has counted
MAX_MOVES = 3  # how often a predict follows a task to a new digest before it gives up

AnyAnswer: TypeAlias = Classification | Multilabel | Frame | Regression
Decode: TypeAlias = Callable[[Served, str | None], Awaitable[Array]]  # inputs at hand, for this model, of this form


@dataclass(frozen=True)
class _Pinned:
    """What never changes of a task's version on one digest: enough to decode a query before its params are read."""

    digest: str
    scalar: bool
    form: str | None


class Predicting:
    """Answers of tasks, for one tenant at a time."""

    def __init__(
        self, database: Database, engine: Engine, catalog: Catalog, decoding: Decoding, settings: Settings
    ) -> None:
        self._database = database
        self._engine = engine
        self._catalog = catalog
        self._decoding = decoding
        self._max_inputs = settings.max_inputs
        self._score_digits = settings.score_digits
        self._pinned: OrderedDict[tuple[str, str], _Pinned] = OrderedDict()
        self._shots: OrderedDict[tuple[str, str, int], list[int]] = OrderedDict()

    async def predict(self, tenant: str, task_id: str, request: CreatePredictions, deadline: float) -> Predictions:
        """Answers of the task's current version to each input."""
        codec.check_count(len(request.inputs), self._max_inputs, "inputs", "inputs")
        order = await self._order(tenant, task_id, request.columns)
        decoded: list[Array] = []  # once for each model that the task has been on meanwhile
        truncated: list[int] = []

        async def decode(model: Served, form: str | None) -> Array:
            rows = await self._decoding.inputs(tenant, request.inputs, model, deadline, "inputs.{}", form, order)
            decoded.append(rows)
            truncated[:] = model.truncated(rows)
            return rows

        answer, scalar = await self.ask(tenant, task_id, decode, deadline)
        return await self._predictions(tenant, task_id, answer, request, decoded[-1], truncated, scalar=scalar)

    async def predict_own(
        self, tenant: str, model: Served, name: str, request: CreatePredictions, deadline: float
    ) -> Predictions:
        """Answers of a task that belongs to the model. Raises ModelTaskNotFound."""
        self._catalog.own_task(model, name)
        codec.check_count(len(request.inputs), self._max_inputs, "inputs", "inputs")
        codec.column_order(request.columns, None)
        rows = await self._decoding.inputs(tenant, request.inputs, model, deadline, "inputs.{}")
        answer = await self._engine.predict_own(tenant, model.digest, name, rows, deadline)
        return await self._predictions(tenant, name, answer, request, rows, model.truncated(rows), scalar=True)

    async def ask(self, tenant: str, task_id: str, decode: Decode, deadline: float) -> tuple[Answer[ScoreArrays], bool]:
        """Scores of the task's current version, and whether its targets are single numbers."""
        for _ in range(MAX_MOVES):
            pinned = await self._pinned_of(tenant, task_id)
            inputs = await decode(self._catalog.get(pinned.digest), pinned.form)
            try:
                answer = await self._engine.predict(tenant, task_id, pinned.digest, inputs, deadline)
            except (TaskMoved, TaskNotFound) as error:
                self._pinned.pop((tenant, task_id), None)
                if isinstance(error, TaskNotFound):
                    raise
                continue
            return await self.expecting(tenant, task_id, pinned.digest, answer, answer.prior), pinned.scalar
        raise Conflict("The task is being moved to another model digest; try again.", retry_after_s=1)

    async def expecting(
        self, tenant: str, task_id: str, digest: str, answer: Answer[ScoreArrays], prior: Prior | None
    ) -> Answer[ScoreArrays]:
        """The answer as it is where labels are as frequent as the task's prior says, if it has one."""
        scores, labels = answer.result, answer.labels or []
        if prior is None or not isinstance(scores, ClassScores):
            return answer
        shots = await self._shots_of(tenant, task_id, answer.version, labels)
        balance = self._engine.balance_of(digest) / answer.temperature
        shared = codec.expecting(scores.probabilities, labels, prior, shots, balance)
        return replace(answer, result=replace(scores, probabilities=shared))

    async def _order(self, tenant: str, task_id: str, sent: Sequence[str] | None) -> list[int] | None:
        """Where the task's columns are in rows of these. They never change; who names none need not ask for them."""
        if sent is None:
            return None
        async with self._database.read() as session:
            return codec.column_order(sent, columns_of(await find_asked(session, tenant, task_id)))

    async def model_of(self, tenant: str, task_id: str) -> Served:
        """The model that the task is, or lately was, pinned to; its name never changes."""
        return self._catalog.get((await self._pinned_of(tenant, task_id)).digest)

    def remember(self, record: TaskRecord) -> _Pinned:
        """Spare the first prediction a look at the task."""
        digest = self._catalog.get(record.model_digest).digest
        pinned = _Pinned(digest, scalar=record.output_dim is None, form=form_of(record))
        self._pinned[record.tenant, record.id] = pinned
        if len(self._pinned) > MAX_PINNED:
            self._pinned.popitem(last=False)
        return pinned

    async def _predictions(
        self,
        tenant: str,
        task: str,
        answer: Answer[ScoreArrays],
        request: CreatePredictions,
        rows: Array,
        truncated: list[int],
        *,
        scalar: bool,
    ) -> Predictions:
        """The answer as it is sent."""
        tell = partial(_told, answer, request, rows, self._score_digits, scalar=scalar)
        about_us = telling_us(len(request.inputs), _num_scores(answer.result))
        return Predictions.model_construct(  # nothing to validate: the numbers are the engine's own
            task=task,
            version=answer.version,
            predictions=await self._decoding.in_thread(tenant, tell, about_us=about_us),
            timing=Timing.model_construct(queue_ms=round(answer.queue_ms, 3), compute_ms=round(answer.compute_ms, 3)),
            truncated=truncated,
        )

    async def _pinned_of(self, tenant: str, task_id: str) -> _Pinned:
        found = self._pinned.get((tenant, task_id))
        if found is not None:
            return found
        async with self._database.read() as session:
            return self.remember(await find_asked(session, tenant, task_id))

    async def _shots_of(self, tenant: str, task_id: str, version: int, labels: Sequence[str]) -> list[int]:
        """How many examples each label has, read once: what is taught or forgotten makes another version."""
        key = tenant, task_id, version
        if key not in self._shots:
            async with self._database.read() as session:
                counts = await history.count_labels(session, *key)
            if not counts.keys() >= set(labels):
                raise Conflict("The task is being written to; try again.", retry_after_s=1)
            self._shots[key] = [counts[label] for label in labels]  # and no names, which may be forgotten
            if len(self._shots) > MAX_COUNTED:
                self._shots.popitem(last=False)
        return self._shots[key]


def _num_scores(found: ScoreArrays) -> int:
    return sum(scores.size for scores in vars(found).values() if scores is not None)


def _told(
    answer: Answer[ScoreArrays], request: CreatePredictions, rows: Array, digits: int | None, *, scalar: bool
) -> list[Any]:
    return codec.rounded(_answers(answer, request, rows, scalar=scalar), digits)


def _answers(
    answer: Answer[ScoreArrays], request: CreatePredictions, rows: Array, *, scalar: bool
) -> Sequence[AnyAnswer]:
    found, labels = answer.result, answer.labels or []
    if isinstance(found, ClassScores):
        least = _least(answer, request.coverage)
        return codec.classifications(labels, found.probabilities, request.top, found.unknown, least)
    _refuse_coverage(request.coverage, "only classifications have sets of labels")
    if isinstance(found, FrameScores):
        return frames_of(answer, request.inputs, rows, request.top)
    if isinstance(found, TagScores):
        return codec.multilabels(labels, found.probabilities, request.top)
    return codec.regressions(found.mean, found.std, scalar=scalar)


def _least(answer: Answer[ScoreArrays], coverage: float | None) -> float | None:
    """The least log-probability of labels in a set. Raises InvalidRequest where no coverage can be promised."""
    if coverage is None:
        return None
    if answer.prior is not None:
        _refuse_coverage(coverage, "cannot be promised under a prior: the model was calibrated without")
    if not answer.thresholds:
        _refuse_coverage(coverage, "the model has no calibration for this version of the task")
    return codec.least_for(coverage, answer.thresholds or ())


def _refuse_coverage(coverage: float | None, message: str) -> None:
    codec.refuse([] if coverage is None else [FieldError("coverage", message)])


def frames_of(answer: Answer[ScoreArrays], texts: Sequence[Input], rows: Array, top: int | None = None) -> list[Frame]:
    """Frames of texts, of which the rows were made that were asked with."""
    found = answer.result
    assert isinstance(found, FrameScores)
    names = answer.labels or [], answer.slots or []
    sent = [str(text) for text in texts]
    return codec.frames(*names, found.probabilities, found.tags, found.certainty, sent, rows, top)
