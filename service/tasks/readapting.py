"""A task on another digest of its model: adapted anew from its stored inputs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from service import codec
from service.catalog import COLUMNS, FORM, Catalog, Served
from service.engine.engine import Engine
from service.errors import CannotReadapt, ModelNotFound, ModelUnavailable
from service.once import Receipt
from service.schemas import CreatedTask, Kind, Readapt, Task
from service.storage.database import Database
from service.storage.matching import Match
from service.storage.readable import damaged_example
from service.storage.records import ExampleRecord
from service.tasks.adapting import Adapting, Spent, made_task, refuse_kind, stored_rows
from service.tasks.damage import cut_ids, is_damaged
from service.tasks.outlook import foretold
from service.tasks.writing import Change, State, Writing


class Readapting:
    """Moves tasks to newer models, for one tenant at a time. The digest that a task is on need not be loaded."""

    def __init__(
        self, database: Database, engine: Engine, catalog: Catalog, adapting: Adapting, writing: Writing
    ) -> None:
        self._database = database
        self._engine = engine
        self._catalog = catalog
        self._adapting = adapting
        self._writing = writing

    async def readapt(
        self,
        tenant: str,
        task_id: str,
        request: Readapt,
        deadline: float,
        *,
        match: Match = None,
        once: Receipt | None = None,
    ) -> tuple[CreatedTask, int]:
        """Make the next version on another digest of the model; the task and its revision.

        A task that is on that digest already stays as it is, so that asking again is harmless; but where its params are
        damaged, or the features of some examples, they are made anew.
        """
        spent = Spent()

        async def make(state: State) -> Change | None:
            model = self._target(tenant, state.record.model, request.model_digest)
            if model.digest == state.record.model_digest and not await self._is_damaged(state):
                return None
            if state.damaged_ids:
                raise damaged_example(state.damaged_ids[0])
            kind = cast(Kind, state.record.kind)
            refuse_kind(kind, model)
            _refuse_names(state.examples, model)
            self._refuse_inputs(state, model)
            rows, targets = stored_rows(state.examples, model), codec.targets_of(state.examples, kind)
            version, features = await self._adapting.first(
                tenant, model, rows, targets, deadline, spent, number=state.record.version + 1, origin="readapt"
            )
            version = foretold(version, kind, spent.forecast, known=state.examples)
            return Change(version, encoded=[] if features is None else _encoded(state.examples, features))

        return await self._writing.advance(
            tenant,
            task_id,
            make,
            lambda record: made_task(record, spent),
            deadline=deadline,
            match=match,
            once=once,
            repairs=True,
        )

    async def _is_damaged(self, state: State) -> bool:
        if state.is_damaged or any(example.has_lost_features for example in state.examples):
            return True
        record = state.record
        async with self._database.read() as session:
            return await is_damaged(session, self._engine, record.tenant, record.id, record.version)

    def is_slow(self, task: Task) -> bool:
        """Whether to adapt the task takes so long that it is always a job, by what is loaded here of its model."""
        return any(served.is_slow for served in self._catalog.digests(task.model))

    def named(self, tenant: str, task: Task, request: Readapt) -> Readapt:
        """The request with the whole digest that it means now. Raises what can be known without the task's inputs."""
        model = self._target(tenant, task.model, request.model_digest)
        if model.digest != task.model_digest:
            refuse_kind(task.kind, model)
        return Readapt(model_digest=model.digest)

    def _target(self, tenant: str, name: str, prefix: str | None) -> Served:
        try:
            return self._catalog.of(tenant).resolve(name if prefix is None else f"{name}@{prefix}")
        except ModelNotFound:
            if prefix is not None:
                raise
            raise ModelUnavailable(f"No digest of the task's model {name!r} is loaded here.") from None

    def _refuse_inputs(self, state: State, model: Served) -> None:
        """Inputs are stored as a model takes them; what was made ready for another could mean something else."""
        pinned = self._catalog.find(state.record.model_digest)
        made_by = state.record.preprocessing or (pinned and pinned.preprocessing)  # of old rows only the size is known
        made_by = {name: option for name, option in (made_by or {}).items() if name not in (FORM, COLUMNS)}
        if made_by and made_by != model.preprocessing:
            raise CannotReadapt(f"The task's inputs were made by {made_by}; {model.preprocessing} is needed.")
        cut = cut_ids(state.examples, model.inputs.dtype, model.inputs.shape)
        if cut and len({len(example.input) for example in state.examples}) > 1:
            raise damaged_example(cut[0])
        if cut:
            raise CannotReadapt(f"The task's inputs are not of the shape {list(model.inputs.shape)}.")


def _refuse_names(examples: Sequence[ExampleRecord], model: Served) -> None:
    if not model.takes_names and any(example.role == "name" for example in examples):
        raise CannotReadapt(f"The task knows names of labels; {model.card.name}@{model.digest[:12]} takes none.")


def _encoded(examples: Sequence[ExampleRecord], features: np.ndarray) -> list[ExampleRecord]:
    return [replace(example, features=row.tobytes()) for example, row in zip(examples, features, strict=True)]
