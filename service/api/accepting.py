"""Prefer: respond-async (RFC 7240): the answer is a job, and the work is done later."""

from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response

from service.api.replays import HEADERS
from service.schemas import Job
from service.storage.requests import StoredAnswer

PreferHeader = Annotated[
    str | None,
    Header(alias="Prefer", description="`respond-async`: answer 202 with a job at once, and do the work later."),
]

ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "model": Job,
        "description": "Accepted as a job, because it was preferred or because there is much to do",
        "headers": {
            "Location": {"description": "Path of the job.", "schema": {"type": "string"}},
            "Retry-After": {"description": "Seconds until a look at it is worth while.", "schema": {"type": "integer"}},
            "Preference-Applied": {"description": "`respond-async` if preferred.", "schema": {"type": "string"}},
            **HEADERS,
        },
    }
}


async def prefers_async(request: Request, prefer: PreferHeader = None) -> bool:
    """Whether the client would rather have a job than wait. Other preferences are ignored, as they may be."""
    lines = request.headers.getlist("Prefer")  # which `prefer` only documents: it is one of them
    names = (each.partition(";")[0].partition("=")[0] for line in lines for each in line.split(","))
    return any(name.strip().lower() == "respond-async" for name in names)


def accepted(request: Request, answer: StoredAnswer) -> Response:
    """The answer to a request that became a job."""
    headers = dict(answer.headers)
    headers["Location"] = request.scope.get("root_path", "") + headers["Location"]
    return Response(answer.body, answer.status, headers)


RespondAsync = Annotated[bool, Depends(prefers_async)]
