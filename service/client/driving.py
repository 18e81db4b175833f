"""The two ways to take the steps of a call: blocking, and on an event loop. All else in this package is neither."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, closing
from functools import partial
from typing import Any, TypeVar

import httpx

from service.client.steps import Pause, Request, Step, Steps

T = TypeVar("T")


class Blocking:
    """Takes steps with an `httpx.Client`."""

    _http: httpx.Client

    def run(self, steps: Steps[T]) -> T:
        """Take every step; the answer of the call."""
        advance: Callable[[], Step] = partial(next, steps)
        while True:
            try:
                step = advance()
            except StopIteration as end:
                answer: T = end.value
                return answer
            try:
                advance = partial(steps.send, self._take(step))
            except Exception as error:
                advance = partial(steps.throw, error)

    def _take(self, step: Step) -> Any:
        if isinstance(step, Request):
            return self._answer(step)
        return time.sleep(step.duration_s) if isinstance(step, Pause) else step.do()

    def _answer(self, request: Request) -> httpx.Response:
        response = self._http.send(built(self._http, request), stream=True)
        with closing(response):
            if request.wanted is not None and response.is_success:
                line = next(filter(request.wanted, response.iter_lines()), "")
                return httpx.Response(response.status_code, text=line)
            response.read()
        return response


class Awaiting:
    """Takes steps with an `httpx.AsyncClient`, and what computes in a thread."""

    _http: httpx.AsyncClient

    async def run(self, steps: Steps[T]) -> T:
        """Take every step; the answer of the call."""
        advance: Callable[[], Step] = partial(next, steps)
        while True:
            try:
                step = advance()
            except StopIteration as end:
                answer: T = end.value
                return answer
            try:
                advance = partial(steps.send, await self._take(step))
            except Exception as error:
                advance = partial(steps.throw, error)

    async def _take(self, step: Step) -> Any:
        if isinstance(step, Request):
            return await self._answer(step)
        return await (asyncio.sleep(step.duration_s) if isinstance(step, Pause) else asyncio.to_thread(step.do))

    async def _answer(self, request: Request) -> httpx.Response:
        response = await self._http.send(built(self._http, request), stream=True)
        async with aclosing(response):
            if request.wanted is not None and response.is_success:
                line = await anext((line async for line in response.aiter_lines() if request.wanted(line)), "")
                return httpx.Response(response.status_code, text=line)
            await response.aread()
        return response


def built(http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    """The request as httpx has it."""
    return http.build_request(
        request.method, request.path, params=request.query, headers=request.headers, content=request.body
    )
