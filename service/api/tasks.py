"""/v1/tasks: list, read, change and delete what was adapted."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from service import schemas
from service.api.deps import Running, TaskId, Tenant, json_body, no_query, query_once, takes
from service.api.matching import ETAG, IfMatch, etag
from service.api.problems import ANY, BODY, documented
from service.errors import PreconditionFailed, TaskDamaged, TaskNotFound
from service.fields import Cursor, Text
from service.schemas import Task, TaskPage, UpdateTask

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], responses=documented(*ANY))


class PageQuery(schemas.Request):
    """Which tasks, and how many of them."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Cursor | None = None
    model: Text | None = None
    name: Text | None = None


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
