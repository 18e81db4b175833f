"""`kshot doctor`: nothing in a database that is whole, and each law found broken in one where it is."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from typer.testing import CliRunner, Result

from service.cli import app
from service.codec import pack_params
from service.doctor import DIGEST, PAGES, READABLE
from service.storage import audit
from service.storage.jobs import NewJob, insert_job
from service.storage.queries import insert_task
from tests.service.samples import opened
from tests.service.storage.samples import NOW, new_examples, new_task, new_version

JUNK = "3608bca1e44ea6c4d268eb6db02260269892c0b42b86bbf1e77a6fa16c3c9282"  # SHA-256 of xyz
VERSIONS = (
    "tenant, task_id, {}, model_digest, num_support, support_digest, dtype, libraries, seed, created_at, generation"
)
TRANSFERS = "INSERT INTO transfers (tenant, task_id, number, source_id, source_version)"
OWN_PARAMS = "INSERT INTO own_params (tenant, task_id, number, digest, data)"
BREAKS = {
    "the current version of a task is there, with its params": "DELETE FROM params",
    "no version is newer than the current one": f"INSERT INTO versions ({VERSIONS.format('number')}) "
    f"SELECT {VERSIONS.format(7)} FROM versions",
    "a version has as many examples as it says": "UPDATE versions SET num_support = 3",
    "an example supports some version": "DELETE FROM memberships WHERE ordinal = 1",
    "an example supports a version once": "INSERT INTO memberships (tenant, task_id, ordinal, since_version) "
    "SELECT tenant, task_id, ordinal, 2 FROM memberships WHERE ordinal = 0",
    "a membership ends after it begins": "UPDATE memberships SET until_version = 1 WHERE ordinal = 0",
    "a job that is over has an end, and only that": "UPDATE jobs SET state = 'failed'",
    "a running job is held under a fence and a lease": "UPDATE jobs SET state = 'running'",
    "a task is as large as it says": "UPDATE tasks SET num_bytes = num_bytes + 1",
    "inputs of a task are of one size": "UPDATE examples SET input = CAST('xyz' AS {bytes}) WHERE ordinal = 0",
    "features of a task by one model are of one size": "UPDATE features SET data = CAST('xyz' AS {bytes}) "
    "WHERE ordinal = 0",
    DIGEST: f"UPDATE params SET digest = '{JUNK}'",
    READABLE: f"UPDATE params SET data = CAST('xyz' AS {{bytes}}), digest = '{JUNK}'",
    "answers hang under requests of their tenant": "INSERT INTO answers (tenant, key, status, headers, body) "
    "VALUES ('default', 'once', 200, '{{}}', CAST('' AS {bytes}))",
    "answers hang under tasks of their tenant": "INSERT INTO answers (tenant, key, task_id, status, headers, body) "
    "VALUES ('default', 'once', 'task_gone', 200, '{{}}', CAST('' AS {bytes}))",
    "examples hang under tasks of their tenant": "UPDATE examples SET tenant = 'other'",
    "features hang under examples of their tenant": "UPDATE features SET tenant = 'other'",
    "job_bodies hang under jobs of their tenant": "DELETE FROM jobs",
    "job_bodies hang under tasks of their tenant": "UPDATE job_bodies SET task_id = 'task_gone'",
    "memberships hang under examples of their tenant": "UPDATE memberships SET ordinal = ordinal + 10",
    "params hang under versions of their tenant": "UPDATE params SET tenant = 'other'",
    "versions hang under tasks of their tenant": "DELETE FROM tasks",
    "a version that learned from other tasks knows what it is without them": f"{TRANSFERS} "
    "SELECT tenant, task_id, number, task_id, 1 FROM versions",
    "what a version is without others is kept for that alone": f"{OWN_PARAMS} "
    "SELECT tenant, task_id, number, digest, data FROM params",
    "transfers hang under versions of their tenant": f"{TRANSFERS} VALUES ('default', 'task_gone', 1, 'task_gone', 1)",
    "transfers hang under tasks of their tenant": f"{TRANSFERS} "
    "SELECT tenant, task_id, number, 'gone', 1 FROM versions",
    "own_params hang under versions of their tenant": f"{OWN_PARAMS} "
    "VALUES ('default', 'task_gone', 1, '', CAST('' AS {bytes}))",
}


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of either kind with a task and a job, named by the environment."""

    async def fill() -> None:
        task, version = new_task(), new_version(params=pack_params({}, {}))
        job = NewJob("default", "job_1", "adapt", "task_1", 1, None, b"{}")
        async with opened(database_url) as database:
            await database.write(lambda session: insert_task(session, task, version, new_examples(), NOW))
            await database.write(lambda session: insert_job(session, job, NOW))

    asyncio.run(fill())
    monkeypatch.setenv("KSHOT_DATABASE_URL", database_url)
    return database_url


