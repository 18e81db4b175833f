"""Calls about the support of a task: what it was taught; teach it more, or make it forget."""

from collections.abc import Iterable, Mapping

from service.client.bodies import more_support
from service.client.calling import Turn, call, pages
from service.client.calls import Calls
from service.client.inputs import Labels, Progress, Raw, Slots, Targets, labelled
from service.client.requests import at
from service.client.steps import Steps
from service.schemas import CreatedTask, SupportExample, SupportPage, Task


class SupportCalls(Calls):
    """`/v1/tasks/{id}/support`."""

    @call
    def extend(
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
    ) -> Steps[CreatedTask]:
        """Teach a task more examples, of new labels too, or names of labels: its next version, the ids of examples.

        Of a task that knows its `columns`, rows may have them in another order.
        """
        examples = labelled(inputs, self.shrink_px, on_progress, labels=labels, targets=targets, slots=slots, ids=ids)
        request = yield from more_support(examples, label_names, columns)
        path = at("tasks", task, "support")
        return (yield from self._write(CreatedTask, path, request, key=idempotency_key, if_match=if_match))

    @pages
    def support(self, task: Task | str, *, version: int | None = None) -> Turn[SupportExample]:
        """The examples of the current version or another, in the order in which they came, page by page."""
        path, query = at("tasks", task, "support"), {"version": version}
        return lambda cursor: self._ask(SupportPage, "GET", path, query=query | {"cursor": cursor})

    @call
    def forget(self, task: Task | str, example_id: str, *, if_match: int | None = None) -> Steps[CreatedTask]:
        """Erase an example, and the params of every version that used it; the task goes on with the others."""
        response = yield from self._send("DELETE", at("tasks", task, "support", example_id), if_match=if_match)
        return (yield from self._waited(CreatedTask, response))
