"""Stored jobs -> what goes over the wire."""

from pydantic import ValidationError

from service.once import completed
from service.schemas import CreatedTask, Job, Problem, Progress
from service.storage.jobs import JobRecord
from service.storage.requests import StoredAnswer

RETRY_AFTER_S = 1  # when to look again at a job that is not over


def job_of(record: JobRecord) -> Job:
    """A job as it is now."""
    return Job(
        id=record.id,
        kind=record.kind,
        state=record.state,
        task=record.task_id,
        progress=Progress(done=record.num_done, total=record.num_total),
        result=None if record.answer is None else _result(record.answer),
        problem=None if record.problem is None else Problem(**record.problem),
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
    )


def _result(answer: bytes) -> CreatedTask | None:
    try:
        return CreatedTask.model_validate_json(completed(answer))
    except ValidationError:  # a service of another version answered it otherwise; the task itself is there to be read
        return None


def accepted(record: JobRecord, *, was_preferred: bool) -> StoredAnswer:
    """What is answered to a request that became a job; the Location is below the service's root."""
    headers = {"Content-Type": "application/json", "Location": f"/v1/jobs/{record.id}"}
    headers["Retry-After"] = str(RETRY_AFTER_S)
    if was_preferred:
        headers["Preference-Applied"] = "respond-async"
    return StoredAnswer(202, headers, job_of(record).model_dump_json().encode())
