"""/v1/tasks/{task_id}/predictions: ask a task."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.api.deps import Deadline, Running, TaskId, Tenant, no_query
from service.api.problems import ANY, BODY, documented
from service.api.uploads import json_or_form, takes_either
from service.errors import Conflict, TaskNotFound
from service.schemas import CreatePredictions, Predictions

router = APIRouter(prefix="/v1/tasks", tags=["predictions"], responses=documented(*ANY))


@router.post(
    "/{task_id}/predictions",
    responses=documented(*BODY, TaskNotFound, Conflict),
    openapi_extra=takes_either(CreatePredictions, "inputs"),
    dependencies=[Depends(no_query)],
)
async def predict(
    service: Running,
    tenant: Tenant,
    deadline: Deadline,
    task_id: TaskId,
    payload: Annotated[CreatePredictions, Depends(json_or_form(CreatePredictions, "inputs"))],
) -> Predictions:
    """Answers to inputs, in their order, by the task's current version. Nothing is stored."""
    return await service.tasks.predict(tenant, task_id, payload, deadline)
