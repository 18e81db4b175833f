"""What is known of a request by its head alone: whether it may be asked again though it may have been done."""

from typing import Final

from starlette.types import Scope

COMPUTED: Final = ("/predictions", "/evaluations")  # POST to these stores nothing
SAFE: Final = ("GET", "HEAD")


def may_be_repeated(scope: Scope) -> bool:
    """Whether nothing is done twice by it: it reads, only computes, or says what it is a repetition of."""
    is_computed = scope["method"] == "POST" and scope["path"].endswith(COMPUTED)
    return scope["method"] in SAFE or is_computed or any(name == b"idempotency-key" for name, _ in scope["headers"])
