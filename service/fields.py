"""Kinds of fields: what a text, a number, metadata may be, and how a field that is not so is told to its sender."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from types import NoneType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Discriminator, Field, JsonValue, Tag
from pydantic_core import ErrorDetails, PydanticCustomError, to_json

from service.errors import FieldError

MAX_ROWS = 100_000  # of one list; the settings are stricter, this one bounds the errors that one body can cause
MAX_OUTPUTS = 1_024
MAX_CELLS = 1_024  # of one row
MAX_METADATA_BYTES = 16 * 1024
MAX_COLUMNS = 256  # that have names
MAX_METADATA_DEPTH = 16

NOT_BLANK = re.compile(r"[^\s\ufeff]")
PATTERN = r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"  # the same in ECMA's words, and no U+0000

MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}


def field_errors(found: Sequence[ErrorDetails], model: type[BaseModel] | None = None) -> list[FieldError]:
    """What Pydantic found in a body of this model, in this project's paths and words."""
    return [FieldError(_path(error["loc"]), _message(error) + _known(error, model)) for error in found]


def by_type(expected: str, *, has_cells: bool = False) -> Discriminator:
    """Chooses the member of a union by the JSON type of the value: its errors are then the only ones told.

    Members are tagged "<str>", "<dict>", "<list>", "<number>", and perhaps "<cells>", a list that holds a text or
    null; the brackets tell a tag from the name of a field.
    """
    tag = _tag_of_input if has_cells else _tag
    return Discriminator(tag, custom_error_type="wrong_type", custom_error_message=f"expected {expected}")


def an_object(content: str) -> BeforeValidator:
    """Says what the object is of where there is none."""

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise PydanticCustomError("wrong_type", "expected an object of {content}", {"content": content})
        return value

    return BeforeValidator(check)


def _tag(value: Any) -> str:
    if isinstance(value, bool):  # an int to Python, not to a reader of JSON
        return "<bool>"
    if isinstance(value, int | float):
        return "<number>"
    return "<dict>" if isinstance(value, BaseModel) else f"<{type(value).__name__}>"


def _tag_of_input(value: Any) -> str:
    is_row = isinstance(value, list) and not {str, NoneType}.isdisjoint(map(type, value))
    return "<cells>" if is_row else _tag(value)


def _path(location: tuple[int | str, ...]) -> str:
    """Such as "support.3.label"; unknown names are the sender's, so they are cut."""
    return ".".join(str(part)[:80] for part in location if not str(part).startswith("<"))


def _message(error: ErrorDetails) -> str:
    message = MESSAGES.get(error["type"], error["msg"]) + _hint(error["type"], error["loc"])
    return message.replace("Input should", "should").replace("String should", "should").replace("List should", "should")


def _hint(kind: str, location: tuple[int | str, ...]) -> str:
    """What else an input may have been meant to be."""
    if kind == "missing" and location[-1] == "image":
        return ': expected {"image": "<base64>"}; a row of a table is a list of cells, which `columns` names'
    is_input = "input" in location or "inputs" in location
    return "; a cell of a table that is missing is null, in Python None" if kind == "finite_number" and is_input else ""


def _known(error: ErrorDetails, model: type[BaseModel] | None) -> str:
    """Which fields there are, where one is not known: of the body, or of the rows of a list in it."""
    if error["type"] != "extra_forbidden" or model is None:
        return ""
    parts = [part for part in error["loc"] if not str(part).startswith("<")]
    if len(parts) == 3 and isinstance(parts[1], int):
        row = get_args(model.model_fields[str(parts[0])].annotation)
        model = row[0] if row and isinstance(row[0], type) and issubclass(row[0], BaseModel) else None
    elif len(parts) != 1:
        model = None
    return "" if model is None else f"; there are {', '.join(model.model_fields)}"


def _whole(value: Any) -> Any:
    """The integer that 3.0 is, to JSON and to OpenAPI."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _storable(text: str) -> str:
    if "\0" in text:  # PostgreSQL has no way to store it
        raise PydanticCustomError("null_character", "must not contain the character U+0000")
    return text


def _addressable(text: str) -> str:
    if text in (".", ".."):  # clients resolve these in a path: DELETE .../support/.. would reach the task itself
        raise PydanticCustomError("dots", "must not be . or ..")
    return text


def _not_blank(text: str) -> str:
    if not NOT_BLANK.search(text):
        raise PydanticCustomError("blank", "must not be blank")
    return text


def _are_columns(names: list[str]) -> list[str]:
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise PydanticCustomError("repeated", "{name} is there twice", {"name": repr(twice[:80])})
    return names


def _small_metadata(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    level: list[JsonValue] = [metadata]
    for _ in range(MAX_METADATA_DEPTH):
        level = [part for value in level for part in _parts(value)]
    if level:
        raise PydanticCustomError("too_deep", f"must not nest deeper than {MAX_METADATA_DEPTH} levels")
    if len(to_json(metadata)) > MAX_METADATA_BYTES:
        raise PydanticCustomError("too_large", f"must not be larger than {MAX_METADATA_BYTES} bytes of JSON")
    return metadata


def _parts(value: JsonValue) -> Iterator[JsonValue]:
    """What a value holds, one level down; raises for what no database could store."""
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("finite_number", "must not contain NaN or infinity")
    for text in value if isinstance(value, dict) else [value]:
        if isinstance(text, str):
            _storable(text)
    if isinstance(value, dict | list):
        yield from value.values() if isinstance(value, dict) else value


Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False, strict=True)]
WHOLE = BeforeValidator(_whole)  # outermost, or the document would not tell the bounds
Cells: TypeAlias = Annotated[  # a row of a table that is not numbers alone
    list[
        Annotated[
            Union[  # noqa: UP007 - the tags of `Annotated` are lost on an alias made with |
                Annotated[Number, Tag("<number>")],
                Annotated[str, Tag("<str>")],
                Annotated[None, Tag("<NoneType>")],
            ],
            by_type("a number, a text or null"),
        ]
    ],
    Field(fail_fast=True, max_length=MAX_CELLS),
]
Text: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": PATTERN}),
    AfterValidator(_storable),
    AfterValidator(_not_blank),
]
Columns: TypeAlias = Annotated[
    list[Text],
    Field(
        fail_fast=True,
        min_length=1,
        max_length=MAX_COLUMNS,
        description="What the cells of each row are called, in their order; once told, a task knows rows by them.",
        json_schema_extra={"uniqueItems": True},
    ),
    AfterValidator(_are_columns),
]
Id: TypeAlias = Annotated[Text, AfterValidator(_addressable)]
Cursor: TypeAlias = Annotated[
    str,
    Field(
        max_length=200,
        description="The next_cursor of an earlier page.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    ),
]
Metadata: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_small_metadata)]
Share: TypeAlias = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)]
Prior: TypeAlias = Annotated[
    Union[  # noqa: UP007 - the tags of `Annotated` are lost on an alias made with |
        Annotated[Literal["uniform", "support"], Tag("<str>")],
        Annotated[dict[Text, Share], Field(min_length=1, max_length=MAX_ROWS), Tag("<dict>")],
    ],
    by_type("uniform, support, or an object of labels and their probabilities"),
]
Target: TypeAlias = Annotated[
    Union[  # noqa: UP007
        Annotated[Number, Tag("<number>")],
        Annotated[list[Number], Field(fail_fast=True, min_length=1, max_length=MAX_OUTPUTS), Tag("<list>")],
    ],
    by_type("a number or a list of numbers"),
]
