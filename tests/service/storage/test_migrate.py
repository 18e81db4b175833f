"""Migrations: what they build is what the tables say, from anywhere, by several at once, on both databases."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, inspect, text

from migrations.chain import chain
from service.errors import DatabaseUnavailable
from service.storage import migrate
from service.storage.tables import Table

ROOT = Path(__file__).parents[3]


def revision(url: str) -> object:
    engine = create_engine(url.replace("+aiosqlite", ""))
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    engine.dispose()
    return found


def test_migrations_build_the_tables(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    migrate.check(empty_url)
    assert revision(empty_url) == migrate.head()


def test_a_difference_is_found(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    engine = create_engine(empty_url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE tasks ADD COLUMN surprise INTEGER"))
    engine.dispose()
    with pytest.raises(CommandError, match="surprise"):
        migrate.check(empty_url)


def test_several_may_upgrade_at_once(empty_url: str) -> None:
    command = [sys.executable, "-c", f"from service.storage.migrate import upgrade; upgrade({empty_url!r})"]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: subprocess.run(command, cwd="/", capture_output=True), range(3)))
    assert [each.returncode for each in done] == [0] * 3, done
    migrate.check(empty_url)


def test_a_failing_upgrade_leaves_nothing(empty_url: str) -> None:
    engine = create_engine(empty_url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE memberships (taken INTEGER)"))  # the last table of the first migration
    with pytest.raises(Exception, match="memberships"):
        migrate.upgrade(empty_url)
    assert set(inspect(engine).get_table_names()) <= {"memberships"}
    engine.dispose()


def test_down_and_up_again(empty_url: str) -> None:
    from alembic import command

    migrate.upgrade(empty_url)
    command.downgrade(migrate._config(empty_url), "base")
    migrate.upgrade(empty_url)
    migrate.check(empty_url)


def test_no_server() -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate.upgrade("postgresql://127.0.0.1:1/kshot")


def test_the_command_alembic(tmp_path: Path) -> None:
    environment = os.environ | {"KSHOT_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/kshot.db"}
    for arguments in (["upgrade", "head"], ["check"]):
        command = [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), *arguments]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)


def test_the_command_of_make_check(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "service.storage.migrate", "check"], cwd=tmp_path, check=True)
    assert subprocess.run([sys.executable, "-m", "service.storage.migrate"], stderr=subprocess.PIPE).returncode == 1


def test_a_later_deployment_takes_no_transfers_away(tmp_path: Path) -> None:
    """A release after this one, with a step of each kind."""
    folder = shutil.copytree(ROOT / "migrations", tmp_path / "migrations") / "versions"
    (folder / "added.py").write_text(f'revision = "added"\ndown_revision = "{migrate.head()}"')
    (folder / "ended.py").write_text('revision = "ended"\ndown_revision = "added"\nfinishes = True')
    code = "from service.storage.migrate import *; print(expanded(), head(), expanded() in before_transfers())"
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, stdout=subprocess.PIPE
    )
    assert found.stdout.split() == [b"added", b"ended", b"False"]
    assert migrate.expanded() in migrate.before_transfers() and migrate.head() not in migrate.before_transfers()


def test_the_chain_is_that_of_alembic() -> None:
    walked = ScriptDirectory.from_config(migrate._config(None)).walk_revisions()
    told = [(each.revision, getattr(each.module, "finishes", False)) for each in walked]
    assert told == [(each.name, each.finishes) for each in chain()]


def test_migrations_that_branch_are_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "migrations", tmp_path / "migrations") / "versions"
    (folder / "beside.py").write_text(f'revision = "beside"\ndown_revision = "{chain()[1].name}"')
    found = subprocess.run(
        [sys.executable, "-c", "from migrations.chain import chain; chain()"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "the installed migrations are no chain" in found.stderr


def test_a_database_as_it_should_be_needs_no_alembic(empty_url: str) -> None:
    for finish, is_imported in ((True, True), (True, False), (False, False)):
        work = f"upgrade({empty_url!r}, finish={finish}); old_revisions()"
        code = f"import sys; from service.storage.migrate import *; {work}"
        found = subprocess.run(
            [sys.executable, "-c", f"{code}; print('alembic' in sys.modules)"], stdout=subprocess.PIPE
        )
        assert found.stdout.split() == [str(is_imported).encode()]


def test_every_table_carries_the_tenant() -> None:
    assert all("tenant" in table.columns for table in Table.metadata.tables.values())


def test_storage_does_not_import_torch() -> None:
    code = "import sys, service.storage.database, service.storage.migrate; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
