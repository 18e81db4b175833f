"""Which earlier tasks of the tenant a task may learn from, and what they were taught."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from service import codec
from service.catalog import TRANSFERRED, Served
from service.engine.arrays import Array, OtherArrays
from service.engine.engine import Engine
from service.errors import FieldError, TaskDamaged
from service.schemas import Kind
from service.storage.database import Database
from service.storage.earlier import Earlier, Taught, earlier_tasks, taught_by
from service.storage.records import Source, TaskRecord
from service.tasks.columns import columns_of
from service.tasks.damage import rows_of
from service.tasks.decoding import Targets
from service.tasks.finding import form_of

log = logging.getLogger(__name__)

MAX_TASKS = 12  # that a task chooses among
MAX_ROWS = 200  # that are read of each, the newest
MAX_SHOTS = 10  # of a label that both have
MAX_VALUES = 50


@dataclass(frozen=True)
class Other:
    """A task to learn from."""

    source: Source
    arrays: OtherArrays


class Transferring:
    """Finds what to choose among, for one tenant at a time."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine

    async def others(
        self,
        tenant: str,
        model: Served,
        kind: Kind,
        targets: Targets,
        form: str | None,
        columns: Sequence[str] | None,
        among: Sequence[str] | None = None,
    ) -> list[Other]:
        """The tenant's tasks on this digest, with inputs of this form, that know labels of these, or targets.

        None whose columns are known to be others, or to stand in another order; only those `among` some ids, if any
        are named. Those with most labels in common first, then the newest.
        """
        if among == [] or not model.transfers or kind not in TRANSFERRED:
            return []
        async with self._database.read() as session:
            try:
                earlier = await earlier_tasks(session, tenant, model.digest, kind, form, among)
            except TaskDamaged as error:  # of one whose form nobody can say
                log.warning("nothing is learned from other tasks: %s", error)
                return []
            chosen = _nearest([each for each in earlier if _are_alike(columns, columns_of(each))], targets)
            has_features = self._engine.keeps_features(model.digest)
            taught = [
                await taught_by(session, tenant, each.source, model.digest, has_features=has_features, limit=MAX_ROWS)
                for each in chosen
            ]
        blank = self._engine.blank_features(model.digest)
        made = [(each.source, _unless_damaged(rows, targets, blank)) for each, rows in zip(chosen, taught, strict=True)]
        return [Other(source, arrays) for source, arrays in made if arrays is not None]

    async def again(self, tenant: str, model: Served, kind: Kind, targets: Targets, record: TaskRecord) -> list[Other]:
        """Those of them that the task, as it was so far, has learned from."""
        return await self.others(
            tenant, model, kind, targets, form_of(record), columns_of(record), record.transferred_from
        )


def refuse_transfer(model: Served, kind: Kind) -> None:
    """Raise InvalidRequest where tasks cannot learn from each other."""
    if not model.transfers:
        codec.refuse([FieldError("transfer", f"new tasks of {model.card.name!r} cannot learn from earlier ones")])
    if kind not in TRANSFERRED:
        codec.refuse([FieldError("transfer", f"a {kind} cannot learn from earlier tasks")])


def _are_alike(columns: Sequence[str] | None, others: Sequence[str] | None) -> bool:
    return columns is None or others is None or columns == others


def _nearest(earlier: Sequence[Earlier], targets: Targets) -> list[Earlier]:
    """Those with labels in common, or with as many numbers a target."""
    if isinstance(targets, codec.Measured):
        output_dim = None if targets.scalar else targets.values.shape[1]
        return [each for each in earlier if each.output_dim == output_dim][:MAX_TASKS]
    wanted = set(targets.labels)
    common = [(len(wanted & set(each.labels or ())), each) for each in earlier]
    ranked = sorted((pair for pair in common if pair[0]), key=lambda pair: -pair[0])  # stable: then the newest
    return [each for _, each in ranked[:MAX_TASKS]]


def _unless_damaged(taught: Sequence[Taught], targets: Targets, blank: Array) -> OtherArrays | None:
    """Nothing is learned from a task that is damaged."""
    try:
        return _arrays(taught, targets, blank)
    except TaskDamaged as error:
        log.warning("nothing is learned from another task: %s", error)
        return None


def _arrays(taught: Sequence[Taught], targets: Targets, blank: Array) -> OtherArrays | None:
    """What is of use of these rows, newest first; nothing if none is."""
    if isinstance(targets, codec.Measured):
        rows = [row for row in taught if row.target is not None][:MAX_VALUES]
        values = np.array([np.atleast_1d(cast(float, row.target)) for row in rows], np.float32)
        return OtherArrays(_features(rows, blank), None, values) if rows else None
    places, left = {label: way for way, label in enumerate(targets.labels)}, dict.fromkeys(targets.labels, MAX_SHOTS)
    rows = []
    for row in taught:
        if row.label is not None and left.get(row.label):
            left[row.label] -= 1
            rows.append(row)
    classes = np.array([places[cast(str, row.label)] for row in rows], np.int64)
    return OtherArrays(_features(rows, blank), classes, None) if rows else None


def _features(rows: Sequence[Taught], blank: Array) -> Array:
    return rows_of([row.data for row in rows], blank.dtype, blank.shape[1:])
