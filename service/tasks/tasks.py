"""A task from its first examples to its end; each write is one short transaction."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service import codec
from service.catalog import FORM, Catalog, Served
from service.engine.engine import Engine
from service.errors import FieldError, InvalidRequest, TaskDamaged
from service.ids import new_id
from service.metrics import Metrics
from service.once import Receipt
from service.schemas import (
    CreatedTask,
    CreatePredictions,
    CreateTask,
    Kind,
    Predictions,
    Task,
    TaskPage,
    UpdateTask,
)
from service.settings import Settings
from service.storage import changes, queries
from service.storage.database import Database
from service.storage.matching import Match
from service.storage.records import NewTask, TaskRecord
from service.tasks.adapting import (
    Adapting,
    Cut,
    Spent,
    kind_of,
    made_task,
    new_examples,
    refuse_names,
    refuse_prior,
)
from service.tasks.answers import task_of
from service.tasks.columns import with_columns
from service.tasks.decoding import Decoding
from service.tasks.elsewhere import told_elsewhere
from service.tasks.evaluating import Evaluating
from service.tasks.exporting import Exporting
from service.tasks.finding import find_task, find_what_is_left, why_not
from service.tasks.importing import Importing
from service.tasks.outlook import foretold
from service.tasks.predicting import Predicting
from service.tasks.readapting import Readapting
from service.tasks.retrying import until_kept
from service.tasks.rollout import Rollout
from service.tasks.support import SupportSets
from service.tasks.transferring import Transferring, refuse_transfer
from service.tasks.versions import Versions
from service.tasks.writing import Writing, keep_sources


class Tasks:
    """Every operation on tasks, for one tenant at a time; on their support sets and their versions, by their parts."""

    def __init__(
        self, database: Database, engine: Engine, catalog: Catalog, settings: Settings, metrics: Metrics
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._decoding = Decoding(settings)
        self._adapting = Adapting(engine, self._decoding)
        self._transferring = Transferring(database, engine)
        self._writing = Writing(database, settings, metrics)
        self._rollout = Rollout(database)
        self.quotas = self._writing.quotas
        self._predicting = Predicting(database, engine, catalog, self._decoding, settings)
        self.support = SupportSets(database, catalog, self._decoding, self._adapting, self._transferring, self._writing)
        self.versions = Versions(database, engine, catalog, self._writing)
        self.readapting = Readapting(database, engine, catalog, self._adapting, self._writing)
        self.exporting = Exporting(database, engine, catalog, self._decoding)
        self.importing = Importing(
            settings, engine, catalog, self._decoding, self._adapting, self._writing, self._rollout
        )
        self.evaluating = Evaluating(database, engine, catalog, self._decoding, self._predicting, settings)

    def close(self) -> None:
        """End the decode threads."""
        self._decoding.close()

    async def check(self, tenant: str, request: CreateTask) -> Served:
        """Raise what `adapt` would raise before it decodes any input; the model that it would adapt."""
        model, names = (
            self._catalog.of(tenant).chosen(request.model, request.effort),
            codec.names_of(request.label_names),
        )
        refuse_names(names, model)
        _refuse_columns(request, model)
        kind = kind_of(request.support, model)
        await self._refuse_news(request, model, kind)
        refuse_prior(request, kind, await self._decoding.targets(tenant, request.support, model, kind, names=names))
        return model

    async def adapt(
        self,
        tenant: str,
        request: CreateTask,
        deadline: float,
        once: Receipt | None = None,
        *,
        task_id: str | None = None,
    ) -> tuple[CreatedTask, int]:
        """A new task, adapted and committed, and its revision. `deadline` is in time.monotonic() seconds."""
        model, spent = self._catalog.of(tenant).chosen(request.model, request.effort), Spent()
        kind, names = kind_of(request.support, model), codec.names_of(request.label_names)
        refuse_names(names, model)
        order = codec.column_order(request.columns, request.columns) if model.takes_lists else None
        await self._refuse_news(request, model, kind)
        await self.quotas.look(tenant, tasks=1, examples=len(request.support) + len(names))
        try:
            rows, targets = await self._decoding.support(tenant, request.support, names, model, kind, deadline, order)
        except InvalidRequest as error:
            raise told_elsewhere(error, request.support, kind, model, self._catalog.of(tenant)) from None
        refuse_prior(request, kind, targets)
        _refuse_columns(request, model)
        cut, form = Cut.of(model, rows, names), model.made(rows).get(FORM)
        id_, metadata, prior = task_id or new_id("task"), request.metadata, request.prior
        task = NewTask(tenant, id_, request.name, model.card.name, kind, metadata, prior)

        async def attempt() -> tuple[CreatedTask, int]:
            others = []
            if request.transfer:
                others = await self._transferring.others(tenant, model, kind, targets, form, request.columns)
            version, features = await self._adapting.first(tenant, model, rows, targets, deadline, spent, others=others)
            examples = new_examples([*request.support, *names], 0, rows, features)
            version = with_columns(foretold(version, kind, spent.forecast, examples), request.columns)

            async def work(session: AsyncSession) -> TaskRecord:
                await keep_sources(session, tenant, version)
                return await queries.insert_task(session, task, version, examples, datetime.now(UTC))

            def answer(record: TaskRecord) -> CreatedTask:
                self._predicting.remember(record)
                return made_task(record, spent, examples, cut)

            return await self._writing.commit(
                work, answer, once, status=201, location=f"/v1/tasks/{task.id}", origin="adapt"
            )

        return await until_kept(attempt)

    async def _refuse_news(self, request: CreateTask, model: Served, kind: Kind) -> None:
        """Raise for a transfer that the model cannot do, and for what the release before does not know."""
        if request.transfer:
            refuse_transfer(model, kind)
            await self._rollout.refuse_unless_over("transfer")
        if request.prior is not None:
            await self._rollout.refuse_unless_over("prior")

    async def is_slow(self, tenant: str, task_id: str) -> bool:
        """Whether the task is of a model that adapts in jobs only. Raises TaskNotFound or ModelUnavailable."""
        try:
            return (await self._predicting.model_of(tenant, task_id)).is_slow
        except TaskDamaged:
            task, _ = await self.get(tenant, task_id, repairs=True)
            return self._catalog.get(task.model_digest).is_slow

    async def predict(self, tenant: str, task_id: str, request: CreatePredictions, deadline: float) -> Predictions:
        """Answers of the task's current version to each input."""
        return await self._predicting.predict(tenant, task_id, request, deadline)

    async def predict_own(
        self, tenant: str, model: Served, name: str, request: CreatePredictions, deadline: float
    ) -> Predictions:
        """Answers of a task that belongs to a model. Raises ModelTaskNotFound."""
        return await self._predicting.predict_own(tenant, model, name, request, deadline)

    async def get(self, tenant: str, task_id: str, *, match: Match = None, repairs: bool = False) -> tuple[Task, int]:
        """The task as of its current version, and its revision, which must be one of `match`.

        For what `repairs` it, of a task that is damaged what can be read.
        """
        async with self._database.read() as session:
            record, _ = await find_what_is_left(session, tenant, task_id, match, repairs=repairs)
        return task_of(record), record.revision

    async def page(
        self, tenant: str, *, limit: int, cursor: str | None, model: str | None, name: str | None
    ) -> TaskPage:
        """A page of tasks, newest first."""
        after = codec.read_cursor(cursor) if cursor is not None else None
        async with self._database.read() as session:
            found, last = await queries.list_tasks(session, tenant, limit=limit, after=after, model=model, name=name)
        next_cursor = None if last is None else codec.write_cursor(last)
        return TaskPage(items=[task_of(record) for record in found], next_cursor=next_cursor)

    async def update(self, tenant: str, task_id: str, request: UpdateTask, *, match: Match = None) -> tuple[Task, int]:
        """Change the task's name, metadata or prior, whichever was sent; the task and its revision."""
        columns = {"name": "name", "metadata": "metadata_", "prior": "prior"}
        changed: dict[str, Any] = {columns[field]: getattr(request, field) for field in request.model_fields_set}
        if request.prior is not None:
            await self._rollout.refuse_unless_over("prior")

        async def work(session: AsyncSession) -> TaskRecord:
            if await changes.move_task(session, tenant, task_id, datetime.now(UTC), match=match, **changed) is None:
                raise await why_not(session, tenant, task_id, match)
            record = await find_task(session, tenant, task_id)
            if "prior" in changed:
                codec.refuse(list(codec.wrong_prior(request.prior, record.kind, record.labels or ())))
            return record

        return await self._writing.commit(work, task_of, stores_more=False)

    async def delete(self, tenant: str, task_id: str, *, match: Match = None) -> None:
        """Delete the task and all that is stored of it. Raises TaskNotFound or PreconditionFailed."""

        async def work(session: AsyncSession) -> None:
            if not await queries.delete_task(session, tenant, task_id, match):
                raise await why_not(session, tenant, task_id, match)

        await self._database.write(work)


def _refuse_columns(request: CreateTask, model: Served) -> None:
    """Raise InvalidRequest for names of columns, if the model's inputs have none."""
    if request.columns is not None and not model.takes_lists:
        codec.refuse([FieldError("columns", f"the model {model.card.name} takes no rows of cells")])
