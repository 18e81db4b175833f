"""`kshot doctor`: is the database whole? Every law of storage, and every stored weight against its digest."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import typer

from models.card import DESCRIPTION, digest
from service import codec
from service.storage import audit, trainings
from service.storage.audit import Found, StoredParams
from service.storage.database import Database
from service.storage.engines import database_url
from service.storage.migrate import expanded, head
from service.storage.trainings import Stale
from service.terminal import fail, on_database, print_json, settings_in_force

DIGEST = "stored params are what their digest says"
READABLE = "stored params can be read"
ROWS = "rows can be read"
PAGES = "the file of the database is sound"


@dataclass(frozen=True)
class Examination:
    """What was looked at, and what is broken."""

    rows: dict[str, int]
    num_laws: int
    found: list[Found]
    to_retrain: list[Stale]  # models that were trained on what has been forgotten: nothing is broken
    not_durable: list[str]  # settings of the database for which a power cut may undo what was answered


def report(*, as_json: bool) -> None:
    """Examine the database of the settings and say what was found; exit status 1 if anything is broken."""
    settings = settings_in_force()
    url = database_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        fail(f"There is no database {url.database}. KSHOT_DATABASE_URL says which to examine.")

    examination = on_database(settings, partial(examine, models=settings.models))
    if as_json:
        print_json(asdict(examination))
    else:
        _show(examination)
    if examination.found:
        raise typer.Exit(1)


async def examine(database: Database, models: Path | None = None) -> Examination:
    """Every law over every row. Of models that were in the folder `models`, only those that are there still."""
    if (revision := await database.check()) not in (head(), expanded()):
        fail(f"The database is at revision {revision or 'none'}, this kshot at {head()}: run `kshot migrate` first.")
    async with database.read() as session:
        rows = await audit.counts(session)
        found = [Found(PAGES, "", problem) for problem in await audit.damaged_pages(session)]
        found += [each async for each in audit.unreadable(session)]
        found += [each async for each in audit.broken(session)]
        found += [each async for each in audit.changed(session)]
        async for params in audit.stored_params(session):
            found += _damage(params)
        stale = await trainings.stale_models(session)
        not_durable = await audit.not_durable(session)
    num_laws = len(audit.LAWS) + len((DIGEST, READABLE, ROWS, audit.INPUTS, audit.FEATURES, PAGES))
    return Examination(rows, num_laws, found, _served(stale, models), not_durable)


def _served(stale: Sequence[Stale], models: Path | None) -> list[Stale]:
    """Those that some folder still holds; all, where nobody has said where folders are."""
    if models is None or not stale:
        return list(stale)
    there = {digest(found.parent) for found in models.glob(f"*/{DESCRIPTION}")}
    return [model for model in stale if model.model_digest in there]


def _damage(params: StoredParams) -> Sequence[Found]:
    """What is wrong with one version's params."""
    key = f"{params.task_id} {params.number}"
    try:
        codec.stored_params(params.data, params.digest)
    except codec.OtherDigest:
        return [Found(DIGEST, params.tenant, key)]
    except codec.DamagedParams:
        return [Found(READABLE, params.tenant, key)]
    return []


def _show(examination: Examination) -> None:
    for found in examination.found:
        typer.echo(f"BROKEN: {found.law}: {' '.join((found.tenant, found.key)).strip()}")
    for stale in examination.to_retrain:
        name = f"{stale.model}@{stale.model_digest[:12]} of {stale.tenant}"
        forgotten = f"{stale.num_tasks} tasks that it was trained on, or judged by, have forgotten since {stale.since}"
        typer.echo(f"RETRAIN: {name}: {forgotten}")
    for setting in examination.not_durable:
        typer.echo(f"AT RISK: {setting} is off: a power cut may undo what has been answered")
    rows = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in examination.rows.items())
    verdict = f"{len(examination.found)} broken" if examination.found else "whole"
    typer.echo(f"{verdict}: {examination.num_laws} laws over {rows}")
