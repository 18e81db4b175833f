"""What a task is taught: inputs of all kinds, their labels, targets and slots."""

from base64 import b64encode
from typing import Annotated, Literal, TypeAlias, Union

from pydantic import Field, PlainSerializer, Tag
from pydantic.json_schema import SkipJsonSchema

from service.fields import MAX_ROWS, WHOLE, Cells, Id, Number, Target, Text, an_object, by_type
from service.schemas.wire import Request

MAX_LABELS = 1_024  # of one example
MAX_SLOTS = 100  # of one example
MAX_PLACE = 2**31 - 1  # in a text


class Image(Request):
    """A PNG, JPEG or WebP file in base64."""

    image: str


File: TypeAlias = Annotated[  # an image as it is: from a form, never from JSON, but written as an `Image`
    bytes,
    PlainSerializer(lambda data: {"image": b64encode(data).decode()}, when_used="json"),
]
Input: TypeAlias = Annotated[
    Union[  # noqa: UP007 - the tags of `Annotated` are lost on an alias made with |
        Annotated[str, Tag("<str>")],
        Annotated[Image, Tag("<dict>")],
        Annotated[SkipJsonSchema[File], Tag("<bytes>")],
        Annotated[list[Number], Field(fail_fast=True), Tag("<list>")],
        Annotated[Cells, Tag("<cells>")],
    ],
    by_type(
        "a base64 image object, a text, a list of numbers, be it one, or a row of numbers, texts and nulls",
        has_cells=True,
    ),
]


Label: TypeAlias = Annotated[
    Union[  # noqa: UP007
        Annotated[Text, Tag("<str>")],
        Annotated[list[Text], Field(fail_fast=True, max_length=MAX_LABELS), Tag("<list>")],
    ],
    by_type("a label, which is a string, or a list of labels"),
]
LabelNames: TypeAlias = Annotated[dict[Text, Text], Field(max_length=MAX_ROWS), an_object("labels and what they mean")]


class Slot(Request):
    """A slot of a text: its name, its first character and the one behind its last, counted in Unicode code points."""

    name: Text
    start: Annotated[int, Field(ge=0, le=MAX_PLACE, strict=True), WHOLE]
    end: Annotated[int, Field(ge=0, le=MAX_PLACE, strict=True), WHOLE]


class Example(Request):
    """One labelled row of a support set: `label` for classification, `target` for regression.

    Where each label is a list, of any number of labels or none, the task is of the kind multilabel. Of frames, `label`
    is the intent of the text and `slots` are parts of it that mean something; a text may have none.
    """

    id: Id | None = None
    input: Input
    label: Label | None = None
    target: Target | None = None
    slots: Annotated[list[Slot], Field(max_length=MAX_SLOTS)] | None = None

    @property
    def role(self) -> Literal["example"]:
        """What it is in the support, beside the names of labels."""
        return "example"
