"""Calls about tasks: adapt a model to examples; list, read, change and delete what was adapted."""

from collections.abc import Iterable, Mapping
from types import EllipsisType
from typing import Any

from service.client.bodies import new_task
from service.client.calling import Turn, call, pages
from service.client.calls import Calls
from service.client.inputs import Labels, Progress, Raw, Slots, Targets, labelled
from service.client.refusals import as_invalid_request
from service.client.requests import at
from service.client.steps import Steps
from service.fields import Prior
from service.schemas import CreatedTask, CreateTask, Effort, Task, TaskPage, UpdateTask


class TaskCalls(Calls):
    """`/v1/tasks`."""

    @call
    def adapt(
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
    ) -> Steps[CreatedTask]:
        """A new task: `model` adapted to these inputs and their labels (classification) or targets (regression).

        An image is a path, the bytes of a file, a PIL image or a uint8 array of two axes or three; a vector is a list
        or an array of one axis; a text is a str. Where each label is a list, of any number of labels, the task is
        multilabel. `label_names` says what labels mean, to models that take it; a label with a name needs no example.
        `columns` names the cells of rows, which later ones may then have in another order.
        `prior` says how often each label is to be expected. With `transfer` the task also learns from earlier tasks of
        the model where that is of use. High `effort` takes seconds to minutes, and a companion of the model.
        """
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
        return (yield from self._write(CreatedTask, at("tasks"), request, key=idempotency_key))

    @call
    def create(self, request: CreateTask, *, idempotency_key: str | None = None) -> Steps[CreatedTask]:
        """A new task, from a request as it goes over the wire."""
        return self._write(CreatedTask, at("tasks"), request, key=idempotency_key)

    @call
    def get(self, task: Task | str) -> Steps[Task]:
        """The task as it is now."""
        return self._ask(Task, "GET", at("tasks", task))

    @pages
    def tasks(self, *, model: str | None = None, name: str | None = None) -> Turn[Task]:
        """Every task, newest first, fetched page by page."""
        query = {"model": model, "name": name}
        return lambda cursor: self._ask(TaskPage, "GET", at("tasks"), query=query | {"cursor": cursor})

    @call
    def update(
        self,
        task: Task | str,
        *,
        name: str | EllipsisType | None = ...,
        metadata: Mapping[str, Any] | EllipsisType = ...,
        prior: Prior | EllipsisType | None = ...,
        if_match: int | None = None,
    ) -> Steps[Task]:
        """Change the name, or the prior (None takes them away), or the metadata; what is left out stays."""
        fields = {"name": name, "metadata": metadata, "prior": prior}
        with as_invalid_request():
            request = UpdateTask.model_validate({key: value for key, value in fields.items() if value is not ...})
        return self._ask(Task, "PATCH", at("tasks", task), request, if_match=if_match)

    @call
    def delete(self, task: Task | str, *, if_match: int | None = None) -> Steps[None]:
        """Delete the task with all that is stored of it."""
        yield from self._send("DELETE", at("tasks", task), if_match=if_match)
