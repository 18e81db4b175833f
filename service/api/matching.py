"""If-Match: a write that only happens while the task is as its client knows it."""

import re
from typing import Annotated, Any, Final

from fastapi import Depends, Header

from service.errors import FieldError, InvalidRequest
from service.storage.matching import Match

TAG: Final = r'(W/)?"[!#-~]*"'  # which may hold a comma
OURS: Final = re.compile(r'"[1-9][0-9]{0,8}"')
MAX_TAGS: Final = 16
PATTERN: Final = rf"^(\*|{TAG}([ \t]*,[ \t]*{TAG}){{0,{MAX_TAGS - 1}}})$"

ETAG: dict[str, Any] = {"ETag": {"description": "Moves with every write to the task.", "schema": {"type": "string"}}}


def etag(revision: int) -> dict[str, str]:
    """The header that tells a client which revision it got."""
    return {"ETag": f'"{revision}"'}


async def if_match(
    header: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="The ETag of the task as the client knows it, or *.",
            examples=['"3"'],
            json_schema_extra={"pattern": PATTERN},
        ),
    ] = None,
) -> Match:
    """The revisions that the client will write to; none if it does not mind. Other servers' tags match nothing."""
    told = "*" if header is None else header.strip()
    if not re.fullmatch(PATTERN, told):
        raise InvalidRequest.at([FieldError("header.If-Match", "expected the ETag of the task, in its quotes, or *")])
    if told == "*":
        return None
    tags = [found[0] for found in re.finditer(TAG, told)]
    return frozenset(int(tag[1:-1]) for tag in tags if OURS.fullmatch(tag))


IfMatch = Annotated[Match, Depends(if_match)]
