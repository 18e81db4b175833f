"""The two clients: all calls, and a way to take their steps."""

from types import TracebackType
from typing import Self

import httpx

from service.client.catalog import CatalogCalls
from service.client.driving import Awaiting, Blocking
from service.client.evaluations import EvaluationCalls
from service.client.files import FileCalls
from service.client.jobs import JobCalls
from service.client.photos import SHRINK_PX
from service.client.predictions import PredictionCalls
from service.client.support import SupportCalls
from service.client.tasks import TaskCalls
from service.client.versions import VersionCalls

URL = "http://127.0.0.1:8000"
TIMEOUT_S, PATIENCE_S = 120.0, 60.0


class AllCalls(
    TaskCalls, SupportCalls, VersionCalls, FileCalls, PredictionCalls, EvaluationCalls, JobCalls, CatalogCalls
):
    """Every call. Errors are raised as the classes of `service.errors`.

    What the service refused for want of room or time (409 and 503 that say when to come again, 429) is tried again
    after the pause that it asks for, and so is what was under way when a connection broke, while the pauses stay under
    `patience_s` in all. Writes carry an idempotency key, so that trying again cannot do them twice; a DELETE that may
    have been done is not tried again. Pictures whose longer side has more than `shrink_px` pixels are reduced before
    they are sent; None switches that off.
    """


class Client(Blocking, AllCalls):
    """One connection pool to one service."""

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        shrink_px: int | None = SHRINK_PX,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=url, headers=_headers(api_key), timeout=timeout_s, transport=transport)
        self.url, self.patience_s, self.shrink_px = url, patience_s, shrink_px

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()


class AsyncClient(Awaiting, AllCalls):
    """One connection pool to one service, for one event loop; calls are awaited."""

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        shrink_px: int | None = SHRINK_PX,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=_headers(api_key), timeout=timeout_s, transport=transport)
        self.url, self.patience_s, self.shrink_px = url, patience_s, shrink_px

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()


def _headers(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
