"""What is told of work that is done later."""

from datetime import datetime

from service.schemas.problems import Problem
from service.schemas.tasks import CreatedTask
from service.schemas.wire import JobKind, JobState, Response


class Progress(Response):
    """How many examples have been decoded, of how many; to readapt needs no decoding, and all count at its end."""

    done: int
    total: int


class Job(Response):
    """Work that was accepted. `task` is the task that it makes or changes, from the start.

    `result` is what the request would have been answered without a job; it goes when the task goes, or forgets. Pages
    of jobs come without.
    """

    id: str
    kind: JobKind | str
    state: JobState
    task: str
    progress: Progress
    result: CreatedTask | None
    problem: Problem | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(Response):
    """One page of jobs, newest first; `next_cursor` is null on the last."""

    items: list[Job]
    next_cursor: str | None
