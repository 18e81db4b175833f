"""What schemathesis minds and should not: rules about right requests that no OpenAPI document can tell.

It expects each request that fits the document to be taken. An answer 422 to one is excused only for these reasons.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from service.api.forms import FORM
from service.api.openapi import BODIES

JSON = "application/json"

Asked: TypeAlias = "Case[Any]"


def filter_failure(context: HookContext, failure: Failure, case: Asked, response: Response) -> bool:
    """Whether this failure is one."""
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 422:
        return True
    problem = response.json()
    return not any(reason(case, problem) for reason in REASONS)


def _is_unknown_cursor(case: Asked, problem: Mapping[str, Any]) -> bool:
    """Cursors are opaque: the only ones that are right are those that were given out."""
    return [each["path"] for each in problem["errors"]] == ["query.cursor"]


def _is_no_task_file(case: Asked, problem: Mapping[str, Any]) -> bool:
    """The document says that the body is binary; that it is safetensors with a seal it cannot say."""
    return str(case.operation.label) == "POST /v1/tasks/import"


def _is_form_without_files(case: Asked, problem: Mapping[str, Any]) -> bool:
    """Other fields than those named are files, and files have names: schemathesis sends them without, or none."""
    told = {each["message"].partition(",")[0] for each in problem["errors"]}
    return case.media_type == FORM and not told.isdisjoint({"is no field of this request", "must not be empty"})


def _is_odd_metadata(case: Asked, problem: Mapping[str, Any]) -> bool:
    """Metadata may be any JSON, but not too deep or long, and without U+0000 anywhere in it."""
    return {each["path"] for each in problem["errors"]} == {"metadata"}


def _is_empty_header(case: Asked, problem: Mapping[str, Any]) -> bool:
    """Where a route has another optional header, schemathesis sends an empty If-Match, against its pattern."""
    return case.headers is not None and case.headers.get("If-Match") == ""


def _is_key_used_again(case: Asked, problem: Mapping[str, Any]) -> bool:
    """Keys for asking once are drawn, and short ones are drawn twice."""
    return bool(problem["code"] == "idempotency_key_reused")


def _fits_no_model(case: Asked, problem: Mapping[str, Any]) -> bool:
    """The body is what the document says; what an input, a label or a prior must be depends on model and task."""
    if not isinstance(case.body, dict) or (body := _body(case)) is None:
        return False
    told = {name: part for name, part in case.body.items() if case.media_type == JSON or name in body.model_fields}
    try:
        body.model_validate(told)
    except ValidationError:
        return False
    return True


def _body(case: Asked) -> type[BaseModel] | None:
    taken = case.operation.definition.raw.get("requestBody", {}).get("content", {}).get(JSON)
    return None if taken is None else BODIES[taken["schema"]["$ref"].rpartition("/")[2]]


REASONS: tuple[Callable[[Asked, Mapping[str, Any]], bool], ...] = (
    _is_unknown_cursor,
    _is_no_task_file,
    _is_form_without_files,
    _is_odd_metadata,
    _is_empty_header,
    _is_key_used_again,
    _fits_no_model,
)
