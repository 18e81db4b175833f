"""What is known of a request by its head alone: where it goes, and whether it may be sent again."""

from typing import Final

from starlette.types import Scope

COMPUTED: Final = ("/predictions", "/evaluations")  # POST to these stores nothing
SAFE: Final = ("GET", "HEAD")


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, if there is one."""
    for each, value in scope["headers"]:
        if each == name:
            return str(value, "latin-1")
    return None


def route_path(scope: Scope) -> str:
    """The path that routes are matched with: without the prefix of a proxy, if it has that."""
    path: str = scope["path"]
    rest = path.removeprefix(scope.get("root_path", ""))
    return rest if rest[:1] in ("", "/") else path


def may_be_repeated(scope: Scope) -> bool:
    """Whether nothing is done twice by it: it reads, only computes, or says what it is a repetition of."""
    is_computed = scope["method"] == "POST" and scope["path"].endswith(COMPUTED)
    return scope["method"] in SAFE or is_computed or any(name == b"idempotency-key" for name, _ in scope["headers"])
