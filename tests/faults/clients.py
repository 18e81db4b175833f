"""Clients that do to their own tasks all that may be done, and know what each must be: what they read, they wrote."""

import asyncio
import json
from collections import Counter
from random import Random
from time import monotonic
from typing import Any

import httpx

from service.client import AsyncClient
from service.errors import ExampleNotFound, TaskNotFound, Unavailable
from service.schemas import Task

MODEL = "curves"
LAST_S = 60.0


# what a service of an earlier release does not tell, and a client of this one reads
LATER: dict[str, Any] = {"prior": None, "transferred_from": [], "expected": None, "suspects": [], "columns": None}
LATER |= {"truncated_names": [], "example_ids": [], "forgotten": []}


class Counted(httpx.AsyncHTTPTransport):
    """Sends requests, and counts what came of them; answers of an earlier release are completed."""

    def __init__(self) -> None:
        super().__init__(verify=False)
        self.answers: Counter[int] = Counter()
        self.num_lost = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        try:
            response = await super().handle_async_request(request)
        except httpx.TransportError:
            self.num_lost += 1
            raise
        self.answers[response.status_code] += 1
        content = await response.aread()
        if b'"model_digest"' in content and b'"columns"' not in content:
            content = json.dumps(LATER | json.loads(content)).encode()
            headers = {**response.headers, "content-length": str(len(content))}
            return httpx.Response(response.status_code, headers=headers, content=content)
        return response


class Writer:
    """One client, which has a task at a time. Any error that it did not ask for ends it."""

    def __init__(self, url: str, sent: Counted, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.longest_s = 0.0
        self._kshot = AsyncClient(url, transport=sent, timeout_s=LAST_S)
        self._rng = Random(seed)
        self._task: Task | None = None
        self._ids: list[str] = []
        self._name = ""

    async def live(self, over: asyncio.Event) -> None:
        """Work until it is over."""
        while not over.is_set():
            began, task = monotonic(), self._task
            kind = "adapt" if task is None else self._rng.choice(KINDS)
            await getattr(self, f"_{kind}")(*([] if task is None else [task]))
            self.done[kind] += 1
            self.longest_s = max(self.longest_s, monotonic() - began)

    async def _adapt(self) -> None:
        ids = [f"e{number}" for number in range(3)]
        self._task = await self._kshot.adapt(MODEL, [[x] for x in self._numbers(3)], targets=self._numbers(3), ids=ids)
        self._ids, self._name = ids, ""

    async def _predict(self, task: Task) -> None:
        answer = await self._kshot.predict(task.id, [[0.5]])
        assert answer.version == task.version, f"{answer.version} was read, {task.version} was written"

    async def _get(self, task: Task) -> None:
        found = await self._kshot.get(task.id)
        assert (found.version, found.num_support, found.name or "") == (task.version, task.num_support, self._name)

    async def _extend(self, task: Task) -> None:
        [x, y], id_ = self._numbers(2), f"v{task.version}"
        self._task = await self._kshot.extend(task.id, [[x]], targets=[y], ids=[id_])
        assert self._task.version == task.version + 1
        self._ids.append(id_)

    async def _forget(self, task: Task) -> None:
        if len(self._ids) > 1:
            self._task = await self._forgotten(task.id, self._ids.pop())
            assert self._task.version == task.version + 1

    async def _forgotten(self, task: str, example: str) -> Task:
        try:
            return await self._kshot.forget(task, example)
        except ExampleNotFound:
            return await self._kshot.get(task)
        except Unavailable:  # as in _delete
            self.done["forget, asked again"] += 1
            return await self._forgotten(task, example)

    async def _update(self, task: Task) -> None:
        self._name = f"name {self._rng.random()}"
        await self._kshot.update(task.id, name=self._name)

    async def _delete(self, task: Task) -> None:
        while self._task is not None:
            try:
                await self._kshot.delete(task.id)
            except TaskNotFound:
                pass
            except Unavailable:  # as docs/client.md says, it is not sent again by itself
                self.done["delete, asked again"] += 1
                continue
            self._task = None
        try:
            await self._kshot.predict(task.id, [[0.5]])
        except TaskNotFound:
            return
        raise AssertionError("a deleted task predicts")

    def _numbers(self, count: int) -> list[float]:
        return [self._rng.uniform(-3, 3) for _ in range(count)]


KINDS = ("predict", "predict", "predict", "get", "extend", "extend", "forget", "update", "delete")
