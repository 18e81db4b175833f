"""What routes are given: the running service, the tenant, the deadline, and a body that has been checked."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from service.api.structure import check_structure
from service.catalog import Catalog
from service.engine.engine import Engine
from service.errors import (
    FieldError,
    InvalidJson,
    InvalidRequest,
    NotReady,
    TaskNotFound,
    UnsupportedMediaType,
)
from service.fields import field_errors
from service.ids import is_id
from service.metrics import Metrics
from service.settings import Settings
from service.storage.database import Database
from service.tasks import Tasks

DEFAULT_TENANT = "default"

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Service:
    """One running service: what `create_app` built and its lifespan started."""

    settings: Settings
    metrics: Metrics
    catalog: Catalog
    database: Database
    engine: Engine
    tasks: Tasks
    old_revisions: frozenset[str | None]  # of the schema: too old to serve on


def running(request: Request) -> Service:
    """The service; raises NotReady before it has started and after it has stopped."""
    service: Service | None = request.app.state.service
    if service is None:
        raise NotReady("The service is starting or stopping.", retry_after_s=1)
    return service


def tenant(request: Request) -> str:
    """Whose request this is."""
    return DEFAULT_TENANT


def deadline(request: Request) -> float:
    """When this request must have been answered, in time.monotonic() seconds."""
    moment: float = request.state.deadline
    return moment


def known_task(task_id: str) -> str:
    """The id in the path; what cannot be an id is not looked up."""
    if not is_id(task_id, "task"):
        raise TaskNotFound(f"There is no task {task_id[:80]!r}.")
    return task_id


def no_query(request: Request) -> None:
    """Refuse every query parameter."""
    _refuse_query(list(request.query_params), "is not known here")


def query_once(request: Request) -> None:
    """Refuse query parameters that are given twice: which of the two is meant?"""
    names = [name for name, _ in request.query_params.multi_items()]
    _refuse_query([name for name in dict.fromkeys(names) if names.count(name) > 1], "is given more than once")


def _refuse_query(names: Sequence[str], message: str) -> None:
    if names:
        raise InvalidRequest.at([FieldError(f"query.{name[:80]}", message) for name in names])


Running = Annotated[Service, Depends(running)]
Tenant = Annotated[str, Depends(tenant)]
TaskId = Annotated[str, Depends(known_task)]
Deadline = Annotated[float, Depends(deadline)]


def json_body(model: type[M]) -> Callable[[Request, Service], Awaitable[M]]:
    """A dependency that reads this model from the body.

    FastAPI would parse first and validate Python objects after; from bytes it is faster, and errors are ours.
    """

    async def read(request: Request, service: Running) -> M:
        _check_media_type(request)
        body = await request.body()
        check_structure(body, service.settings)
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            if found[0]["type"] == "json_invalid":
                raise InvalidJson(
                    f"The body is not JSON in UTF-8: {found[0]['msg'].removeprefix('Invalid JSON: ')}."
                ) from None
            raise InvalidRequest.at(field_errors(found)) from None

    return read


def _check_media_type(request: Request) -> None:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    charset = header.get_content_charset("utf-8")
    is_plain = request.headers.get("content-encoding", "identity").lower() == "identity"
    if header.get_content_type() != "application/json" or charset != "utf-8" or not is_plain:
        raise UnsupportedMediaType("Expected a body of the type application/json, in UTF-8 and not compressed.")


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is read by `json_body`."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
