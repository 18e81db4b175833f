"""Everything that can go wrong, as the client sees it: one class is one sentence, one code, one status.

KshotError
├── InvalidBody              400
│   ├── InvalidJson               the body is not JSON
│   └── InvalidForm               the body is not multipart form data
├── Unauthenticated          401  no API key, or one that is not valid
├── Forbidden                403  the key does not have the scope
├── QuotaExceeded            403  the tenant may not store more
├── NotFound                 404
│   ├── TaskNotFound
│   ├── ModelNotFound
│   ├── ModelTaskNotFound         the model has no task of this name
│   ├── ExampleNotFound
│   ├── VersionNotFound
│   └── JobNotFound
├── MethodNotAllowed         405
├── BodyTimeout              408  the body was too long in coming
├── Conflict                 409
│   ├── ModelUnavailable          the task's model digest is not loaded here
│   ├── TaskDamaged               what is stored of the task is not what was stored
│   ├── CannotReadapt             the task's inputs do not fit the other model digest
│   ├── ExampleExists             the task has an example of this id
│   ├── TooFewLabels              forgetting this would leave nothing to learn from
│   └── JobFinished               it is too late to cancel
├── VersionErased            410  its params were computed from what has been forgotten
├── PreconditionFailed       412  the task is no longer at the revision in If-Match
├── BodyTooLarge             413
├── UnsupportedMediaType     415
├── InvalidRequest           422  with the path of each bad field
│   ├── LimitExceeded             more ways, examples, inputs or pixels than the limits
│   └── IdempotencyKeyReused      the key came with another request before
├── Overloaded               429  with Retry-After
│   ├── RateLimited               the tenant sends more requests a second than it may
│   └── TooManyInFlight           it has as many under way as it may
├── InternalError            500  a fault of the service; the log knows more
│   └── JobAbandoned              several processes were lost while they did it
└── Unavailable              503  with Retry-After
    ├── BadGateway           502  with Retry-After where the request may be repeated
    ├── NotReady
    │   └── DeploymentUnfinished  the release before may still be at work, and would not understand this
    ├── DatabaseUnavailable
    ├── DeadlineExceeded
    └── ComputationFailed         the device failed on this request, or made numbers that are not finite
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

MAX_LISTED = 20  # bad fields named in one answer


@dataclass(frozen=True)
class FieldError:
    """One bad field: where it is ("support.3.input"), what is wrong with it and what was expected."""

    path: str
    message: str


class KshotError(Exception):
    """The root of the tree."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, errors: Sequence[FieldError] = (), retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


class InvalidBody(KshotError):
    """The body cannot be read at all."""

    status, code, title = 400, "invalid_body", "The body cannot be read"


class InvalidJson(InvalidBody):
    """The body is not JSON."""

    code, title = "invalid_json", "The body is not valid JSON"


class InvalidForm(InvalidBody):
    """The body is not multipart form data, or was cut short."""

    code, title = "invalid_form", "The body is not valid form data"


class Unauthenticated(KshotError):
    """No API key was sent, or one that is unknown, expired or revoked."""

    status, code, title = 401, "unauthenticated", "A valid API key is needed"


class Forbidden(KshotError):
    """The key is valid, but does not have the scope that this needs."""

    status, code, title = 403, "forbidden", "The API key does not allow this"


class QuotaExceeded(KshotError):
    """The tenant would have more stored than it may. Coming again does not help: something has to be deleted."""

    status, code, title = 403, "quota_exceeded", "A quota of the tenant is used up"


class NotFound(KshotError):
    """There is nothing at this path."""

    status, code, title = 404, "not_found", "Not found"


class TaskNotFound(NotFound):
    """No such task for this tenant."""

    code, title = "task_not_found", "No such task"


class ModelNotFound(NotFound):
    """No such model in the catalog."""

    code, title = "model_not_found", "No such model"


class ModelTaskNotFound(NotFound):
    """No such task among those that belong to this model."""

    code, title = "model_task_not_found", "The model has no such task"


class ExampleNotFound(NotFound):
    """No such example in this task."""

    code, title = "example_not_found", "No such example"


class VersionNotFound(NotFound):
    """The task never had this version, or keeps it no longer."""

    code, title = "version_not_found", "No such version"


class JobNotFound(NotFound):
    """No such job for this tenant, or it was over long ago."""

    code, title = "job_not_found", "No such job"


