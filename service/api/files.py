"""Tasks as safetensors files: the weights of a version, and whole tasks on their way to another service."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from service import schemas
from service.api.deps import Running, TaskId, Tenant, query_once
from service.api.problems import ANY, documented
from service.errors import TaskNotFound, VersionErased, VersionNotFound
from service.schemas import MAX_VERSION
from service.tasks.exporting import File

MEDIA_TYPE = "application/vnd.safetensors"
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
    responses={**SENT, **documented(TaskNotFound, VersionNotFound, VersionErased)},
    dependencies=[Depends(query_once)],
)
async def weights(
    service: Running, tenant: Tenant, task_id: TaskId, query: Annotated[WeightsQuery, Query()], request: Request
) -> Response:
    """The params of a version, bit for bit as they are stored, and in the header where they came from."""
    return _answer(request, await service.tasks.exporting.weights(tenant, task_id, query.version))


def _answer(request: Request, file: File) -> Response:
    """The file, unless the client has it already."""
    headers = {"ETag": f'"{file.digest}"'}
    if headers["ETag"] in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return Response(file.data, headers=headers, media_type=MEDIA_TYPE)
