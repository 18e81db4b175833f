"""If-Match: a write that only happens while the task is as its client knows it."""

import re
from typing import Annotated, Any, Final

from fastapi import Depends, Header

from service.errors import FieldError, InvalidRequest
from service.storage.matching import Match

TAG: Final = re.compile(r'(W/)?"[!#-~]*"')
OURS: Final = re.compile(r'"[1-9][0-9]{0,8}"')
MAX_TAGS: Final = 16

ETAG: dict[str, Any] = {"ETag": {"description": "Moves with every write to the task.", "schema": {"type": "string"}}}


def etag(revision: int) -> dict[str, str]:
    """The header that tells a client which revision it got."""
    return {"ETag": f'"{revision}"'}


def if_match(
    header: Annotated[
        str | None, Header(alias="If-Match", description="The ETag of the task as the client knows it, or *.")
    ] = None,
) -> Match:
    """The revisions that the client will write to; none if it does not mind. Other servers' tags match nothing."""
    if header is None or header.strip() == "*":
        return None
    tags = [tag.strip() for tag in header.split(",")]
    if len(tags) > MAX_TAGS or not all(TAG.fullmatch(tag) for tag in tags):
        raise InvalidRequest.at([FieldError("header.If-Match", "expected the ETag of the task, in its quotes, or *")])
    return frozenset(int(tag[1:-1]) for tag in tags if OURS.fullmatch(tag))


IfMatch = Annotated[Match, Depends(if_match)]
