"""POST /v1/tasks: adapt a model to examples, which makes a task. As predictions it leaves FastAPI's way: `Shortcut`."""

from fastapi import APIRouter, Request, Response

from service.api.accepting import ACCEPTED, PreferHeader, accepted, prefers_async
from service.api.deps import JSON, KEYED, deadline, documented_header, let_in, no_query, service_of, tenant_of
from service.api.matching import ETAG, etag
from service.api.problems import ANY, BODY, documented
from service.api.replays import HEADERS, KeyHeader, sent_key, taking_effect_once
from service.api.uploads import json_or_form, takes_either
from service.errors import ModelNotFound
from service.schemas import CreatedTask, CreateTask

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], responses=documented(*ANY))

LOCATION = {"Location": {"description": "Path of the new task.", "schema": {"type": "string"}}}
SENT = {"parameters": [documented_header(KeyHeader), documented_header(PreferHeader)]}

read = json_or_form(CreateTask, "support")


@router.post(
    "",
    status_code=201,
    response_model=CreatedTask,
    responses={201: {"headers": ETAG | LOCATION | HEADERS}, **ACCEPTED, **documented(*BODY, ModelNotFound)},
    openapi_extra=takes_either(CreateTask, "support") | KEYED | SENT,
)
async def create(request: Request) -> Response:
    """Adapt a model to a support set; the answer is sent when the task has been committed, or it is a job."""
    await let_in(request)
    await no_query(request)
    service, tenant, until = service_of(request), tenant_of(request), await deadline(request)
    async with taking_effect_once(request, sent_key(request)) as once:
        respond_async, payload = await prefers_async(request), await read(request)
        is_slow = service.catalog.of(tenant).chosen(payload.model, payload.effort).is_slow
        if respond_async or is_slow or len(payload.support) > service.settings.job_examples:
            return accepted(request, await service.jobs.adapt(tenant, payload, once, was_preferred=respond_async))
        task, revision = await service.tasks.adapt(tenant, payload, until, once)
    location = f"{request.scope.get('root_path', '')}{router.prefix}/{task.id}"
    return Response(task.model_dump_json(), 201, {"Location": location} | etag(revision), JSON)