class MethodNotAllowed(KshotError):
    """The path exists, the method does not."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class BodyTimeout(KshotError):
    """The body did not arrive in the time that it may take; the connection is closed."""

    status, code, title = 408, "body_timeout", "The body took too long to arrive"


class Conflict(KshotError):
    """The request does not fit the present state."""

    status, code, title = 409, "conflict", "Conflict with the present state"


class ModelUnavailable(Conflict):
    """The task is pinned to a model digest that is not loaded here."""

    code, title = "model_unavailable", "The task's model is not loaded"


class TaskDamaged(Conflict):
    """What is stored of the task is not what was stored: its digest or its shape is another."""

    code, title = "task_damaged", "What is stored of the task is damaged"


class CannotReadapt(Conflict):
    """What is stored of the task does not fit the model digest that it should move to."""

    code, title = "cannot_readapt", "The task does not fit the other model digest"


class ExampleExists(Conflict):
    """The task has an example of this id."""

    code, title = "example_exists", "The example exists already"

    @classmethod
    def at(cls, errors: Sequence[FieldError]) -> Self:
        """The error for the ids at these places."""
        return cls(f"{errors[0].path}: {errors[0].message}", errors=errors[:MAX_LISTED])


class TooFewLabels(Conflict):
    """Forgetting this would leave fewer than two labels, or no example at all."""

    code, title = "too_few_labels", "Too few labels would be left"


class JobFinished(Conflict):
    """The job has succeeded or failed, so that it cannot be cancelled."""

    code, title = "job_finished", "The job is over"


class VersionErased(KshotError):
    """The version's params were computed from an example that has been forgotten, and went with it."""

    status, code, title = 410, "version_erased", "The version was erased"


class PreconditionFailed(KshotError):
    """The task is no longer at the revision that the client knows."""

    status, code, title = 412, "precondition_failed", "The task was changed meanwhile"


class BodyTooLarge(KshotError):
    """More bytes than one request may carry."""

    status, code, title = 413, "body_too_large", "The body is too large"


class UnsupportedMediaType(KshotError):
    """The body is of a kind that this path does not take."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class InvalidRequest(KshotError):
    """The payload was understood and is wrong; `errors` says where."""

    status, code, title = 422, "invalid_request", "The request is invalid"

    @classmethod
    def at(cls, errors: Sequence[FieldError]) -> Self:
        """The error for these bad fields, in one sentence; the first `MAX_LISTED` of them are listed."""
        first = f"{errors[0].path}: {errors[0].message}" if errors[0].path else errors[0].message
        least = "at least " if len(errors) >= MAX_LISTED else ""  # who finds so many looks for no more
        more = f" (and {least}{min(len(errors), MAX_LISTED) - 1} more)" if len(errors) > 1 else ""
        return cls(first + more, errors=errors[:MAX_LISTED])


class LimitExceeded(InvalidRequest):
    """More ways, examples, inputs or pixels than the limits allow."""

    code, title = "limit_exceeded", "A limit was exceeded"


class IdempotencyKeyReused(InvalidRequest):
    """The idempotency key came with another request before."""

    code, title = "idempotency_key_reused", "The idempotency key was used for another request"


class Overloaded(KshotError):
    """More work is waiting than may wait."""

    status, code, title = 429, "overloaded", "Too much work is waiting"


class RateLimited(Overloaded):
    """The tenant sends more requests a second than it may."""

    code, title = "rate_limited", "Too many requests a second"


class TooManyInFlight(Overloaded):
    """The tenant has as many requests under way as it may."""

    code, title = "too_many_in_flight", "Too many requests at once"


class InternalError(KshotError):
    """A fault of the service itself; what happened is in its log, under the request id."""

    status, code, title = 500, "internal_error", "The service made a mistake"


class JobAbandoned(InternalError):
    """Process after process was lost while it did this job, perhaps over the job itself."""

    code, title = "job_abandoned", "The job was given up"


class Unavailable(KshotError):
    """The service cannot answer now."""

    status, code, title = 503, "unavailable", "The service is unavailable"


class BadGateway(Unavailable):
    """Who was asked by a proxy was lost before it answered: what was asked may have been done."""

    status, code, title = 502, "bad_gateway", "The replica was lost"


class NotReady(Unavailable):
    """Nothing was done: starting, stopping, or not there at all."""

    code, title = "not_ready", "The service is not ready"


class DeploymentUnfinished(NotReady):
    """Processes of the release before may still be at work, which would not understand what was asked."""

    code, title = "deployment_unfinished", "A new release is still being rolled out"


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code, title = "database_unavailable", "The database is unavailable"


class DeadlineExceeded(Unavailable):
    """The request waited longer than it may."""

    code, title = "deadline_exceeded", "The request took too long"


class ComputationFailed(Unavailable):
    """The device failed on this request, or made numbers that are not finite."""

    code, title = "computation_failed", "The computation failed"
