"""Tasks as safetensors files: the weights of a version, and whole tasks on their way to another service."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from service import schemas
from service.api.adaptations import LOCATION
from service.api.deps import Deadline, HoldAnswer, Running, TaskId, Tenant, media_type, no_query, query_once
from service.api.matching import ETAG as TASK_ETAG
from service.api.matching import etag
from service.api.problems import ANY, documented
from service.api.replays import HEADERS, OnceKey
from service.errors import (
    BodyTimeout,
    CannotReadapt,
    Conflict,
    ModelUnavailable,
    TaskDamaged,
    TaskNotFound,
    UnsupportedMediaType,
    VersionErased,
    VersionNotFound,
)
from service.schemas import MAX_VERSION, CreatedTask
from service.tasks.exporting import File

MEDIA_TYPE = "application/vnd.safetensors"
TAKEN = (MEDIA_TYPE, "application/octet-stream")
ETAG = {"ETag": {"description": "The same for the same file.", "schema": {"type": "string"}}}
SENT: dict[int | str, dict[str, Any]] = {
    200: {"headers": ETAG, "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The file is as in If-None-Match", "headers": ETAG},
}

router = APIRouter(prefix="/v1/tasks", tags=["files"], responses=documented(*ANY))


class WeightsQuery(schemas.Request):
    """Which version."""

    version: Annotated[int, Field(ge=1, le=MAX_VERSION, description="By default the current one.")] | None = None


@router.get(
    "/{task_id}/weights",
    response_class=Response,
    responses={**SENT, **documented(TaskNotFound, VersionNotFound, VersionErased, TaskDamaged)},
    dependencies=[Depends(query_once)],
)
async def weights(
    service: Running, tenant: Tenant, task_id: TaskId, query: Annotated[WeightsQuery, Query()], request: Request
) -> Response:
    """The params of a version, bit for bit as they are stored, and in the header where they came from."""
    return _answer(request, await service.tasks.exporting.weights(tenant, task_id, query.version))


@router.get(
    "/{task_id}/export",
    response_class=Response,
    responses={**SENT, **documented(TaskNotFound, ModelUnavailable, Conflict)},
    dependencies=[Depends(no_query)],
)
async def export(
    service: Running, tenant: Tenant, task_id: TaskId, request: Request, hold_answer: HoldAnswer
) -> Response:
    """The whole task as of its current version, with its support, for `POST /v1/tasks/import` here or elsewhere."""
    return _answer(request, await service.tasks.exporting.task(tenant, task_id, hold_answer))


class ImportQuery(schemas.Request):
    """What to do where the task's model digest is not loaded."""

    readapt: Annotated[bool, Field(description="Adapt anew to the newest digest, if the task's is not loaded.")] = False


async def file_body(request: Request) -> bytes:
    """The bytes of a safetensors file. Raises UnsupportedMediaType."""
    if media_type(request) not in TAKEN:
        raise UnsupportedMediaType(f"Expected a body of the type {' or '.join(TAKEN)}, not compressed.")
    return await request.body()


@router.post(
    "/import",
    status_code=201,
    responses={
        201: {"headers": TASK_ETAG | LOCATION | HEADERS},
        **documented(BodyTimeout, UnsupportedMediaType, ModelUnavailable, CannotReadapt),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in TAKEN},
        }
    },
    dependencies=[Depends(query_once)],
)
async def import_task(
    service: Running,
    tenant: Tenant,
    deadline: Deadline,
    query: Annotated[ImportQuery, Query()],
    once: OnceKey,
    payload: Annotated[bytes, Depends(file_body)],
    request: Request,
    response: Response,
) -> CreatedTask:
    """Make a new task from an exported one: with the same params, bit for bit, where its model digest is loaded."""
    task, revision = await service.tasks.importing.import_task(
        tenant, payload, deadline, may_readapt=query.readapt, once=once
    )
    response.headers["Location"] = f"{request.scope.get('root_path', '')}{router.prefix}/{task.id}"
    response.headers.update(etag(revision))
    return task


def _answer(request: Request, file: File) -> Response:
    """The file, unless the client has it already."""
    headers = {"ETag": f'"{file.digest}"'}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    if headers["ETag"] in known or "*" in known:
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return Response(file.data, headers=headers, media_type=MEDIA_TYPE)
