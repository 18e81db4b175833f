"""What routes are given: the running service, the tenant, the deadline, and a body that has been checked.

Dependencies are coroutines that depend on nothing but the request. A plain function FastAPI would call in a thread, and
what several depend on it would go through again for each of them, though it calls it once.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache, partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, TypeAdapter, ValidationError

from service.api.gate import Gate
from service.api.paths import COMPUTED, header
from service.catalog import Catalog
from service.codec.structure import check_structure
from service.engine.engine import Engine
from service.errors import (
    FieldError,
    InvalidBody,
    InvalidJson,
    InvalidRequest,
    NotReady,
    TaskNotFound,
    Unauthenticated,
    UnsupportedMediaType,
)
from service.fields import field_errors
from service.ids import is_id
from service.jobs import Jobs
from service.keyring import Keyring
from service.keys import Scope
from service.logs import note
from service.metrics import Metrics
from service.settings import Settings
from service.storage.database import Database
from service.tasks import Tasks

DEFAULT_TENANT = "default"
JSON = "application/json"
MAX_TYPES = 64  # headers of bodies that are remembered: most clients send the same
EXPORTED = "/export"  # GET of this hands over what a task was taught, which predicting does not show

BEARER = HTTPBearer(
    scheme_name="key", description="An API key (`kshot keys create`); none where KSHOT_AUTH=off.", auto_error=False
)

WRONG = (InvalidBody, UnsupportedMediaType, InvalidRequest, RequestValidationError)  # with what was sent
KEYED: dict[str, Any] = {
    "security": [{BEARER.scheme_name: []}]
}  # the `openapi_extra` of a route that asks for the key by itself

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """One running service: what `create_app` built and its lifespan started."""

    settings: Settings
    metrics: Metrics
    catalog: Catalog
    database: Database
    engine: Engine
    tasks: Tasks
    jobs: Jobs
    keyring: Keyring | None  # none where authentication is off
    gate: Gate
    old_revisions: frozenset[str | None]  # of the schema: too old to serve on


def service_of(request: Request) -> Service:
    """The running service; raises NotReady before it has started and after it has stopped."""
    service: Service | None = request.app.state.service
    if service is None:
        raise NotReady("The service is starting or stopping.", retry_after_s=1)
    return service


async def authenticate(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
    """Find out whose request this is, before anything else is done for it. Raises what `let_in` raises."""
    await let_in(request)


async def let_in(request: Request) -> None:
    """The same for a route that solves no dependencies; for the others BEARER only documents it.

    Raises Unauthenticated, Forbidden for a key without the scope, or what the gate raises.
    """
    service = service_of(request)
    found = await _authenticated(request, service)
    note(tenant=found)
    request.app.state.door.learn(request.scope, found)
    service.gate.enter(found)
    request.state.at_end(partial(service.gate.leave, found))
    request.state.tenant = found


def tenant_of(request: Request) -> str:
    """Whose request this is, once it has been authenticated."""
    found: str = request.state.tenant
    return found


def _key_of(request: Request) -> str | None:
    scheme, _, key = (header(request.scope, b"authorization") or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


async def _authenticated(request: Request, service: Service) -> str:
    if service.keyring is None:
        return DEFAULT_TENANT
    if (key := _key_of(request)) is None:
        raise Unauthenticated("Send an API key in the header: Authorization: Bearer kshot_<prefix>_<secret>.")
    return await service.keyring.tenant(key, _scope_of(request))


def _scope_of(request: Request) -> Scope:
    """Reading needs `predict`, and so does what only computes; exporting and all else needs `adapt`."""
    path: str = request.scope["route"].path
    reads = request.method == "GET" and not path.endswith(EXPORTED)
    return "predict" if reads or path.endswith(COMPUTED) else "adapt"


async def deadline(request: Request) -> float:
    """When this request must have been answered, in time.monotonic() seconds."""
    moment: float = request.state.deadline
    return moment


async def known_task(request: Request, task_id: str) -> AsyncIterator[str]:
    """The id in the path; what else is wrong matters only for a task that is there."""
    know_task(task_id)
    try:
        yield task_id
    except WRONG:
        await find_task(request, task_id)
        raise


def know_task(task_id: str) -> None:
    """Note the id, if it may be one of a task; else raise TaskNotFound."""
    if not is_id(task_id, "task"):  # which is not looked up
        raise TaskNotFound(f"There is no task {task_id[:80]!r}.")
    note(task=task_id)


async def find_task(request: Request, task_id: str) -> None:
    """Raise TaskNotFound unless there is such a task."""
    await service_of(request).tasks.get(tenant_of(request), task_id)


async def no_query(request: Request) -> None:
    """Refuse every query parameter."""
    if request.scope["query_string"]:
        _refuse_query(list(request.query_params), "is not known here")


async def query_once(request: Request) -> None:
    """Refuse query parameters that are given twice: which of the two is meant?"""
    names = [name for name, _ in request.query_params.multi_items()]
    _refuse_query([name for name in dict.fromkeys(names) if names.count(name) > 1], "is given more than once")


def _refuse_query(names: Sequence[str], message: str) -> None:
    if names:
        raise InvalidRequest.at([FieldError(f"query.{name[:80]}", message) for name in names])


async def hold_answer(request: Request) -> Callable[[int], None]:
    """What counts a large answer in before it is made, for as long as it is sent; it raises Overloaded."""
    hold: Callable[[int], None] = request.state.hold_answer
    return hold


def _given(find: Callable[[Request], T]) -> Callable[[Request], Awaitable[T]]:
    """This as a dependency: a coroutine, as a plain function would be called in a thread."""

    async def given(request: Request) -> T:
        return find(request)

    return given


Running = Annotated[Service, Depends(_given(service_of))]
Tenant = Annotated[str, Depends(_given(tenant_of))]
TaskId = Annotated[str, Depends(known_task)]
Deadline = Annotated[float, Depends(deadline)]
HoldAnswer = Annotated[Callable[[int], None], Depends(hold_answer)]


def json_body(model: type[M], *others: str, optional: bool = False) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads this model from the body; `others` are media types that the route takes beside JSON.

    FastAPI would parse first and validate Python objects after; from bytes it is faster, and errors are ours.
    An `optional` body that is left out is one without fields.
    """

    async def read(request: Request) -> M:
        if optional and not await request.body():
            return model()
        if media_type(request) != JSON:
            expected = " or ".join([JSON, *others])
            raise UnsupportedMediaType(f"Expected a body of the type {expected}, in UTF-8 and not compressed.")
        body = await request.body()
        service = service_of(request)
        request.state.hold_parsed(check_structure(body, service.settings, service.catalog.widest))
        return parsed(model, body)

    return read


