"""/v1/tasks/{task_id}/support: what a task was taught; teach it more, or make it forget."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from service import schemas
from service.api.accepting import ACCEPTED, RespondAsync, accepted
from service.api.deps import Deadline, Running, TaskId, Tenant, no_query, query_once
from service.api.matching import ETAG, IfMatch, etag
from service.api.problems import ANY, BODY, documented
from service.api.replays import HEADERS, OnceKey
from service.api.uploads import json_or_form, takes_either
from service.errors import (
    Conflict,
    ExampleExists,
    ExampleNotFound,
    ModelUnavailable,
    PreconditionFailed,
    TaskDamaged,
    TaskNotFound,
    TooFewLabels,
    VersionNotFound,
)
from service.fields import Cursor
from service.schemas import MAX_VERSION, CreatedTask, ExtendSupport, SupportPage

router = APIRouter(prefix="/v1/tasks/{task_id}/support", tags=["support"], responses=documented(*ANY))


class SupportQuery(schemas.Request):
    """Which examples, and how many of them."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Cursor | None = None
    version: Annotated[int, Field(ge=1, le=MAX_VERSION, description="By default the current one.")] | None = None


@router.post(
    "",
    status_code=201,
    response_model=CreatedTask,
    responses={
        201: {"headers": ETAG | HEADERS},
        **ACCEPTED,
        **documented(*BODY, TaskNotFound, ModelUnavailable, ExampleExists, Conflict, PreconditionFailed),
    },
    openapi_extra=takes_either(ExtendSupport, "support"),
    dependencies=[Depends(no_query)],
)
async def extend(
    service: Running,
    tenant: Tenant,
    deadline: Deadline,
    task_id: TaskId,
    match: IfMatch,
    once: OnceKey,
    respond_async: RespondAsync,
    payload: Annotated[ExtendSupport, Depends(json_or_form(ExtendSupport, "support"))],
    request: Request,
    response: Response,
) -> CreatedTask | Response:
    """Teach a task more examples, of new labels too; answered when the next version is committed, or by a job."""
    is_large = len(payload.support) > service.settings.job_examples
    if respond_async or is_large or await service.tasks.is_slow(tenant, task_id):
        answer = await service.jobs.extend(
            tenant, task_id, payload, match=match, once=once, was_preferred=respond_async
        )
        return accepted(request, answer)
    task, revision = await service.tasks.support.extend(tenant, task_id, payload, deadline, match=match, once=once)
    response.headers.update(etag(revision))
    return task


@router.get("", responses=documented(TaskNotFound, VersionNotFound, TaskDamaged), dependencies=[Depends(query_once)])
async def page(
    service: Running, tenant: Tenant, task_id: TaskId, query: Annotated[SupportQuery, Query()]
) -> SupportPage:
    """The examples of a version, in the order in which they came."""
    return await service.tasks.support.page(tenant, task_id, **query.model_dump())


@router.delete(
    "/{example_id:path}",
    response_model=CreatedTask,
    responses={
        200: {"headers": ETAG},
        **ACCEPTED,
        **documented(TaskNotFound, ExampleNotFound, ModelUnavailable, TooFewLabels, Conflict, PreconditionFailed),
    },
    dependencies=[Depends(no_query)],
)
async def forget(
    service: Running,
    tenant: Tenant,
    deadline: Deadline,
    task_id: TaskId,
    example_id: str,
    match: IfMatch,
    respond_async: RespondAsync,
    request: Request,
    response: Response,
) -> CreatedTask | Response:
    """Erase an example, and the params of every version that used it; the task goes on with the others.

    Examples that are found damaged go with it; `forgotten` names all that went.
    """
    if respond_async or await service.tasks.is_slow(tenant, task_id):
        answer = await service.jobs.forget(tenant, task_id, example_id, match=match, was_preferred=respond_async)
        return accepted(request, answer)
    task, revision = await service.tasks.support.forget(tenant, task_id, example_id, deadline, match=match)
    response.headers.update(etag(revision))
    return task
