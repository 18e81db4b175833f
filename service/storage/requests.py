"""Every statement about requests that take effect once, as functions of a session."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.inserts import insert_rows
from service.storage.tables import Answer, Once

MAX_SWEPT = 1_000  # rows of one statement, so that it holds its locks briefly


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered to a request: all that a client sees of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request that has taken effect; its answer is gone if the task that it told of is."""

    fingerprint: str
    created_at: datetime
    answer: StoredAnswer | None


async def insert_request(
    session: AsyncSession,
    tenant: str,
    key: str,
    fingerprint: str,
    task_id: str | None,
    answer: StoredAnswer,
    now: datetime,
) -> None:
    """Store a request with its answer, which goes with the task if one is named.

    A unique key is violated if it, or another under its key, has been stored.
    """
    keys: dict[str, Any] = {"tenant": tenant, "key": key}
    await insert_rows(session, Once, [keys | {"fingerprint": fingerprint, "created_at": now}])
    told = {"task_id": task_id, "status": answer.status, "headers": dict(answer.headers), "body": answer.body}
    await insert_rows(session, Answer, [keys | told])


async def get_request(session: AsyncSession, tenant: str, key: str) -> StoredRequest | None:
    """What this tenant has asked under this key, and what was answered."""
    row = (await session.execute(_REQUEST.where(Once.tenant == tenant, Once.key == key))).one_or_none()
    if row is None:
        return None
    fingerprint, created_at, status, headers, body = row
    return StoredRequest(fingerprint, created_at, None if status is None else StoredAnswer(status, headers, body))


async def delete_requests(session: AsyncSession, before: datetime) -> int:
    """Forget the oldest requests of before a moment, at most `MAX_SWEPT`; how many there were."""
    gone = delete(Once).where(tuple_(Once.tenant, Once.key).in_(_oldest(before)))
    return len((await session.execute(gone.returning(Once.key))).all())


async def delete_request(session: AsyncSession, tenant: str, key: str, before: datetime) -> None:
    """Forget one request, if it is of before this moment."""
    await session.execute(delete(Once).where(Once.tenant == tenant, Once.key == key, Once.created_at < before))


def _oldest(before: datetime) -> Select[str, str]:
    old = select(Once.tenant, Once.key).where(Once.created_at < before)
    return old.order_by(Once.created_at).limit(MAX_SWEPT)


_REQUEST = select(Once.fingerprint, Once.created_at, Answer.status, Answer.headers, Answer.body).outerjoin(
    Answer, and_(Answer.tenant == Once.tenant, Answer.key == Once.key)
)
