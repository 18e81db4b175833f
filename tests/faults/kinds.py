"""Kinds of route, one request of each: what it needs of the database, and how to see that it took effect once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import httpx
import numpy as np

from tests.service.api.serving import vectors

Needs: TypeAlias = Literal["cache", "reads", "writes"]
Tasks: TypeAlias = Mapping[str, str]  # a task's path for each kind that asks one

ASYNC = {"Prefer": "respond-async"}
DIM = 64


@dataclass(frozen=True)
class Kind:
    """One request: its method and path below a task of its own, and what it needs that the database does."""

    name: str
    needs: Needs
    method: str
    path: str = ""
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    has_task: bool = True
    is_known: bool = True  # the key or the task has been seen before by this process
    ends: int = 200  # what it answers once it has taken effect, where it may be sent again
    is_over: Callable[[dict[str, Any]], bool] | None = None  # whether the task shows the effect, and shows it once

    async def ask(self, client: httpx.AsyncClient, tasks: Tasks, key: str, other: str) -> httpx.Response:
        """The answer; `key` makes it happen once, `other` is an API key that the process has not seen yet."""
        once = {"Idempotency-Key": f"{self.name} {key}".replace(" ", "-")} if self.needs == "writes" else {}
        own = {} if self.name != "a key not seen yet" else {"Authorization": f"Bearer {other}"}
        body = self.body | {"name": key} if self.path == "/v1/tasks" else self.body
        path = tasks[self.name] + self.path if self.has_task else self.path
        return await client.request(self.method, path, json=body, headers={**self.headers, **once, **own})


def vector(mean: float) -> list[float]:
    """An input of the model."""
    return [float(each) for each in np.random.default_rng(7).normal(mean, 0.1, DIM).round(3)]


SUPPORT: Final = vectors(DIM)
TASK: Final[dict[str, Any]] = {
    "model": "vectors",
    "support": [{**row, "id": str(at)} for at, row in enumerate(SUPPORT)],
}
QUERIES: Final = {"inputs": [vector(0.0), vector(1.0)]}
MORE: Final = {"support": [{"input": vector(2.0), "label": "c"}]}


def _grew(task: dict[str, Any]) -> bool:
    return (task["version"], task["num_support"]) == (2, len(SUPPORT) + 1)


def _shrank(task: dict[str, Any]) -> bool:
    return (task["version"], task["num_support"]) == (2, len(SUPPORT) - 1)


KINDS: Final = (
    Kind("predict, cached", "cache", "POST", "/predictions", QUERIES),
    Kind("predict, not cached", "reads", "POST", "/predictions", QUERIES, is_known=False),
    Kind("evaluate", "reads", "POST", "/evaluations", {"examples": SUPPORT}),
    Kind("a key not seen yet", "reads", "GET", "/v1/models", has_task=False, is_known=False),
    Kind("read a task", "reads", "GET"),
    Kind("list tasks", "reads", "GET", "/v1/tasks?limit=3", has_task=False),
    Kind("read versions", "reads", "GET", "/versions"),
    Kind("export", "reads", "GET", "/export"),
    Kind("read limits", "reads", "GET", "/v1/limits", has_task=False),
    Kind("list jobs", "reads", "GET", "/v1/jobs", has_task=False),
    Kind("adapt", "writes", "POST", "/v1/tasks", TASK, has_task=False),
    Kind("adapt as a job", "writes", "POST", "/v1/tasks", TASK, ASYNC, has_task=False),
    Kind("extend", "writes", "POST", "/support", MORE, is_over=_grew),
    Kind("extend as a job", "writes", "POST", "/support", MORE, ASYNC, is_over=_grew),
    Kind("forget", "writes", "DELETE", "/support/0", is_over=_shrank, ends=404),
    Kind("roll back", "writes", "POST", "/rollback", {"version": 1}, is_over=lambda task: task["version"] == 2),
    Kind("rename", "writes", "PATCH", "", {"name": "renamed"}, is_over=lambda task: task["name"] == "renamed"),
    Kind("delete", "writes", "DELETE", ends=404),
)
