"""/v1/models: the catalog."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request

from service.api.deps import Deadline, Running, Tenant, no_query, service_of, tenant_of
from service.api.limits import limits_of
from service.api.problems import ANY, BODY, documented
from service.api.uploads import json_or_form, takes_either
from service.catalog import Catalog, Served
from service.errors import ModelNotFound, ModelTaskNotFound
from service.model_tasks import ModelTask, ModelTaskList
from service.schemas import (
    CreatePredictions,
    Effort,
    Kind,
    Limits,
    Modality,
    Model,
    ModelList,
    Predictions,
)
from service.settings import Settings

router = APIRouter(prefix="/v1/models", tags=["models"], responses=documented(*ANY), dependencies=[Depends(no_query)])


@router.get("")
async def page(service: Running, tenant: Tenant) -> ModelList:
    """Every model, with the newest digest of each name."""
    seen = service.catalog.of(tenant)
    return ModelList(items=[_model(seen, name, service.settings) for name in seen.names()])


@router.get("/{name}", responses=documented(ModelNotFound))
async def read(service: Running, tenant: Tenant, name: str) -> Model:
    """One model: what it takes, what it answers, how it was made and how good it is."""
    return _model(service.catalog.of(tenant), name, service.settings)


@router.get("/{name}/tasks", responses=documented(ModelNotFound))
async def tasks(service: Running, tenant: Tenant, name: str) -> ModelTaskList:
    """The tasks that were learned with the model and belong to it; read-only."""
    model = service.catalog.of(tenant).resolve(name)
    return ModelTaskList(
        items=[
            ModelTask(
                model=model.card.name,
                model_digest=model.digest,
                name=task,
                kind=cast(Kind, told["kind"]),
                labels=told["labels"],
                about=told["about"],
            )
            for task, told in model.card.tasks.items()
        ]
    )


async def owner(request: Request, name: str, task_name: str) -> Served:
    """The model in the path, which must have the task in the path; before the body is looked at."""
    catalog = service_of(request).catalog
    model = catalog.of(tenant_of(request)).resolve(name)
    catalog.own_task(model, task_name)
    return model


@router.post(
    "/{name}/tasks/{task_name}/predictions",
    responses=documented(*BODY, ModelNotFound, ModelTaskNotFound),
    openapi_extra=takes_either(CreatePredictions, "inputs"),
)
async def predict(
    service: Running,
    tenant: Tenant,
    deadline: Deadline,
    model: Annotated[Served, Depends(owner)],
    task_name: str,
    payload: Annotated[CreatePredictions, Depends(json_or_form(CreatePredictions, "inputs"))],
) -> Predictions:
    """Answers of a task that belongs to the model, as of any task. Nothing is stored."""
    return await service.tasks.predict_own(tenant, model, task_name, payload, deadline)


def _model(catalog: Catalog, name: str, settings: Settings) -> Model:
    versions = catalog.versions(name)
    newest = versions[0]
    card = newest.card
    return Model(
        name=card.name,
        digest=newest.digest,
        digests=[served.digest for served in versions],
        modalities=[cast(Modality, modality) for modality in card.modalities],
        kinds=[cast(Kind, kind) for kind in card.kinds],
        label_names=newest.takes_names,
        transfer=newest.transfers,
        efforts=[cast(Effort, effort) for effort in catalog.efforts(newest)],
        input_dim=newest.inputs.shape[0] if card.modality == "vector" else None,
        limits=_within(limits_of(settings, is_slow=newest.is_slow), newest),
        card=dict(card.card),
    )


def _within(limits: Limits, model: Served) -> Limits:
    """The service's limits, or the model's own where they are lower."""
    ways, rows = min(limits.max_ways, model.max_ways), min(limits.max_examples, model.max_rows)
    return limits.model_copy(update={"max_ways": ways, "max_examples": rows})
