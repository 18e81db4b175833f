"""Every statement about API keys, as functions of a session."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.tables import ApiKey

USED_EVERY = timedelta(minutes=1)  # how exactly the last use is kept


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is stored; `digest` is the SHA-256 of its secret."""

    prefix: str
    tenant: str
    digest: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None
    name: str | None


async def insert_key(session: AsyncSession, key: StoredKey) -> None:
    """Store a new key."""
    await session.execute(insert(ApiKey), asdict(key))


async def get_key(session: AsyncSession, prefix: str) -> StoredKey | None:
    """The key with this prefix, valid or not."""
    row = (await session.execute(_KEYS.where(ApiKey.prefix == prefix))).one_or_none()
    return None if row is None else StoredKey(*row)


async def get_keys(session: AsyncSession, prefixes: Collection[str]) -> list[StoredKey]:
    """Those of the keys with these prefixes that there are, valid or not; in one statement."""
    return [StoredKey(*row) for row in await session.execute(_KEYS.where(ApiKey.prefix.in_(prefixes)))]


async def list_keys(session: AsyncSession) -> list[StoredKey]:
    """Every key, the oldest of each tenant first."""
    rows = await session.execute(_KEYS.order_by(ApiKey.tenant, ApiKey.created_at, ApiKey.prefix))
    return [StoredKey(*row) for row in rows]


async def revoke_key(session: AsyncSession, prefix: str, now: datetime) -> bool:
    """Revoke the key; false if there is none with this prefix that is not revoked already."""
    valid = update(ApiKey).where(ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None))
    return (await session.execute(valid.values(revoked_at=now).returning(ApiKey.prefix))).one_or_none() is not None


async def note_uses(session: AsyncSession, uses: Mapping[str, datetime]) -> None:
    """Move the last use of these keys, by prefix; replicas that tell of the same minute write it once."""
    for prefix, moment in sorted(uses.items()):  # in one order, so that two replicas cannot deadlock
        is_old = or_(ApiKey.used_at.is_(None), ApiKey.used_at <= moment - USED_EVERY)
        await session.execute(update(ApiKey).where(ApiKey.prefix == prefix, is_old).values(used_at=moment))


_KEYS = select(
    ApiKey.prefix,
    ApiKey.tenant,
    ApiKey.digest,
    ApiKey.scopes,
    ApiKey.created_at,
    ApiKey.expires_at,
    ApiKey.revoked_at,
    ApiKey.used_at,
    ApiKey.name,
)
