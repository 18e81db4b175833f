"""Calls about the versions of a task."""

from service.client.bodies import to_digest
from service.client.calling import call
from service.client.calls import Calls
from service.client.refusals import as_invalid_request
from service.client.requests import at
from service.client.steps import Steps
from service.schemas import CreatedTask, Rollback, Task, TaskVersion, VersionList


class VersionCalls(Calls):
    """`/v1/tasks/{id}/versions`, `/rollback` and `/readapt`."""

    @call
    def versions(self, task: Task | str) -> Steps[list[TaskVersion]]:
        """The versions of a task that are kept, newest first."""
        return (yield from self._ask(VersionList, "GET", at("tasks", task, "versions"))).items

    @call
    def rollback(
        self, task: Task | str, version: int, *, if_match: int | None = None, idempotency_key: str | None = None
    ) -> Steps[Task]:
        """Make the next version from an earlier one: its params, bit for bit, and its support."""
        with as_invalid_request():
            request = Rollback(version=version)
        return self._write(Task, at("tasks", task, "rollback"), request, key=idempotency_key, if_match=if_match)

    @call
    def readapt(
        self,
        task: Task | str,
        model_digest: str | None = None,
        *,
        if_match: int | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[CreatedTask]:
        """Adapt the task anew to the newest digest of its model, or to the one that begins with these letters."""
        request = to_digest(model_digest)
        return self._write(CreatedTask, at("tasks", task, "readapt"), request, key=idempotency_key, if_match=if_match)
