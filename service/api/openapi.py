"""The OpenAPI document: FastAPI's own, and the models that its routes only name."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.api.shown import show
from service.figures import CreateEvaluation
from service.schemas import CreatePredictions, CreateTask, ExtendSupport, Problem, Readapt, Rollback, UpdateTask

REFERENCE = "#/components/schemas/{model}"

BODIES = {
    body.__name__: body
    for body in (CreateTask, ExtendSupport, UpdateTask, Rollback, Readapt, CreatePredictions, CreateEvaluation)
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document of this app, made at the first call."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        named = [*((body, "validation") for body in BODIES.values()), (Problem, "serialization")]
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas |= models_json_schema(named, ref_template=REFERENCE)[1]["$defs"]  # type: ignore[arg-type]
        for path in made["paths"].values():
            for operation in path.values():
                show(operation)
                for parameter in operation.get("parameters", ()):
                    parameter["schema"] = sent_as_text(parameter["schema"])
        _close(schemas)
        app.openapi_schema = made
    return app.openapi_schema


def sent_as_text(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of what is left out or sent as text, which is never null: a null would be read as a word."""
    members = [member for member in schema.get("anyOf", ()) if member != {"type": "null"}]
    if "anyOf" not in schema:
        return schema
    others = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return others | (members[0] if len(members) == 1 else {"anyOf": members})


def _close(schema: Any) -> None:
    """Let objects whose names have a pattern have no other names, which Pydantic refuses but does not say."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        for part in schema.values():
            _close(part)
    elif isinstance(schema, list):
        for part in schema:
            _close(part)
