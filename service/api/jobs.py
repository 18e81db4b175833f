"""/v1/jobs: work that was accepted; how far it is, what came of it, and the way to stop it."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field

from service import schemas
from service.api.deps import Running, Tenant, no_query, query_once, service_of, tenant_of
from service.api.problems import ANY, documented
from service.errors import JobFinished, JobNotFound
from service.fields import Cursor
from service.ids import is_id
from service.jobs.answers import RETRY_AFTER_S
from service.schemas import Job, JobPage, JobState
from service.storage.jobs import OPEN

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=documented(*ANY))

RETRY: dict[str, Any] = {
    "Retry-After": {"description": "Seconds; while the job is not over.", "schema": {"type": "integer"}}
}


class PageQuery(schemas.Request):
    """Which jobs, and how many of them."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Cursor | None = None
    state: JobState | None = None


async def found_job(request: Request, job_id: str) -> Job:
    """The job in the path. Raises JobNotFound; what cannot be an id is not looked up."""
    if not is_id(job_id, "job"):
        raise JobNotFound(f"There is no job {job_id[:80]!r}.")
    return await service_of(request).jobs.get(tenant_of(request), job_id)


async def watching(request: Request) -> AsyncIterator[None]:
    """One of those who may watch at once: each holds a connection for as long as its job takes."""
    with service_of(request).jobs.watching.place(tenant_of(request)):
        yield


Found = Annotated[Job, Depends(found_job)]


@router.get("", dependencies=[Depends(query_once)])
async def page(service: Running, tenant: Tenant, query: Annotated[PageQuery, Query()]) -> JobPage:
    """Jobs, newest first."""
    return await service.jobs.page(tenant, **query.model_dump())


@router.get(
    "/{job_id}",
    responses={200: {"headers": RETRY}, **documented(JobNotFound)},
    dependencies=[Depends(no_query)],
)
async def read(job: Found, response: Response) -> Job:
    """One job as it is now."""
    if job.state in OPEN:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return job


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    responses=documented(JobNotFound),
    dependencies=[Depends(no_query)],
)
async def events(
    service: Running, tenant: Tenant, job: Found, slot: Annotated[None, Depends(watching)]
) -> AsyncIterator[ServerSentEvent]:
    """The job now and after each change: an event `state` or `progress` with the job in it; the last is its end."""
    state = None
    async for changed in service.jobs.watching.watch(job, tenant):
        yield ServerSentEvent(event="progress" if changed.state == state else "state", data=changed)
        state = changed.state


@router.delete("/{job_id}", responses=documented(JobNotFound, JobFinished), dependencies=[Depends(no_query)])
async def cancel(service: Running, tenant: Tenant, job: Found) -> Job:
    """Cancel a job, also while it is being done: it then has no effect. One that is over answers 409."""
    return await service.jobs.cancel(tenant, job.id)
