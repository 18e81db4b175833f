"""`kshot keys` on a database of its own, and what `kshot serve` says about authentication."""

import asyncio
import re
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.keyring import Keyring
from service.keys import Scope, digest, read_token
from tests.service.samples import opened


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of either kind, named by the environment."""
    monkeypatch.setenv("KSHOT_DATABASE_URL", database_url)
    return database_url


def kshot(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)


def tenant(url: str, key: str, scope: Scope) -> str:
    async def ask() -> str:
        async with opened(url) as database:
            return await Keyring(database, max_staleness_s=0).tenant(key, scope)

    return asyncio.run(ask())


def test_a_key_from_beginning_to_end(url: str) -> None:
    made = kshot("keys", "create", "--tenant", "acme", "--scope", "adapt", "--scope", "predict", "--name", "tool")
    assert made.exit_code == 0, made.output
    token = read_token(made.stdout.strip())  # alone on standard output, so that a script can take it
    assert tenant(url, str(token), "adapt") == tenant(url, str(token), "predict") == "acme"
    shown = kshot("keys", "list").output
    assert re.search(rf"{token.prefix} +acme +tool +adapt, predict .* never +never +valid", shown)
    assert token.secret not in shown and digest(token.secret) not in shown
    for expected in (0, 1):
        assert kshot("keys", "revoke", f"kshot_{token.prefix}").exit_code == expected
    assert re.search(rf"{token.prefix} .* revoked", kshot("keys", "list").output)


def test_a_key_that_ends(url: str) -> None:
    made = kshot("keys", "create", "--tenant", "acme", "--scope", "admin", "--expires-days", "30")
    assert tenant(url, made.stdout.strip(), "adapt") == "acme"
    assert not re.search(r"never +never", kshot("keys", "list").output)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tenant", "acme", "--scope", "everything"],
        ["--tenant", "acme"],
        ["--scope", "adapt"],
        ["--tenant", "a b", "--scope", "adapt"],
        ["--tenant", "acme", "--scope", "adapt", "--expires-days", "0"],
    ],
)
def test_what_cannot_be_a_key(url: str, arguments: list[str]) -> None:
    assert kshot("keys", "create", *arguments).exit_code == 2
    assert "acme" not in kshot("keys", "list").output


def test_a_new_sqlite_file_needs_nothing_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/new.db")
    made = kshot("keys", "create", "--tenant", "acme", "--scope", "adapt")
    assert made.exit_code == 0 and f"The database {tmp_path}/new.db is new" in made.stderr
    again = kshot("keys", "create", "--tenant", "acme", "--scope", "adapt")
    assert f"The database is {tmp_path}/new.db." in again.stderr and again.stdout.startswith("kshot_")


def test_no_database_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", "postgresql+psycopg://127.0.0.1:1/kshot")
    result = kshot("keys", "list")
    assert result.exit_code == 1 and "kshot migrate" in result.output


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_help_has_an_example(command: str) -> None:
    assert f"kshot keys {command}" in kshot("keys", command, "--help").output.partition("Example:")[2]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What authentication the service was started with, instead of starting it."""
    started: list[str] = []

    def run(listener: socket.socket, url: str, *, auth: str, **rest: object) -> None:
        listener.close()
        started.append(auth)

    monkeypatch.delenv("KSHOT_AUTH", raising=False)
    monkeypatch.setattr("service.process.run", run)
    return started


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_off_by_default_where_only_this_machine_connects(served: list[str], host: str) -> None:
    result = kshot("serve", "--port", "0", "--host", host)
    assert served == ["off"] and "Authentication is off" in result.output


def test_serving_says_which_database(served: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/other.db")
    assert f"The database {tmp_path}/other.db is new" in kshot("serve", "--port", "0").output
    monkeypatch.setenv("KSHOT_DATABASE_URL", "postgresql+psycopg://me:secret@host/kshot")
    told = kshot("serve", "--port", "0").output
    assert "The database is postgresql+psycopg://me:***@host/kshot." in told and served == ["off", "off"]


def test_serving_says_what_is_no_setting(served: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSHOT_PORT", "9000")
    monkeypatch.setenv("KSHOT_MAX_TENANT_TASK", "5")
    monkeypatch.setenv("KSHOT_API_KEY", "of commands")
    monkeypatch.setenv("kshot_cache_mib", "512")
    for told in (kshot("serve", "--port", "0"), kshot("settings")):
        assert told.stderr.splitlines() == [
            "KSHOT_MAX_TENANT_TASK is no setting, and is ignored. Is KSHOT_MAX_TENANT_TASKS meant?",
            "KSHOT_PORT is no setting, and is ignored.",
        ]
    assert served == ["off"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite+aiosqlite:///:memory:", "a database in memory cannot be shared by several connections"),
        ("sqlite+aiosqlite://", "a database in memory cannot be shared by several connections"),
        ("mysql://host/kshot", "no driver for 'mysql'"),
    ],
)
def test_a_database_that_cannot_serve_is_no_new_one(
    served: list[str], monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", url)
    refused = kshot("serve", "--port", "0")
    assert refused.exit_code == 1 and said in refused.output and "is new" not in refused.output
    assert not served


def test_a_file_that_is_named_by_a_uri_is_told_as_it_is(served: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", "sqlite+aiosqlite:///file:mine.db?uri=true")
    assert "The database is file:mine.db." in kshot("serve", "--port", "0").output and served == ["off"]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("auth", ["on", "off"])
def test_as_it_is_set(served: list[str], monkeypatch: pytest.MonkeyPatch, host: str, auth: str) -> None:
    monkeypatch.setenv("KSHOT_AUTH", auth)
    result = kshot("serve", "--port", "0", "--host", host)
    assert served == [auth] and f"Authentication is {auth}" in result.output


def test_refused_where_others_connect_and_nothing_is_set(served: list[str]) -> None:
    result = kshot("serve", "--port", "0", "--host", "0.0.0.0")
    assert result.exit_code == 1 and served == []
    assert "KSHOT_AUTH=on" in result.output and "KSHOT_AUTH=off" in result.output
