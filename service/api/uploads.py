"""A body as JSON or as a form with files in it; both become the same request, and are checked by the same rules.

A part with a file name is a file, any other is a field of the request. In a support set the name of a file's field is
its label; only the fields `file`, `files` and `support` take the label from the folder in the file name.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from service.api.deps import json_body, media_type, service_of, takes
from service.api.forms import FORM, Part, boundary_of, max_parts, parts_of
from service.api.openapi import REFERENCE, sent_as_text
from service.errors import FieldError, InvalidRequest
from service.fields import field_errors
from service.settings import Settings

M = TypeVar("M", bound=BaseModel)

BY_FOLDER = ("file", "files", "support")
INTEGERS = ("top", "version", "compare_with")
AS_JSON = {
    **dict.fromkeys(("metadata", "label_names"), "a JSON object"),
    **dict.fromkeys((*INTEGERS, "coverage"), "a number"),
    "transfer": "true or false",
}  # what else they hold is text
OF_CELLS = frozenset(("columns",))  # not of forms, whose files are images
TEXT_OR_JSON = ("prior",)  # JSON where it begins with a brace
MAX_FIELD_BYTES = 64 * 1024  # of a part that is no file

LABELLED = (
    "Each part with a file name is an image. The name of its field is its label; in the fields `file`, `files` and "
    "`support` the label is the folder in the file name, as in `filename=label/1.png`. Other parts are fields of the "
    "request; `metadata` and `label_names` are JSON, and so is a `prior` but uniform and support."
)
ASKED = "Each part with a file name is an image, whatever its field; the answers come in the order of the parts."


def json_or_form(model: type[M], files: str) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads this model from JSON, or from a form whose files are the rows of its field `files`."""
    read_json = json_body(model, FORM)

    async def read(request: Request) -> M:
        if media_type(request) != FORM:
            return await read_json(request)
        boundary = boundary_of(request.headers["content-type"])
        make = partial(request_of, model, files, await request.body(), boundary, service_of(request).settings)
        return await run_in_threadpool(make)

    return read


def takes_either(model: type[BaseModel], files: str) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is read by `json_or_form`."""
    extra = takes(model)
    described = model.model_json_schema(ref_template=REFERENCE)["properties"]
    fields = {name: sent_as_text(described[name]) for name in model.model_fields if name not in {files, *OF_CELLS}}
    schema: dict[str, Any] = {
        "type": "object",
        "description": LABELLED if _is_labelled(files) else ASKED,
        "properties": fields,
        "additionalProperties": {"type": "array", "items": {"type": "string", "format": "binary"}},
    }
    if required := [name for name in fields if model.model_fields[name].is_required()]:
        schema["required"] = required
    extra["requestBody"]["content"][FORM] = {"schema": schema}
    return extra


def request_of(model: type[M], files: str, body: bytes, boundary: bytes, settings: Settings) -> M:
    """The request that a form makes. Raises InvalidForm, InvalidRequest or BodyTooLarge."""
    parts = parts_of(body, boundary, max_parts(settings))
    sent = [part for part in parts if part.filename is None]
    rows = [part for part in parts if part.filename is not None]
    known = model.model_fields.keys() - {files, *OF_CELLS}
    wrong = list(_misplaced(sent, known))
    values = {part.name: _value(part, wrong) for part in sent if part.name in known}
    values[files] = list(_examples(rows, files, wrong)) if _is_labelled(files) else [part.content for part in rows]
    if wrong:
        raise InvalidRequest.at(wrong)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest.at(field_errors(found)) from None


def _is_labelled(files: str) -> bool:
    return files != "inputs"


def _misplaced(sent: Sequence[Part], known: set[str]) -> Iterator[FieldError]:
    for name, count in Counter(part.name for part in sent).items():
        shown = name[:80]
        if name not in known:
            fields = ", ".join(sorted(known))
            message = f"is no field of this request, whose fields are {fields}; a file is sent as -F '{shown}=@FILE'"
            yield FieldError(shown, message)
        elif count > 1:
            yield FieldError(shown, "is given more than once")


def _value(part: Part, wrong: list[FieldError]) -> Any:
    """What a field holds; what is wrong with it is added to `wrong`."""
    if len(part.content) > MAX_FIELD_BYTES:
        wrong.append(FieldError(part.name[:80], f"must not be larger than {MAX_FIELD_BYTES} bytes"))
        return None
    try:
        is_json = part.name in AS_JSON or (part.name in TEXT_OR_JSON and part.content.startswith(b"{"))
        return from_json(part.content) if is_json else part.content.decode()
    except ValueError as error:
        is_json = part.name in AS_JSON or part.name in TEXT_OR_JSON
        expected = f"{AS_JSON.get(part.name, 'a JSON object')}: {error}" if is_json else "text in UTF-8"
        wrong.append(FieldError(part.name[:80], f"expected {expected}"))
        return None


def _examples(rows: Sequence[Part], files: str, wrong: list[FieldError]) -> Iterator[dict[str, Any]]:
    for position, part in enumerate(rows):
        label = _folder(part.filename or "") if part.name in BY_FOLDER else part.name
        if label is None:
            named = f"the file name {(part.filename or '')[:80]!r} has no folder"
            message = (
                f"{named}; the label is the name of the field, or in the field {part.name!r} that folder; only models "
                "of images take files, to others send JSON"
            )
            wrong.append(FieldError(f"{files}.{position}.label", message))
        yield {"input": part.content, "label": label}


def _folder(filename: str) -> str | None:
    """The folder right above a file, on whatever system it was named."""
    *folders, _ = re.split(r"[/\\]", filename)
    return folders[-1] if folders and folders[-1] not in ("", ".", "..") else None
