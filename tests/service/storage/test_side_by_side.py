"""Code of the release before on the newest schema: it writes all that it ever wrote, until the deployment is ended."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
from sqlalchemy import Engine, MetaData, Table, create_engine, func, select, types
from sqlalchemy.exc import IntegrityError

from migrations.chain import chain
from service.storage import migrate

OLDEST = "2026_11_22_life"  # from here on migrations were written for two releases at once

Columns: TypeAlias = Mapping[str, Sequence[str]]


def revisions() -> list[str]:
    """Oldest first, those that code was written for which may still run."""
    found = [each.name for each in chain()][::-1]
    return found[found.index(OLDEST) : found.index(migrate.expanded()) + 1]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Columns]:
    """The columns of each table that code of each revision knows."""
    url, found = f"sqlite:///{tmp_path_factory.mktemp('steps')}/kshot.db", dict[str, Columns]()
    for revision in revisions():
        migrate.upgrade(url, revision)
        engine = create_engine(url)
        tables = tables_of(engine)
        engine.dispose()
        found[revision] = {table.name: [column.name for column in table.columns] for table in tables}
    return found


def tables_of(engine: Engine) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(engine)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def expanded(url: str) -> Engine:
    """The database of a fixture, which is at the newest schema, as it is while a release is rolled out."""
    from alembic import command

    command.downgrade(migrate._config(url), migrate.expanded())
    migrate.upgrade(url)  # as an operator does, who has not ended the deployment
    assert migrate.revision_of(url) == migrate.expanded()
    return create_engine(url.replace("+aiosqlite", ""))


def value(column: Any, text: str) -> object:
    """Anything that fits; all keys are alike, so that what hangs under something finds it."""
    match column.type:
        case types.LargeBinary():
            return b"x"
        case types.DateTime():
            return datetime.now(UTC)
        case types.JSON():
            return {}
        case types.Boolean():
            return False
        case types.Integer():
            return 1
    return text


def write(engine: Engine, columns: Columns, text: str) -> None:
    """A row of each table, as code writes it that knows these columns."""
    with engine.begin() as connection:
        for table in tables_of(engine):
            if names := columns.get(table.name):
                connection.execute(table.insert().values({name: value(table.columns[name], text) for name in names}))


def test_what_code_of_before_writes_is_taken_until_the_deployment_is_ended(
    known: Mapping[str, Columns], database_url: str
) -> None:
    engine = expanded(database_url)
    for revision, columns in known.items():
        write(engine, columns, revision)
    migrate.upgrade(database_url, finish=True)
    assert migrate.revision_of(database_url) == migrate.head()
    later = [revision for revision, columns in known.items() if "generation" in columns["versions"]]
    for revision, columns in known.items():
        if revision in later:
            write(engine, columns, f"later {revision}")
        else:
            with pytest.raises(IntegrityError, match="generation"):
                write(engine, columns, f"later {revision}")
    with engine.connect() as connection:
        tasks = {table.name: table for table in tables_of(engine)}["tasks"]
        counted = connection.execute(select(func.count()).select_from(tasks)).scalar_one()
    engine.dispose()
    assert counted == len(known) + len(later)  # the refused left nothing


def test_nothing_goes_back_by_migrating_again(sqlite_url: str) -> None:
    migrate.upgrade(sqlite_url)
    assert migrate.revision_of(sqlite_url) == migrate.head()


def test_what_ends_a_deployment_comes_last() -> None:
    """Until the release that brings it is out: `kshot migrate` runs all that stands before the newest such step."""
    assert [each.finishes for each in chain()] == [True] + [False] * (len(chain()) - 1)
    assert migrate.before(migrate.head()) - migrate.old_revisions() == {migrate.expanded()}


ALL = [each.name for each in chain() if each.name not in migrate.ENDED]
# what commits with another order of the same steps left: where it stands, what it has, which columns it lacks
LATER = ["features.checksum", "params.outlook"]
OTHERS = {
    "finish, of the first chain": ("2026_11_22_finish", migrate.head(), ["examples.checksum", *LATER]),
    "finish, of the second": ("2026_11_22_finish", migrate.head(), LATER),
    "ended, of the third": ("2026_11_22_ended", migrate.head(), LATER),
    "closed, of the fourth": ("2026_11_22_closed", migrate.head(), ["params.outlook"]),
    "measured, with its index": ("2026_11_22_measured", "2026_11_22_unmeasured", []),
}


@pytest.mark.parametrize("name", [*ALL, *OTHERS])
def test_a_database_of_any_revision_is_brought_on(name: str, empty_url: str) -> None:
    """Also those that commits between two releases made: what stands in it stays."""
    stands_at, built_to, without = OTHERS.get(name, (name, name, []))
    migrate.upgrade(empty_url, built_to)
    engine = create_engine(empty_url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        for table, _, column in (place.partition(".") for place in without):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{stands_at}'")
    columns = {table.name: [column.name for column in table.columns] for table in tables_of(engine)}
    write(engine, columns, json.dumps(name))
    migrate.upgrade(empty_url)
    is_ended = built_to == migrate.head()
    assert migrate.revision_of(empty_url) == (migrate.head() if is_ended else migrate.expanded())
    migrate.upgrade(empty_url, finish=True)
    migrate.check(empty_url)
    tables = tables_of(engine)
    with engine.connect() as connection:
        counts = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]
    engine.dispose()
    assert sum(counts) == len(columns)
