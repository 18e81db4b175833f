"""Calls that ask a task; as many requests as the inputs need."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate, chain
from typing import Any, cast

from pydantic_core import to_json

from service.client.calling import call
from service.client.calls import Calls
from service.client.inputs import Progress, Raw, listed, names_of, parts, to_inputs
from service.client.refusals import as_invalid_request
from service.client.requests import at
from service.client.steps import Steps
from service.errors import Conflict, FieldError, InvalidRequest
from service.model_tasks import ModelTask
from service.schemas import CreatePredictions, Input, Limits, Predictions, Task, Timing

MAX_ROUNDS = 8  # in which the answers of older versions are asked for again
ENVELOPE_BYTES = 1024  # what a body holds besides its inputs and options, and more


class PredictionCalls(Calls):
    """`/v1/tasks/{id}/predictions`, and the same of tasks that belong to a model."""

    @call
    def predict(
        self,
        task: Task | ModelTask | str,
        inputs: Iterable[Raw],
        *,
        top: int | None = None,
        coverage: float | None = None,
        columns: Iterable[object] | None = None,
        on_progress: Progress | None = None,
    ) -> Steps[Predictions]:
        """The task's answer to each input; with `top`, only the most probable labels; with `coverage`, sets of labels.

        Of a task that knows its `columns`, rows may have them in another order.

        More inputs than one request may hold go in several; all answers are of one version of the task.
        `on_progress(done, total)` is told how many inputs have been answered.
        """
        rows = yield from to_inputs(listed(inputs), self.shrink_px)
        limits = (yield from self._limits()) if len(rows) > 1 else None
        requests = _requests(rows, {"top": top, "coverage": coverage, "columns": names_of(columns)}, limits)
        answers: dict[int, Predictions] = {}
        for _ in range(MAX_ROUNDS):
            newest = max((answer.version for answer in answers.values()), default=0)
            missing = [first for first in requests if first not in answers or answers[first].version < newest]
            if not missing:
                return _joined([answers[first] for first in requests])
            for first in missing:
                with _from_position(first):
                    answers[first] = yield from self._ask_about(task, requests[first])
                if on_progress is not None:
                    on_progress(sum(len(answer.predictions) for answer in answers.values()), len(rows))
        raise Conflict("The task was changed again and again while it was asked.")

    @call
    def ask(self, task: Task | ModelTask | str, request: CreatePredictions) -> Steps[Predictions]:
        """The task's answers to a request as it goes over the wire."""
        return self._ask_about(task, request)

    def _ask_about(self, task: Task | ModelTask | str, request: CreatePredictions) -> Steps[Predictions]:
        return self._ask(Predictions, "POST", _path(task), request)


def _path(task: Task | ModelTask | str) -> str:
    """Where a task is asked; one that belongs to a model is below that, as "model/task"."""
    if isinstance(task, ModelTask):
        return at("models", task.model, "tasks", task.name, "predictions")
    if isinstance(task, str) and "/" in task:
        model, _, name = task.partition("/")
        return at("models", model, "tasks", name, "predictions")
    return at("tasks", task, "predictions")


def _requests(rows: list[Input], asked: dict[str, Any], limits: Limits | None) -> dict[int, CreatePredictions]:
    """The requests for these inputs, by the position of the first input of each."""
    options = {name: value for name, value in asked.items() if value is not None}
    envelope = ENVELOPE_BYTES + len(to_json(options))
    divided = [rows] if limits is None else parts(rows, limits.max_inputs, limits.max_body_bytes - envelope)
    found: dict[int, CreatePredictions] = {}
    first = 0
    for part in divided:
        with _from_position(first), as_invalid_request():
            found[first] = CreatePredictions.model_validate({"inputs": part, **options})
        first += len(part)
    return found


@contextmanager
def _from_position(first: int) -> Iterator[None]:
    """Errors name the position among all inputs, not within their request."""
    try:
        yield
    except InvalidRequest as error:
        if first == 0 or not error.errors:
            raise
        raise type(error).at([FieldError(_moved(each.path, first), each.message) for each in error.errors]) from None


def _moved(path: str, first: int) -> str:
    name, *rest = path.split(".")
    if name == "inputs" and rest and rest[0].isdecimal():
        return ".".join([name, str(int(rest[0]) + first), *rest[1:]])
    return path


def _joined(answers: list[Predictions]) -> Predictions:
    """Several answers of one version as one."""
    if len(answers) == 1:
        return answers[0]
    timing = Timing(
        queue_ms=sum(answer.timing.queue_ms for answer in answers),
        compute_ms=sum(answer.timing.compute_ms for answer in answers),
    )
    predictions = cast(Any, list(chain.from_iterable(answer.predictions for answer in answers)))
    *first, _ = accumulate((len(answer.predictions) for answer in answers), initial=0)
    truncated = [start + place for start, answer in zip(first, answers, strict=True) for place in answer.truncated]
    return answers[0].model_copy(update={"predictions": predictions, "timing": timing, "truncated": truncated})