def parsed(model: type[M], body: bytes) -> M:
    """The model that these bytes of JSON make. Raises InvalidJson or InvalidRequest."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        if found[0]["type"] == "json_invalid":
            raise InvalidJson(
                f"The body is not JSON in UTF-8: {found[0]['msg'].removeprefix('Invalid JSON: ')}."
            ) from None
        raise InvalidRequest.at(field_errors(found, model)) from None


def media_type(request: Request) -> str | None:
    """The type of the body; none if it is compressed or not in UTF-8."""
    encoding = header(request.scope, b"content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        return None
    return _type_of(header(request.scope, b"content-type") or "")


@lru_cache(maxsize=MAX_TYPES)
def _type_of(content_type: str) -> str | None:
    header = Message()
    header["content-type"] = content_type
    return header.get_content_type() if header.get_content_charset("utf-8") == "utf-8" else None


def documented_header(annotated: Any) -> dict[str, Any]:
    """What the document tells of a header, in the `openapi_extra` of a route that reads it by itself."""
    told, schema = annotated.__metadata__[0], TypeAdapter(annotated).json_schema()
    name, description = told.alias, {"description": told.description}
    return {"name": name, "in": "header", "required": False, "schema": schema | {"title": name}} | description


def takes(model: type[BaseModel], *, optional: bool = False) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is read by `json_body`."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": not optional, "content": {JSON: {"schema": schema}}}}
