"""The keys that this process has seen: read again every few seconds, and their last use written once a minute."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

from service.errors import DatabaseUnavailable, Overloaded
from service.keys import Scope, Token, check_right, check_secret, read_token
from service.storage import api_keys
from service.storage.api_keys import StoredKey
from service.storage.database import Database
from service.timeouts import within

FRESH_S = 5.0  # a key that was revoked is refused by every process after so long
MAX_KNOWN = 10_000
MAX_STRANGERS = 1024  # keys never seen here that are being looked up, all that wait in one statement
STRANGERS_AT_ONCE = 2  # such statements


@dataclass(frozen=True, slots=True)
class Known:
    """A key as it was read at a moment of the monotonic clock."""

    key: StoredKey
    read_at: float


class Keyring:
    """Whose request it is, by the key that it carries."""

    def __init__(self, database: Database, *, max_staleness_s: float, stale_after_s: float = 1.0) -> None:
        self._database = database
        self._max_staleness_s = max_staleness_s
        self._stale_after_s = stale_after_s
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._uses: dict[str, datetime] = {}
        self._reading: dict[str, asyncio.Task[StoredKey | None]] = {}
        self._strangers = asyncio.Semaphore(STRANGERS_AT_ONCE)
        self._num_strangers = 0
        self._wanted: set[str] = set()  # of strangers, by the next statement
        self._next_look: asyncio.Task[Mapping[str, StoredKey]] | None = None

    async def tenant(self, text: str, scope: Scope) -> str:
        """The tenant of the key in this text. Raises Unauthenticated, or Forbidden if it has not this scope."""
        token = read_token(text)
        key = check_secret(token, await self._stored(token))
        now = datetime.now(UTC)
        check_right(key, scope, now)
        self._uses[key.prefix] = now
        return key.tenant

    async def write_uses(self) -> None:
        """Store when each key was last used, since this was last called."""
        uses, self._uses = self._uses, {}
        if uses:
            try:
                await self._database.write(lambda session: api_keys.note_uses(session, uses))
            except BaseException:
                self._uses = uses | self._uses  # told the next time, where a newer one has not come since
                raise

    async def _stored(self, token: Token) -> StoredKey | None:
        known = self._known.get(token.prefix)
        if known is not None and monotonic() - known.read_at < FRESH_S:
            return known.key
        if known is None or monotonic() - known.read_at > self._max_staleness_s:
            return await self._read(token.prefix)
        try:
            return await within(self._stale_after_s, self._read(token.prefix))
        except (DatabaseUnavailable, TimeoutError):
            return known.key

    async def _read(self, prefix: str) -> StoredKey | None:
        """The key as it is stored: whoever asks while it is being read gets what that finds. Raises Overloaded."""
        if prefix not in self._reading:
            work = self._read_known(prefix) if prefix in self._known else self._read_stranger(prefix)
            self._reading[prefix] = reading = asyncio.create_task(work, name="reading a key", context=Context())
            reading.add_done_callback(lambda done: (self._reading.pop(prefix), done.cancelled() or done.exception()))
        return await asyncio.shield(self._reading[prefix])

    async def _read_stranger(self, prefix: str) -> StoredKey | None:
        """That of a key never seen here. Anybody can make those up, so they share few connections.

        All that wait are read at once: made up ones by the hundred do not keep out one that exists.
        """
        if self._num_strangers >= MAX_STRANGERS:
            raise Overloaded("Too many keys that are new here are being looked up already.", retry_after_s=1)
        self._num_strangers += 1
        self._wanted.add(prefix)
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look(), name="reading new keys", context=Context())
        try:
            return (await asyncio.shield(self._next_look)).get(prefix)
        finally:
            self._num_strangers -= 1

    async def _look(self) -> Mapping[str, StoredKey]:
        async with self._strangers:
            wanted, self._wanted, self._next_look = self._wanted, set(), None  # who comes now waits for the next
            read_at = monotonic()
            async with self._database.read() as session:
                found = {key.prefix: key for key in await api_keys.get_keys(session, wanted)}
        for prefix, key in found.items():
            self._remember(prefix, key, read_at)
        return found

    async def _read_known(self, prefix: str) -> StoredKey | None:
        read_at = monotonic()
        async with self._database.read() as session:
            key = await api_keys.get_key(session, prefix)
        self._remember(prefix, key, read_at)
        return key

    def _remember(self, prefix: str, key: StoredKey | None, read_at: float) -> None:
        self._known.pop(prefix, None)
        if key is not None:  # prefixes that do not exist are without number
            self._known[prefix] = Known(key, read_at)
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
