"""A typed client of the service. It needs neither torch nor the server's packages.

with Client("http://127.0.0.1:8000") as kshot:
    task = kshot.adapt("glyphs", images, labels=labels)
    answers = kshot.predict(task, others).predictions
"""

import base64
import io
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
import numpy as np
import numpy.typing as npt
import PIL.Image
from pydantic import BaseModel, ValidationError

from service.errors import FieldError, InternalError, InvalidRequest, KshotError, Unavailable
from service.fields import field_errors
from service.schemas import (
    CreatedTask,
    CreatePredictions,
    CreateTask,
    Image,
    Input,
    Limits,
    Model,
    ModelList,
    Predictions,
    Problem,
    Task,
    TaskPage,
)

Raw: TypeAlias = str | bytes | Path | PIL.Image.Image | npt.NDArray[Any] | Sequence[float]
M = TypeVar("M", bound=BaseModel)

PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
JSON = {"Content-Type": "application/json"}
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LOST = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)  # a connection that was there


class Client:
    """One connection pool to one service. Errors are raised as the classes of `service.errors`.

    What the service refused for want of room or time (429, 503) is tried again after the pause that it asks for, and
    so is what was under way when a connection broke, while the pauses stay under `patience_s` in all. Writes carry an
    idempotency key, so that trying again cannot do them twice.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        patience_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, transport=transport)
        self._patience_s = patience_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def adapt(
        self,
        model: str,
        inputs: Iterable[Raw],
        *,
        labels: Iterable[str | int] | None = None,
        targets: Iterable[float | Sequence[float]] | None = None,
        ids: Iterable[str] | None = None,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CreatedTask:
        """A new task: `model` adapted to these inputs and their labels (classification) or targets (regression).

        An image is a path, the bytes of a file, a PIL image or a uint8 array of two axes or three; a vector is a list
        or an array of one axis; a text is a str.
        """
        rows = [to_input(raw) for raw in inputs]
        names = None if labels is None else map(str, labels)
        columns = [_column(column, len(rows)) for column in (ids, names, targets)]
        if any(len(column) != len(rows) for column in columns):
            raise ValueError(
                f"expected {len(rows)} of each, as there are inputs; got {[len(each) for each in columns]}"
            )
        support = [
            {"input": row, "id": example_id, "label": label, "target": target}
            for row, example_id, label, target in zip(rows, *columns, strict=True)
        ]
        with _as_invalid_request():
            request = CreateTask.model_validate(
                {"model": model, "name": name, "support": support, "metadata": metadata or {}}
            )
        return self.create(request)

    def create(self, request: CreateTask) -> CreatedTask:
        """A new task, from a request as it goes over the wire."""
        return self._call(CreatedTask, "POST", "/v1/tasks", request, writes=True)

    def predict(self, task: Task | str, inputs: Iterable[Raw], *, top: int | None = None) -> Predictions:
        """The task's answer to each input; with `top`, only the most probable labels."""
        with _as_invalid_request():
            request = CreatePredictions(inputs=[to_input(raw) for raw in inputs], top=top)
        return self.ask(task, request)

    def ask(self, task: Task | str, request: CreatePredictions) -> Predictions:
        """The task's answers to a request as it goes over the wire."""
        return self._call(Predictions, "POST", f"/v1/tasks/{_id(task)}/predictions", request)

    def get(self, task: Task | str) -> Task:
        """The task as it is now."""
        return self._call(Task, "GET", f"/v1/tasks/{_id(task)}")

    def delete(self, task: Task | str) -> None:
        """Delete the task with all that is stored of it."""
        self._send("DELETE", f"/v1/tasks/{_id(task)}")

    def tasks(self, *, model: str | None = None, name: str | None = None) -> Iterator[Task]:
        """Every task, newest first, fetched page by page."""
        query = {key: text for key, text in (("model", model), ("name", name)) if text is not None}
        while True:
            page = self._call(TaskPage, "GET", "/v1/tasks", query=query)
            yield from page.items
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    def models(self) -> list[Model]:
        """Every model that can be adapted."""
        return self._call(ModelList, "GET", "/v1/models").items

    def model(self, name: str) -> Model:
        """One model."""
        return self._call(Model, "GET", f"/v1/models/{quote(name, safe='')}")

    def limits(self) -> Limits:
        """What one request may hold."""
        return self._call(Limits, "GET", "/v1/limits")

    def _call(self, answer: type[M], *request: Any, **options: Any) -> M:
        return answer.model_validate_json(self._send(*request, **options).content)

    def _send(
        self,
        method: str,
        path: str,
        payload: BaseModel | None = None,
        *,
        query: Mapping[str, str] | None = None,
        writes: bool = False,
    ) -> httpx.Response:
        """One request, tried again while that may help. With `writes` it carries an idempotency key."""
        request = self._http.build_request(
            method,
            path,
            params=query,
            content=None if payload is None else payload.model_dump_json(exclude_none=True),
            headers=({} if payload is None else JSON) | ({"Idempotency-Key": uuid4().hex} if writes else {}),
        )
        patience_s, wait_s = self._patience_s, FIRST_WAIT_S
        was_sent = False
        while True:
            try:
                response = self._http.send(request)
                if response.is_success:
                    return response
                error = error_of(response)
                may_help = response.status_code in (429, 503) and error.retry_after_s is not None
            except httpx.TransportError as cause:
                error = Unavailable(f"{self._http.base_url} does not answer: {cause}")
                error.__cause__ = cause
                was_sent = was_sent or isinstance(cause, LOST)
                # a service that was never there will not come; a DELETE that may have been done cannot be asked again
                may_help = was_sent and method != "DELETE" and not isinstance(cause, httpx.TimeoutException)
            pause_s = max(error.retry_after_s or 0, wait_s) * random.uniform(1, 1.25)
            if not may_help or pause_s > patience_s:
                raise error
            time.sleep(pause_s)
            patience_s, wait_s = patience_s - pause_s, min(2 * wait_s, LONGEST_WAIT_S)


