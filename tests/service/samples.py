"""API keys, made straight in a database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from service.keys import Scope, Token, digest, new_token
from service.storage import api_keys
from service.storage.api_keys import StoredKey
from service.storage.database import Database


def stored(token: Token, *scopes: Scope, tenant: str = "acme", **fields: Any) -> StoredKey:
    """A token as it is stored."""
    moments: dict[str, Any] = {"expires_at": None, "revoked_at": None, "used_at": None, "name": None}
    return StoredKey(
        prefix=token.prefix,
        tenant=tenant,
        digest=digest(token.secret),
        scopes=list(scopes),
        created_at=datetime.now(UTC),
        **(moments | fields),
    )


async def make_key(url: str, *scopes: Scope, **fields: Any) -> Token:
    """A new key in the database at this address."""
    token = new_token()
    async with opened(url) as database:
        await database.write(lambda session: api_keys.insert_key(session, stored(token, *scopes, **fields)))
    return token


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database, closed at the end."""
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()
