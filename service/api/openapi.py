"""The OpenAPI document: FastAPI's own, and the models that its routes only name."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.api.shown import show
from service.figures import CreateEvaluation
from service.schemas import CreatePredictions, CreateTask, ExtendSupport, Problem, Readapt, Rollback, UpdateTask

REFERENCE = "#/components/schemas/{model}"


def document(app: FastAPI) -> dict[str, Any]:
    """The document of this app, made at the first call."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        bodies = (CreateTask, ExtendSupport, UpdateTask, Rollback, Readapt, CreatePredictions, CreateEvaluation)
        named = [*((body, "validation") for body in bodies), (Problem, "serialization")]
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas |= models_json_schema(named, ref_template=REFERENCE)[1]["$defs"]  # type: ignore[arg-type]
        for path in made["paths"].values():
            for operation in path.values():
                show(operation)
        app.openapi_schema = made
    return app.openapi_schema
