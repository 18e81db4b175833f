"""/v1/tasks/{task_id}/predictions: ask a task.

What is asked most leaves FastAPI's way, which costs more than a prediction does: the route is documented as any other,
but depends on nothing, and `Shortcut` calls it without the router. Remove that, and it is answered alike.
"""

import orjson
from fastapi import APIRouter, Request, Response

from service.api.deps import (
    JSON,
    KEYED,
    WRONG,
    deadline,
    find_task,
    know_task,
    let_in,
    no_query,
    service_of,
    tenant_of,
)
from service.api.problems import ANY, BODY, documented
from service.api.uploads import json_or_form, takes_either
from service.errors import Conflict, TaskNotFound
from service.schemas import CreatePredictions, Predictions

router = APIRouter(prefix="/v1/tasks", tags=["predictions"], responses=documented(*ANY))

read = json_or_form(CreatePredictions, "inputs")


@router.post(
    "/{task_id}/predictions",
    response_model=Predictions,
    responses=documented(*BODY, TaskNotFound, Conflict),
    openapi_extra=takes_either(CreatePredictions, "inputs") | KEYED,
)
async def predict(request: Request, task_id: str) -> Response:
    """Answers to inputs, in their order, by the task's current version. Nothing is stored."""
    await let_in(request)
    await no_query(request)
    know_task(task_id)
    tenant, until = tenant_of(request), await deadline(request)
    try:
        predictions = await service_of(request).tasks.predict(tenant, task_id, await read(request), until)
    except WRONG:
        await find_task(request, task_id)
        raise
    return Response(orjson.dumps(predictions, default=vars), media_type=JSON)  # a fifth of what Pydantic takes
