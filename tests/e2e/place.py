"""A service through the lives of many processes on one database, and what is answered while it is killed."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from service.client import Client
from service.errors import KshotError, Unavailable
from tests.e2e.server import serving

T = TypeVar("T")


class Place:
    """`kshot` talks to the process that is running; a restart makes another."""

    kshot: Client

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder, self._env, self._life = folder, env, ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._life.close()

    def start(self) -> None:
        """Begin a life; the one before is over."""
        self._life.close()
        self._server = self._life.enter_context(serving(self._folder, env=self._env))
        self.kshot = self._life.enter_context(Client(self._server.url))

    def killed(self, ask: Callable[[Client], T], after_s: float) -> T | None:
        """What was answered, if anything, before the service was killed after so long. It is running again."""
        with self._client(patience_s=0) as kshot, ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask, kshot)
            time.sleep(after_s)
            self._server.stop(signal.SIGKILL)
        self.start()
        return None if isinstance(answer.exception(), KshotError) else answer.result()

    def at_once(
        self, asks: Sequence[Callable[[Client], T]], num_clients: int, kill_after: int | None = None
    ) -> list[T | None]:
        """What was answered to each, if anything, when several clients ask their share of them.

        With `kill_after`, the service is killed when so many have been answered; then it is running again.
        """
        answers: list[T | None] = [None] * len(asks)

        def client(first: int) -> None:
            with self._client(patience_s=60 if kill_after is None else 0) as kshot:
                for number in range(first, len(asks), num_clients):
                    answers[number] = asks[number](kshot)

        with ThreadPoolExecutor(num_clients) as pool:
            clients = [pool.submit(client, first) for first in range(num_clients)]
            if kill_after is not None:
                self._kill_when(lambda: sum(answer is not None for answer in answers) >= kill_after, clients)
        for each in clients:
            if kill_after is None or not isinstance(each.exception(), Unavailable):
                each.result()
        return answers

    def _kill_when(self, is_time: Callable[[], bool], clients: Sequence[Future[None]]) -> None:
        while not is_time() and not all(each.done() for each in clients):
            time.sleep(0.001)
        self._server.stop(signal.SIGKILL)
        self.start()

    def _client(self, patience_s: float) -> Client:
        return Client(self._server.url, patience_s=patience_s)
