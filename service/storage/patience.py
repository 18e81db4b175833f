"""A connection to PostgreSQL that hangs up where nothing comes back: the time limits of the server are no use then."""

import asyncio
from typing import Any, cast

from psycopg import AsyncConnection, OperationalError
from psycopg.abc import RV, PQGen
from psycopg.waiting import Wait, wait_async

LOOK_S = 1.0  # how often psycopg looks at a socket that says nothing


class Impatient(AsyncConnection[Any]):
    """Each exchange, a COMMIT too, ends after `limit_s`; and one that its caller has left at once, with the connection.

    psycopg itself would wait ten seconds more for a server to say that it has stopped what was cancelled.
    """

    limit_s = 10.0

    async def wait(self, gen: PQGen[RV], *given: Any, **options: Any) -> RV:
        """What the server answers; or, at once and not to be cancelled, what it need not be asked.

        SQLAlchemy sets autocommit while it checks a connection out, and would lose one whose caller left just then.
        """
        try:
            first = next(gen)
        except StopIteration as done:
            return cast("RV", done.value)
        try:
            async with asyncio.timeout(self.limit_s):
                return await wait_async(_from(first, gen), self.pgconn.socket, LOOK_S)
        except TimeoutError:
            self.pgconn.finish()
            raise OperationalError("the server does not answer: hung up") from None
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


def _from(first: Wait, gen: PQGen[RV]) -> PQGen[RV]:
    """The same exchange, begun already: `first` is what it waits for."""
    waits_for = first
    while True:
        ready = yield waits_for
        try:
            waits_for = gen.send(ready)
        except StopIteration as done:
            return cast("RV", done.value)


async def connect(limit_s: float, **options: Any) -> Impatient:
    """A connection with this limit; `options` say to what, and `connect_timeout` for how long to try."""
    connection = await Impatient.connect(**options)
    connection.limit_s = limit_s
    return connection
