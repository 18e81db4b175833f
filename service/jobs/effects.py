"""What is done for each kind of job: the same as for a request of its kind that was answered at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias, TypeVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import TaskNotFound
from service.schemas import CreateTask, ExtendSupport, Readapt
from service.storage import claims
from service.storage.claims import ClaimedJob
from service.storage.matching import Match
from service.storage.requests import StoredAnswer
from service.tasks import Tasks

M = TypeVar("M", bound=BaseModel)


class LeaseLost(Exception):
    """The job is over, or another has it."""


class Forget(BaseModel):
    """What a job to forget holds: the id of the example."""

    example: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The end of a job as a part of its effect: without the one there is not the other."""

    job: ClaimedJob

    async def store(self, session: AsyncSession, tenant: str, task_id: str, answer: StoredAnswer) -> None:
        """End the job with its answer. Raises LeaseLost."""
        job, now = self.job, datetime.now(UTC)
        if not await claims.end_job(session, tenant, job.id, job.fence, now, task_id=task_id, answer=answer.body):
            raise LeaseLost


Effect: TypeAlias = Callable[[Tasks, ClaimedJob, bytes, float], Awaitable[object]]


async def _adapt(tasks: Tasks, job: ClaimedJob, payload: bytes, deadline: float) -> None:
    request = await _parsed(CreateTask, payload)
    await tasks.adapt(job.tenant, request, deadline, Claim(job), task_id=job.task_id)


async def _extend(tasks: Tasks, job: ClaimedJob, payload: bytes, deadline: float) -> None:
    request = await _parsed(ExtendSupport, payload)
    await tasks.support.extend(job.tenant, job.task_id, request, deadline, match=_match(job), once=Claim(job))


async def _readapt(tasks: Tasks, job: ClaimedJob, payload: bytes, deadline: float) -> None:
    request = await _parsed(Readapt, payload)
    await tasks.readapting.readapt(job.tenant, job.task_id, request, deadline, match=_match(job), once=Claim(job))


async def _forget(tasks: Tasks, job: ClaimedJob, payload: bytes, deadline: float) -> None:
    request = await _parsed(Forget, payload)
    await tasks.support.forget(job.tenant, job.task_id, request.example, deadline, match=_match(job), once=Claim(job))


EFFECTS: Final[dict[str, Effect]] = {"adapt": _adapt, "extend": _extend, "readapt": _readapt, "forget": _forget}


async def perform(tasks: Tasks, job: ClaimedJob, deadline: float) -> None:
    """Do the job and end it, in one transaction. Raises LeaseLost, and what the request would have been refused for."""
    if job.payload is None:
        raise TaskNotFound(f"The task {job.task_id} was deleted before the job's turn came.")
    await EFFECTS[job.kind](tasks, job, job.payload, deadline)


def _match(job: ClaimedJob) -> Match:
    return None if job.match is None else frozenset(job.match)


async def _parsed(model: type[M], payload: bytes) -> M:
    return await asyncio.to_thread(model.model_validate_json, payload)