def kshot(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)


def corrupt(url: str, statement: str) -> None:
    """Run a statement past every foreign key."""
    is_sqlite = url.startswith("sqlite")
    engine = create_engine(make_url(url).set(drivername="sqlite" if is_sqlite else "postgresql+psycopg"))
    with engine.begin() as connection:
        if not is_sqlite:
            connection.exec_driver_sql("SET session_replication_role = replica")
        connection.exec_driver_sql(statement.format(bytes="BLOB" if is_sqlite else "BYTEA"))
    engine.dispose()


def test_a_whole_database_is_found_whole(url: str) -> None:
    ran = kshot("doctor")
    assert ran.exit_code == 0, ran.output
    assert "\nwhole: " in f"\n{ran.output}"
    assert "1 tasks, " in ran.output
    report = json.loads(kshot("doctor", "--json").output)
    assert report["found"] == []
    assert report["rows"]["examples"] == 2


@pytest.mark.parametrize("law", BREAKS)
def test_each_law_is_found_broken(url: str, law: str) -> None:
    corrupt(url, BREAKS[law])
    ran = kshot("doctor", "--json")
    assert ran.exit_code == 1, ran.output
    assert law in {found["law"] for found in json.loads(ran.output)["found"]}
    assert f"BROKEN: {law}: " in kshot("doctor").output


def test_what_a_task_is_without_others_is_examined_as_well(url: str) -> None:
    corrupt(url, f"{OWN_PARAMS} SELECT tenant, task_id, number, '{JUNK}', data FROM params")
    assert f"BROKEN: {DIGEST}: " in kshot("doctor").output


def test_settings_that_lose_what_was_answered_are_told(url: str) -> None:
    ran = kshot("doctor")
    assert ran.exit_code == 0
    assert ("AT RISK: synchronous_commit is off" in ran.output) == url.startswith("postgresql")


def test_every_law_has_its_breach() -> None:
    assert set(BREAKS) == {*audit.LAWS, DIGEST, READABLE}


def test_a_damaged_file_is_found(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine(make_url(sqlite_url).set(drivername="sqlite"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX extra ON tasks (kind)")
        connection.exec_driver_sql("PRAGMA writable_schema = ON")
        connection.exec_driver_sql("DELETE FROM sqlite_schema WHERE name = 'extra'")
    engine.dispose()
    monkeypatch.setenv("KSHOT_DATABASE_URL", sqlite_url)
    ran = kshot("doctor")
    assert ran.exit_code == 1
    assert f"BROKEN: {PAGES}: " in ran.output


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/new.db")
    ran = kshot("doctor")
    assert ran.exit_code == 1
    assert "There is no database" in ran.output
    assert not (tmp_path / "new.db").exists()


def test_an_older_schema_is_to_be_migrated_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new.db").touch()
    monkeypatch.setenv("KSHOT_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/new.db")
    ran = kshot("doctor")
    assert ran.exit_code == 1
    assert "run `kshot migrate` first" in ran.output
