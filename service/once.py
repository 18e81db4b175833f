"""Requests that take effect once, however often they are sent: what was answered is stored with the effect itself."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic_core import from_json, to_json
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import IdempotencyKeyReused, TaskNotFound
from service.storage import requests
from service.storage.database import Database
from service.storage.requests import StoredAnswer


class Receipt(Protocol):
    """What is written in the transaction of an effect, so that there is not a second."""

    async def store(self, session: AsyncSession, tenant: str, task_id: str, answer: StoredAnswer) -> None:
        """Write it, or raise: then the effect is none."""
        ...


@dataclass(frozen=True, slots=True)
class Once:
    """The client's key for a request, and a digest of what it asks."""

    key: str
    fingerprint: str

    async def store(self, session: AsyncSession, tenant: str, task_id: str, answer: StoredAnswer) -> None:
        """Store the answer under the key."""
        await insert_once(session, tenant, self, task_id, answer)


def fingerprint(method: str, target: str, body: bytes) -> str:
    """A digest that two requests share if they ask the same; `target` is the path with its query."""
    digest = sha256(f"{method} {target}\n".encode())
    digest.update(body)
    return digest.hexdigest()


# what answers that tell of a task have had for less long than stored ones are kept
ADDED: dict[str, Any] = {"prior": None, "transferred_from": [], "expected": None, "suspects": None, "columns": None}
ADDED_BY_ADAPTING: dict[str, Any] = {"example_ids": [], "truncated_names": [], "suspects": []}
ADDED_BY_ADAPTING |= {"forgotten": []}


def completed(body: bytes) -> bytes:
    """A stored answer with the fields that it would have today, if it tells of a task."""
    content = from_json(body) if body.startswith(b"{") else None
    if not isinstance(content, dict) or "num_support" not in content:
        return body
    added = ADDED | (ADDED_BY_ADAPTING if "timing" in content else {})
    return body if added.keys() <= content.keys() else to_json(added | content)


def answer_of(body: BaseModel, *, status: int, revision: int, location: str | None = None) -> StoredAnswer:
    """An answer as it goes over the wire; `location` is a path below the service's root."""
    headers = {"Content-Type": "application/json", "ETag": f'"{revision}"'}
    return StoredAnswer(
        status, headers | ({} if location is None else {"Location": location}), body.model_dump_json().encode()
    )


async def insert_once(
    session: AsyncSession, tenant: str, once: Once | None, task_id: str | None, answer: StoredAnswer
) -> None:
    """Store the answer in the transaction of its effect, which fails if the request has taken effect already."""
    if once is not None:
        now = datetime.now(UTC)
        await requests.insert_request(session, tenant, once.key, once.fingerprint, task_id, answer, now)


async def first_answer(database: Database, tenant: str, once: Once, ttl: timedelta) -> StoredAnswer | None:
    """What was answered when this was asked before. Raises IdempotencyKeyReused for another request."""
    async with database.read() as session:
        found = await requests.get_request(session, tenant, once.key)
    if found is None:
        return None
    if found.created_at < (oldest := datetime.now(UTC) - ttl):
        await database.write(lambda session: requests.delete_request(session, tenant, once.key, oldest))
        return None
    if found.fingerprint != once.fingerprint:
        raise IdempotencyKeyReused("This idempotency key came with another request before; use a new key for each.")
    if found.answer is None:
        raise TaskNotFound("This request has been answered before, and its task has been deleted since.")
    return found.answer


async def sweep(database: Database, ttl: timedelta) -> None:
    """Forget every request that is older than `ttl`."""
    oldest = datetime.now(UTC) - ttl
    while await database.write(lambda session: requests.delete_requests(session, oldest)) == requests.MAX_SWEPT:
        pass
