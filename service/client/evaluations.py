"""Calls that hold a task against examples whose answers are known."""

from collections.abc import Iterable

from pydantic import TypeAdapter

from service.client.calling import call
from service.client.calls import Calls
from service.client.inputs import Labels, Progress, Raw, Slots, Targets, labelled, names_of
from service.client.refusals import as_invalid_request
from service.client.requests import at
from service.client.steps import Steps
from service.figures import CreateEvaluation, Evaluation
from service.schemas import Task

EVALUATION: TypeAdapter[Evaluation] = TypeAdapter(Evaluation)


class EvaluationCalls(Calls):
    """`/v1/tasks/{id}/evaluations`."""

    @call
    def evaluate(
        self,
        task: Task | str,
        inputs: Iterable[Raw],
        *,
        labels: Labels | None = None,
        targets: Targets | None = None,
        slots: Slots | None = None,
        version: int | None = None,
        compare_with: int | None = None,
        columns: Iterable[object] | None = None,
        on_progress: Progress | None = None,
    ) -> Steps[Evaluation]:
        """How well the task answers inputs whose labels or targets are known; beside it, if asked, another version.

        A label that is None is of none of the task's labels: how well `unknown` tells it is then told too.
        """
        examples = yield from labelled(inputs, self.shrink_px, on_progress, labels=labels, targets=targets, slots=slots)
        fields = {"examples": examples, "version": version, "compare_with": compare_with, "columns": names_of(columns)}
        with as_invalid_request():
            request = CreateEvaluation.model_validate(
                {key: value for key, value in fields.items() if value is not None}
            )
        response = yield from self._send("POST", at("tasks", task, "evaluations"), request)
        return EVALUATION.validate_json(response.content)
