"""The two kinds of payloads, and the words that both of them use."""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

MAX_VERSION = 2**31 - 1

# Of answers, other words than these are passed on: what a later release has stored is read by this one beside it.
Kind: TypeAlias = Literal["classification", "regression", "multilabel", "frames"]
Origin: TypeAlias = Literal["adapt", "extend", "forget", "rollback", "readapt", "import"]
Effort: TypeAlias = Literal["fast", "high"]
JobKind: TypeAlias = Literal["adapt", "extend", "readapt", "forget"]
JobState: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Modality: TypeAlias = Literal["image", "text", "vector", "table"]


class Request(BaseModel):
    """A payload from a client: unknown fields are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Response(BaseModel):
    """A payload to a client. Every field is always present, so no field has a default."""

    model_config = ConfigDict(frozen=True)


class Timing(Response):
    """Where the time of a request went."""

    queue_ms: float
    compute_ms: float
