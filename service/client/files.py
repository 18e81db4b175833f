"""Calls about tasks as files: the weights of a version, and whole tasks on their way to another service."""

from pathlib import Path

from service.client.calling import call
from service.client.calls import Calls
from service.client.requests import at, key_header
from service.client.steps import Steps, Work
from service.schemas import CreatedTask, Task

SAFETENSORS = {"Content-Type": "application/vnd.safetensors"}


class FileCalls(Calls):
    """`/v1/tasks/{id}/weights`, `/v1/tasks/{id}/export` and `/v1/tasks/import`."""

    @call
    def weights(self, task: Task | str, version: int | None = None) -> Steps[bytes]:
        """The params of a version, the current one by default, as a safetensors file with their provenance."""
        return (yield from self._send("GET", at("tasks", task, "weights"), query={"version": version})).content

    @call
    def export(self, task: Task | str) -> Steps[bytes]:
        """The whole task as of its current version, with its support, as a file to import."""
        return (yield from self._send("GET", at("tasks", task, "export"))).content

    @call
    def import_task(
        self, file: bytes | Path, *, readapt: bool = False, idempotency_key: str | None = None
    ) -> Steps[CreatedTask]:
        """A new task from an exported one; with `readapt`, adapted anew if its model digest is not loaded."""
        data = (yield Work(file.read_bytes)) if isinstance(file, Path) else file
        query = {"readapt": "true" if readapt else None}
        headers = SAFETENSORS | key_header(idempotency_key)
        return (yield from self._ask(CreatedTask, "POST", at("tasks", "import"), data, query=query, headers=headers))
