"""A stored task, or the error that says why not."""

from sqlalchemy.ext.asyncio import AsyncSession

from service.catalog import FORM
from service.errors import PreconditionFailed, TaskDamaged, TaskNotFound, VersionErased, VersionNotFound
from service.ids import is_id
from service.logs import note
from service.storage import history, queries
from service.storage.failures import translated
from service.storage.matching import Match
from service.storage.records import TaskRecord, VersionRecord


async def find_task(session: AsyncSession, tenant: str, task_id: str, match: Match = None) -> TaskRecord:
    """The task as of its current version. Raises TaskNotFound, or PreconditionFailed at a revision not in `match`."""
    record = await queries.get_task(session, tenant, task_id) if is_id(task_id, "task") else None
    return _checked(record, task_id, match)


async def find_asked(session: AsyncSession, tenant: str, task_id: str) -> TaskRecord:
    """The task without what was told of it. Raises TaskNotFound."""
    record = await queries.get_asked_task(session, tenant, task_id) if is_id(task_id, "task") else None
    return _checked(record, task_id, None)


async def find_what_is_left(
    session: AsyncSession, tenant: str, task_id: str, match: Match, *, repairs: bool
) -> tuple[TaskRecord, bool]:
    """The task, and whether it is damaged: then what `repairs` it goes without the part that cannot be read."""
    try:
        with translated():
            return await find_task(session, tenant, task_id, match), False
    except TaskDamaged:
        if not repairs:
            raise
    return _checked(await queries.get_bare_task(session, tenant, task_id), task_id, match), True


def _checked(record: TaskRecord | None, task_id: str, match: Match) -> TaskRecord:
    if record is None:
        raise _no_task(task_id)
    note(model=f"{record.model}@{record.model_digest[:12]}")
    if match is not None and record.revision not in match:
        raise _moved_on(record)
    return record


def form_of(record: TaskRecord) -> str | None:
    """What the task's inputs are, where its model takes several modalities."""
    form: str | None = (record.preprocessing or {}).get(FORM)
    return form


async def find_version(session: AsyncSession, tenant: str, task_id: str, number: int) -> VersionRecord:
    """A version whose params are there. Raises VersionNotFound or VersionErased."""
    record = await history.get_version(session, tenant, task_id, number)
    if record is None:
        raise VersionNotFound(f"The task has no version {number}.")
    if not record.is_available:
        raise VersionErased(f"Version {number} used an example that has been forgotten since.")
    return record


async def why_not(session: AsyncSession, tenant: str, task_id: str, match: Match) -> TaskNotFound | PreconditionFailed:
    """Why a write did not find the task at a revision that it may change."""
    record = await queries.get_task(session, tenant, task_id) if match is not None else None
    return _no_task(task_id) if record is None else _moved_on(record)


def _no_task(task_id: str) -> TaskNotFound:
    return TaskNotFound(f"There is no task {task_id[:80]!r}.")


def _moved_on(record: TaskRecord) -> PreconditionFailed:
    return PreconditionFailed(f'If-Match does not name the revision that the task is at, "{record.revision}".')
