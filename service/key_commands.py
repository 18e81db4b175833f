"""`kshot keys` and `kshot tenants`: API keys, and what tenants allow, straight in the database."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import typer

from service import screen
from service.errors import DatabaseUnavailable
from service.keys import SCOPES, digest, new_token
from service.storage import api_keys, trainings
from service.storage.api_keys import StoredKey
from service.storage.database import Database
from service.storage.migrate import upgrade
from service.terminal import settings_in_force, where_stored

Result = TypeVar("Result")

MOMENT = "%Y-%m-%d %H:%M"


def create(tenant: str, scopes: list[str], expires_days: int | None, name: str | None) -> None:
    """Make a key and print it, alone on standard output; it can never be shown again."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(SCOPES)}.", param_hint="--scope")
    token, now = new_token(), datetime.now(UTC)
    key = StoredKey(
        prefix=token.prefix,
        tenant=tenant,
        digest=digest(token.secret),
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=None if expires_days is None else now + timedelta(days=expires_days),
        revoked_at=None,
        used_at=None,
        name=name,
    )
    _run(lambda database: database.write(lambda session: api_keys.insert_key(session, key)))
    typer.echo("Keep this key: only its digest is stored, so it is not shown again.", err=True)
    typer.echo(str(token))


def show() -> None:
    """Print every key, without its secret."""

    async def read(database: Database) -> list[StoredKey]:
        async with database.read() as session:
            return await api_keys.list_keys(session)

    rows, now = [], datetime.now(UTC)
    for key in _run(read):
        moments = (key.created_at, key.expires_at, key.used_at)
        shown = [moment.strftime(MOMENT) if moment else "never" for moment in moments]
        rows.append((key.prefix, key.tenant, key.name or "", ", ".join(key.scopes), *shown, _state(key, now)))
    header = ("key", "tenant", "name", "scopes", "made", "expires", "last used", "state")
    screen.show(screen.table(*header, rows=rows, whole=["key"]))


def allow(tenant: str, *, train_from_tasks: bool) -> None:
    """Say whether models may be trained on a tenant's tasks."""
    _run(lambda database: database.write(lambda session: trainings.allow(session, tenant, is_allowed=train_from_tasks)))
    typer.echo(f"Models may {'' if train_from_tasks else 'not '}be trained on the tasks of {tenant}.")


def show_tenants() -> None:
    """Print what each tenant allows."""

    async def read(database: Database) -> list[tuple[str, bool]]:
        async with database.read() as session:
            return await trainings.list_tenants(session)

    rows = [(tenant, "yes" if is_allowed else "no") for tenant, is_allowed in _run(read)]
    screen.show(screen.table("tenant", "train from tasks", rows=rows))


def revoke(prefix: str) -> None:
    """End a key for good."""
    prefix = prefix.removeprefix("kshot_").partition("_")[0]  # of a whole key too, whose secret must not be repeated
    now = datetime.now(UTC)
    if not _run(lambda database: database.write(lambda session: api_keys.revoke_key(session, prefix, now))):
        typer.echo(f"There is no valid key {prefix!r}; `kshot keys list` shows them all.", err=True)
        raise typer.Exit(1)
    typer.echo(f"The key {prefix} is revoked; running services refuse it within five seconds.")


def _state(key: StoredKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "valid"


def _run(work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do the work on the database of the settings; SQLite is made and migrated first, as `kshot serve` does."""

    async def on_database() -> Result:
        database = Database(settings.database_url, busy_timeout_s=settings.busy_timeout_s)
        try:
            return await work(database)
        finally:
            await database.close()

    settings = settings_in_force()
    typer.echo(where_stored(settings.database_url), err=True)
    try:
        if settings.database_url.startswith("sqlite"):
            upgrade(settings.database_url)
        return asyncio.run(on_database())
    except DatabaseUnavailable as error:
        typer.echo(f"{error}. If it is new, run `kshot migrate` first.", err=True)
        raise typer.Exit(1) from None
