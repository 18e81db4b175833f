"""Calls about jobs: ask for one, look at it, wait for it, cancel it."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from service.client.bodies import more_support, new_task, to_digest
from service.client.calling import Turn, call, pages
from service.client.calls import Calls
from service.client.inputs import Labels, Progress, Raw, Slots, Targets, labelled
from service.client.requests import at
from service.client.steps import Pause, Steps
from service.client.waiting import until_over
from service.fields import Prior
from service.schemas import Effort, Job, JobPage, JobState, Task


class JobCalls(Calls):
    """`/v1/jobs`, and what becomes a job. The calls that answer at once wait by themselves where there is a job."""

    @call
    def adapt_later(
        self,
        model: str,
        inputs: Iterable[Raw] = (),
        *,
        labels: Labels | None = None,
        label_names: Mapping[str, str] | None = None,
        targets: Targets | None = None,
        slots: Slots | None = None,
        ids: Iterable[str] | None = None,
        effort: Effort | None = None,
        transfer: bool = False,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        prior: Prior | None = None,
        columns: Iterable[object] | None = None,
        idempotency_key: str | None = None,
        on_progress: Progress | None = None,
    ) -> Steps[Job]:
        """As `adapt`, but accepted and done later; `on_progress` is told how many inputs are ready to be sent."""
        examples = labelled(inputs, self.shrink_px, on_progress, labels=labels, targets=targets, slots=slots, ids=ids)
        request = yield from new_task(
            model,
            examples,
            effort=effort,
            transfer=transfer,
            label_names=label_names,
            name=name,
            metadata=metadata,
            prior=prior,
            columns=columns,
        )
        return (yield from self._later(at("tasks"), request, key=idempotency_key))

    @call
    def extend_later(
        self,
        task: Task | str,
        inputs: Iterable[Raw] = (),
        *,
        labels: Labels | None = None,
        label_names: Mapping[str, str] | None = None,
        targets: Targets | None = None,
        slots: Slots | None = None,
        ids: Iterable[str] | None = None,
        columns: Iterable[object] | None = None,
        if_match: int | None = None,
        idempotency_key: str | None = None,
        on_progress: Progress | None = None,
    ) -> Steps[Job]:
        """As `extend`, but accepted and done later."""
        examples = labelled(inputs, self.shrink_px, on_progress, labels=labels, targets=targets, slots=slots, ids=ids)
        request = yield from more_support(examples, label_names, columns)
        return (yield from self._later(at("tasks", task, "support"), request, key=idempotency_key, if_match=if_match))

    @call
    def readapt_later(
        self,
        task: Task | str,
        model_digest: str | None = None,
        *,
        if_match: int | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[Job]:
        """As `readapt`, but accepted and done later."""
        request = to_digest(model_digest)
        return self._later(at("tasks", task, "readapt"), request, key=idempotency_key, if_match=if_match)

    @call
    def job(self, job: Job | str) -> Steps[Job]:
        """The job as it is now."""
        return self._ask(Job, "GET", at("jobs", _id(job)))

    @pages
    def jobs(self, *, state: JobState | None = None) -> Turn[Job]:
        """Every job, newest first, fetched page by page."""
        return lambda cursor: self._ask(JobPage, "GET", at("jobs"), query={"state": state, "cursor": cursor})

    @call
    def wait(self, job: Job | str, *, on_progress: Progress | None = None) -> Steps[Job]:
        """The job when it is over; `on_progress(done, total)` is told how many of its examples have been decoded."""
        ask = partial(self._ask, Job, "GET", at("jobs", _id(job)))
        return (yield from until_over((yield from ask()), ask, on_progress))

    @pages
    def watch(self, job: Job | str) -> Turn[Job]:
        """The job now and after each change, until it is over."""
        return partial(self._next_change, at("jobs", _id(job), "events"))

    @call
    def cancel(self, job: Job | str) -> Steps[Job]:
        """End a job without effect. Raises JobFinished if it has had one, or has failed."""
        return self._ask(Job, "DELETE", at("jobs", _id(job)))

    def _next_change(self, path: str, last: str | None) -> Steps[JobPage]:
        """The first event of the stream that is not the last one seen; a page leads on by it, until the job is over."""
        response = yield from self._send("GET", path, wanted=lambda line: line.startswith("data:") and line != last)
        if not response.text:  # the process stops; another will know
            yield Pause(1.0)
            return JobPage(items=[], next_cursor=last or "")
        job = Job.model_validate_json(response.text.removeprefix("data:"))
        return JobPage(items=[job], next_cursor=response.text if job.state in ("queued", "running") else None)


def _id(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id