def to_input(raw: Raw) -> Input:
    """One input as it goes over the wire."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, Path):
        raw = raw.read_bytes()
    if isinstance(raw, bytes):
        return Image(image=base64.b64encode(raw).decode())
    if isinstance(raw, np.ndarray) and raw.ndim > 1:
        if raw.dtype != np.uint8:
            raise TypeError(f"an image must be an array of uint8, not of {raw.dtype}")
        raw = PIL.Image.fromarray(raw)
    if isinstance(raw, PIL.Image.Image):
        raw = raw if raw.mode in PNG_MODES else raw.convert("RGB")
        buffer = io.BytesIO()
        raw.save(buffer, "PNG")
        return to_input(buffer.getvalue())
    return [float(number) for number in raw]


def error_of(response: httpx.Response) -> KshotError:
    """The error that the service told of; its class is found by the code, else by the status."""
    retry_after_s = float(after) if (after := response.headers.get("Retry-After", "")).isdecimal() else None
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:  # not from the service: a proxy, or nothing of ours at this address
        kind = Unavailable if response.status_code in (502, 503, 504) else InternalError
        return kind(f"HTTP {response.status_code}: {response.text[:200]}", retry_after_s=retry_after_s)
    kinds = list(_tree(KshotError))
    by_status = [kind for kind in kinds if kind.status == problem.status]
    by_code = [kind for kind in kinds if kind.code == problem.code]
    errors = [FieldError(each.path, each.message) for each in problem.errors]
    found = (by_code or by_status or [InvalidRequest if problem.status < 500 else InternalError])[0]
    return found(problem.detail, errors=errors, retry_after_s=retry_after_s)


@contextmanager
def _as_invalid_request() -> Iterator[None]:
    """What is wrong with a request is told alike, whether it is found here or by the service."""
    try:
        yield
    except ValidationError as error:
        raise InvalidRequest.at(field_errors(error.errors())) from None


def _tree(kind: type[KshotError]) -> Iterator[type[KshotError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _tree(child)


def _column(values: Iterable[Any] | None, length: int) -> Sequence[Any]:
    """As many values as there are inputs, as plain Python; numbers of numpy are not JSON."""
    if values is None:
        return [None] * length
    return [value.tolist() if isinstance(value, np.generic | np.ndarray) else value for value in values]


def _id(task: Task | str) -> str:
    return quote(task if isinstance(task, str) else task.id, safe="")
