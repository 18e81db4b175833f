"""Keys as a process knows them: how soon a change counts, what an outage does, when a use is written."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service import keyring
from service.errors import DatabaseUnavailable, Overloaded, Unauthenticated
from service.keyring import Keyring
from service.keys import Token, new_token
from service.storage import api_keys
from service.storage.api_keys import StoredKey
from service.storage.database import Database
from tests.service.samples import make_key, opened


async def used_at(database: Database, token: Token) -> datetime | None:
    async with database.read() as session:
        key = await api_keys.get_key(session, token.prefix)
    assert key is not None
    return key.used_at


async def revoke(database: Database, token: Token) -> bool:
    return await database.write(lambda session: api_keys.revoke_key(session, token.prefix, datetime.now(UTC)))


async def test_a_key_tells_its_tenant(database_url: str) -> None:
    token = await make_key(database_url, "adapt", tenant="acme")
    async with opened(database_url) as database:
        ring = Keyring(database, max_staleness_s=0)
        assert await ring.tenant(str(token), "adapt") == "acme"
        for wrong in (new_token(), Token(token.prefix, "0" * 64)):
            with pytest.raises(Unauthenticated):
                await ring.tenant(str(wrong), "adapt")
        assert set(ring._known) == {token.prefix}  # what does not exist takes no room


async def test_a_revoked_key_counts_until_it_is_read_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await make_key(database_url, "admin")
    async with opened(database_url) as database:
        ring = Keyring(database, max_staleness_s=0)
        await ring.tenant(str(token), "adapt")
        assert await revoke(database, token)
        assert not await revoke(database, token)
        await ring.tenant(str(token), "adapt")
        monkeypatch.setattr(keyring, "FRESH_S", 0.0)
        with pytest.raises(Unauthenticated, match="revoked"):
            await ring.tenant(str(token), "adapt")


@pytest.mark.parametrize("max_staleness_s", [0.0, 60.0])
async def test_an_outage(database_url: str, monkeypatch: pytest.MonkeyPatch, max_staleness_s: float) -> None:
    monkeypatch.setattr(keyring, "FRESH_S", 0.0)
    known, unknown = await make_key(database_url, "admin"), await make_key(database_url, "admin")
    async with opened(database_url) as database:
        ring = Keyring(database, max_staleness_s=max_staleness_s)
        await ring.tenant(str(known), "adapt")
        await database.write(lambda session: session.execute(text("ALTER TABLE api_keys RENAME TO hidden")))
        with pytest.raises(DatabaseUnavailable):
            await ring.tenant(str(unknown), "adapt")
        if max_staleness_s:
            assert await ring.tenant(str(known), "adapt") == "acme"
        else:
            with pytest.raises(DatabaseUnavailable):
                await ring.tenant(str(known), "adapt")


def reads_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Prefixes that have been looked up since, those of one statement together, as their reading begins."""
    begun: list[str] = []
    get_key, get_keys = api_keys.get_key, api_keys.get_keys

    async def counted(session: AsyncSession, prefix: str) -> StoredKey | None:
        begun.append(prefix)
        await asyncio.sleep(0.01)
        return await get_key(session, prefix)

    async def counted_together(session: AsyncSession, prefixes: set[str]) -> list[StoredKey]:
        begun.append(" ".join(prefixes))
        await asyncio.sleep(0.01)
        return await get_keys(session, prefixes)

    monkeypatch.setattr(api_keys, "get_key", counted)
    monkeypatch.setattr(api_keys, "get_keys", counted_together)
    return begun


async def test_a_key_is_read_once_for_all_who_ask_at_once(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await make_key(sqlite_url, "admin")
    async with opened(sqlite_url) as database:
        ring, begun = Keyring(database, max_staleness_s=0), reads_of(monkeypatch)
        for _ in range(2):  # new, and then known but too long ago
            assert set(await asyncio.gather(*(ring.tenant(str(token), "adapt") for _ in range(20)))) == {"acme"}
            monkeypatch.setattr(keyring, "FRESH_S", 0.0)
        assert begun == [token.prefix] * 2
        assert not ring._reading


async def test_keys_that_nobody_has_take_few_places_and_connections(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await make_key(sqlite_url, "admin")
    async with opened(sqlite_url) as database:
        ring, begun = Keyring(database, max_staleness_s=0), reads_of(monkeypatch)
        await ring.tenant(str(token), "adapt")
        flood = [asyncio.create_task(ring.tenant(str(new_token()), "adapt")) for _ in range(1500)]
        await asyncio.sleep(0.001)
        assert len(begun) - 1 <= keyring.STRANGERS_AT_ONCE
        monkeypatch.setattr(keyring, "FRESH_S", 0.0)
        assert await ring.tenant(str(token), "adapt") == "acme"  # a known key does not wait behind them
        assert len(begun) <= 2 + 3 * keyring.STRANGERS_AT_ONCE
        found = await asyncio.gather(*flood, return_exceptions=True)
        assert sum(isinstance(each, Overloaded) for each in found) == 1500 - keyring.MAX_STRANGERS
        assert sum(isinstance(each, Unauthenticated) for each in found) == keyring.MAX_STRANGERS
        assert await ring.tenant(str(token), "adapt") == "acme" and not ring._num_strangers


async def test_a_key_that_exists_is_found_among_many_that_do_not(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await make_key(sqlite_url, "adapt")
    async with opened(sqlite_url) as database:
        ring, begun = Keyring(database, max_staleness_s=0), reads_of(monkeypatch)
        flood = [asyncio.create_task(ring.tenant(str(new_token()), "adapt")) for _ in range(500)]
        await asyncio.sleep(0.001)
        assert await ring.tenant(str(token), "adapt") == "acme"
        assert len(begun) <= 2
        await asyncio.gather(*flood, return_exceptions=True)


async def test_no_more_keys_are_known_than_there_is_room_for(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "MAX_KNOWN", 2)
    tokens = [await make_key(sqlite_url, "admin") for _ in range(3)]
    async with opened(sqlite_url) as database:
        ring = Keyring(database, max_staleness_s=0)
        for token in tokens:
            await ring.tenant(str(token), "adapt")
        assert list(ring._known) == [token.prefix for token in tokens[1:]]


async def test_uses_are_written_together_and_at_most_once_a_minute(database_url: str) -> None:
    token = await make_key(database_url, "admin")
    async with opened(database_url) as database:
        ring = Keyring(database, max_staleness_s=0)
        await ring.tenant(str(token), "adapt")
        assert await used_at(database, token) is None
        await ring.write_uses()
        first = await used_at(database, token)
        assert first is not None and datetime.now(UTC) - first < timedelta(seconds=30)
        await ring.tenant(str(token), "adapt")
        await ring.write_uses()
        assert await used_at(database, token) == first
        later = first + timedelta(minutes=1)
        await database.write(lambda session: api_keys.note_uses(session, {token.prefix: later}))
        assert await used_at(database, token) == later
