"""/v1/tasks: adapt a model to examples; list, read and delete what was adapted."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from service import schemas
from service.api.accepting import ACCEPTED, RespondAsync, accepted
from service.api.deps import Deadline, Running, TaskId, Tenant, json_body, no_query, query_once, takes
from service.api.matching import ETAG, IfMatch, etag
from service.api.problems import ANY, BODY, documented
from service.api.replays import HEADERS, OnceKey
from service.api.uploads import json_or_form, takes_either
from service.errors import ModelNotFound, PreconditionFailed, TaskDamaged, TaskNotFound
from service.fields import Cursor, Text
from service.schemas import CreatedTask, CreateTask, Task, TaskPage, UpdateTask

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], responses=documented(*ANY))

LOCATION = {"Location": {"description": "Path of the new task.", "schema": {"type": "string"}}}


class PageQuery(schemas.Request):
    """Which tasks, and how many of them."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Cursor | None = None
    model: Text | None = None
    name: Text | None = None


@router.post(
    "",
    status_code=201,
    response_model=CreatedTask,
    responses={201: {"headers": ETAG | LOCATION | HEADERS}, **ACCEPTED, **documented(*BODY, ModelNotFound)},
    openapi_extra=takes_either(CreateTask, "support"),
    dependencies=[Depends(no_query)],
)
async def create(
    service: Running,
    tenant: Tenant,
    deadline: Deadline,
    once: OnceKey,
    respond_async: RespondAsync,
    payload: Annotated[CreateTask, Depends(json_or_form(CreateTask, "support"))],
    request: Request,
    response: Response,
) -> CreatedTask | Response:
    """Adapt a model to a support set; the answer is sent when the task has been committed, or it is a job."""
    is_slow = service.catalog.of(tenant).chosen(payload.model, payload.effort).is_slow
    if respond_async or is_slow or len(payload.support) > service.settings.job_examples:
        return accepted(request, await service.jobs.adapt(tenant, payload, once, was_preferred=respond_async))
    task, revision = await service.tasks.adapt(tenant, payload, deadline, once)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}{router.prefix}/{task.id}"
    response.headers.update(etag(revision))
    return task


@router.get("", dependencies=[Depends(query_once)])
async def page(service: Running, tenant: Tenant, query: Annotated[PageQuery, Query()]) -> TaskPage:
    """Tasks, newest first."""
    return await service.tasks.page(tenant, **query.model_dump())


@router.get(
    "/{task_id}",
    responses={200: {"headers": ETAG}, **documented(TaskNotFound, TaskDamaged)},
    dependencies=[Depends(no_query)],
)
async def read(service: Running, tenant: Tenant, task_id: TaskId, response: Response) -> Task:
    """One task."""
    task, revision = await service.tasks.get(tenant, task_id)
    response.headers.update(etag(revision))
    return task


@router.patch(
    "/{task_id}",
    responses={200: {"headers": ETAG}, **documented(*BODY, TaskNotFound, TaskDamaged, PreconditionFailed)},
    openapi_extra=takes(UpdateTask),
    dependencies=[Depends(no_query)],
)
async def update(
    service: Running,
    tenant: Tenant,
    task_id: TaskId,
    match: IfMatch,
    payload: Annotated[UpdateTask, Depends(json_body(UpdateTask))],
    response: Response,
) -> Task:
    """Change a task's name, metadata or prior; what is left out of the body stays."""
    task, revision = await service.tasks.update(tenant, task_id, payload, match=match)
    response.headers.update(etag(revision))
    return task


@router.delete(
    "/{task_id}",
    status_code=204,
    response_class=Response,
    responses=documented(TaskNotFound, TaskDamaged, PreconditionFailed),
    dependencies=[Depends(no_query)],
)
async def delete(service: Running, tenant: Tenant, task_id: TaskId, match: IfMatch) -> Response:
    """Delete a task with everything that is stored of it."""
    await service.tasks.delete(tenant, task_id, match=match)
    return Response(status_code=204)
