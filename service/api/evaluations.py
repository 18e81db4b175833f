"""/v1/tasks/{task_id}/evaluations: hold a task against examples whose answers are known."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.api.deps import Deadline, Running, TaskId, Tenant, no_query
from service.api.problems import ANY, BODY, documented
from service.api.uploads import json_or_form, takes_either
from service.errors import Conflict, ModelUnavailable, TaskNotFound, VersionErased, VersionNotFound
from service.figures import CreateEvaluation, Evaluation

router = APIRouter(prefix="/v1/tasks", tags=["evaluations"], responses=documented(*ANY))


@router.post(
    "/{task_id}/evaluations",
    responses=documented(*BODY, TaskNotFound, VersionNotFound, ModelUnavailable, Conflict, VersionErased),
    openapi_extra=takes_either(CreateEvaluation, "examples"),
    dependencies=[Depends(no_query)],
)
async def evaluate(
    service: Running,
    tenant: Tenant,
    deadline: Deadline,
    task_id: TaskId,
    payload: Annotated[CreateEvaluation, Depends(json_or_form(CreateEvaluation, "examples"))],
) -> Evaluation:
    """How a version of the task (the current one, unless another is stated) answers examples whose answers are known;
    beside it, if asked, how another does on the same examples. Nothing is stored.
    """
    return await service.tasks.evaluating.evaluate(tenant, task_id, payload, deadline)
