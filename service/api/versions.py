"""/v1/tasks/{task_id}/versions, the way back to one of them, and the way to another model digest."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from service.api.accepting import ACCEPTED, RespondAsync, accepted
from service.api.deps import Deadline, Running, TaskId, Tenant, json_body, no_query, takes
from service.api.matching import ETAG, IfMatch, etag
from service.api.problems import ANY, BODY, documented
from service.api.replays import HEADERS, OnceKey
from service.errors import (
    CannotReadapt,
    Conflict,
    ModelNotFound,
    ModelUnavailable,
    PreconditionFailed,
    TaskDamaged,
    TaskNotFound,
    VersionErased,
    VersionNotFound,
)
from service.schemas import CreatedTask, Readapt, Rollback, Task, VersionList

router = APIRouter(
    prefix="/v1/tasks/{task_id}", tags=["versions"], responses=documented(*ANY), dependencies=[Depends(no_query)]
)


@router.get("/versions", responses=documented(TaskNotFound, TaskDamaged))
async def page(service: Running, tenant: Tenant, task_id: TaskId) -> VersionList:
    """The versions of a task that are kept (KSHOT_MAX_VERSIONS), newest first."""
    return await service.tasks.versions.all(tenant, task_id)


@router.post(
    "/rollback",
    responses={
        200: {"headers": ETAG | HEADERS},
        **documented(
            *BODY, TaskNotFound, VersionNotFound, ModelUnavailable, Conflict, VersionErased, PreconditionFailed
        ),
    },
    openapi_extra=takes(Rollback),
)
async def rollback(
    service: Running,
    tenant: Tenant,
    task_id: TaskId,
    match: IfMatch,
    once: OnceKey,
    payload: Annotated[Rollback, Depends(json_body(Rollback))],
    response: Response,
) -> Task:
    """Make the next version from an earlier one: its params, bit for bit, and its support."""
    task, revision = await service.tasks.versions.rollback(tenant, task_id, payload, match=match, once=once)
    response.headers.update(etag(revision))
    return task


@router.post(
    "/readapt",
    response_model=CreatedTask,
    responses={
        200: {"headers": ETAG | HEADERS},
        **ACCEPTED,
        **documented(*BODY, TaskNotFound, ModelNotFound, CannotReadapt, ModelUnavailable, Conflict, PreconditionFailed),
    },
    openapi_extra=takes(Readapt, optional=True),
)
async def readapt(
    service: Running,
    tenant: Tenant,
    deadline: Deadline,
    task_id: TaskId,
    match: IfMatch,
    once: OnceKey,
    respond_async: RespondAsync,
    payload: Annotated[Readapt, Depends(json_body(Readapt, optional=True))],
    request: Request,
    response: Response,
) -> CreatedTask | Response:
    """Adapt a task anew, from its stored inputs, to the newest digest of its model; on that already, it stays as is."""
    now, _ = await service.tasks.get(tenant, task_id, match=match, repairs=True)
    is_slow = service.tasks.readapting.is_slow(now)
    if respond_async or is_slow or now.num_support > service.settings.job_examples:
        answer = await service.jobs.readapt(
            tenant, task_id, payload, match=match, once=once, was_preferred=respond_async
        )
        return accepted(request, answer)
    task, revision = await service.tasks.readapting.readapt(tenant, task_id, payload, deadline, match=match, once=once)
    response.headers.update(etag(revision))
    return task
