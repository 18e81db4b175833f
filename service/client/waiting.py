"""Waiting for a job, and what came of it."""

from collections.abc import Callable

from service.client.inputs import Progress
from service.client.refusals import error_in
from service.client.steps import Pause, Steps
from service.errors import Conflict, JobFinished
from service.schemas import CreatedTask, Job

FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0


def until_over(job: Job, ask: Callable[[], Steps[Job]], on_progress: Progress | None = None) -> Steps[Job]:
    """The job when it is over, asked for after pauses that grow; `on_progress(done, total)` is told what moves."""
    wait_s, last = FIRST_WAIT_S, None
    while True:
        if on_progress is not None and job.progress != last:
            on_progress(job.progress.done, job.progress.total)
        if job.state not in ("queued", "running"):
            return job
        last = job.progress
        yield Pause(wait_s)
        wait_s = min(1.5 * wait_s, LONGEST_WAIT_S)
        job = yield from ask()


def result_of(job: Job) -> CreatedTask:
    """What the request would have been answered without a job. Raises what it would have been refused with."""
    if job.problem is not None:
        raise error_in(job.problem)
    if job.result is None:
        if job.state == "cancelled":
            raise Conflict("The job was cancelled.")
        raise JobFinished(f"What the job answered is gone: {job.task} was deleted, or has forgotten something since.")
    return job.result
