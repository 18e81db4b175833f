"""The command `kshot`: quick help, an example everywhere, clear errors."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models import zoo
from service.cli import app
from service.reference import page, rows
from service.settings import Settings

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(
    str(command.name or command.callback.__name__) for command in app.registered_commands if command.callback
)


def test_every_command_is_there() -> None:
    assert {"serve", "migrate", "demo", "train", "evaluate", "models", "adapt", "predict"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"kshot {command}" in result.output.partition("Example:")[2]


def test_help_is_free_of_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from service.cli import app; "
        "assert CliRunner().invoke(app, ['serve', '--help']).exit_code == 0; "
        "print(*(sys.modules.keys() & {'torch', 'fastapi', 'sqlalchemy', 'sklearn', 'numpy'}))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "\n"


def test_a_taken_port_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["serve", "--port", str(port)])
    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.output and "--port" in result.output


def test_the_settings_page_is_up_to_date() -> None:
    assert (ROOT / "docs/settings.md").read_text() == page()


def test_every_setting_has_a_meaning() -> None:
    assert all(meaning for _, _, _, meaning in rows(Settings.model_construct()))


def test_settings_in_force_hide_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", "postgresql+psycopg://kshot:secret@db/kshot")
    output = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["settings"]).output
    assert "kshot:***@db" in output and "secret" not in output


def test_settings_are_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", f"sqlite+aiosqlite:////{'long/' * 30}end.db")
    output = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["settings"]).output
    assert "…" not in output and output.count("long/") >= 20  # the others are where its lines are folded
    words = {word for _, _, _, meaning in rows(Settings()) for word in meaning.split() if len(word) < 12}
    assert words <= set(output.split())


UNUSABLE = {
    "nonsense": "Could not parse",
    "mysql://root@localhost/kshot": "no driver for 'mysql'",
    "sqlite+aiosqlite://": "in memory",
    "sqlite+aiosqlite:////nowhere/at/all/kshot.db": "unable to open",
    "postgresql+psycopg://kshot:secret@127.0.0.1:1/kshot": "refused",
    "postgresql+psycopg://kshot:secret@127.0.0.1:port/kshot": "cannot be used",
}


@pytest.mark.parametrize("command", ["serve --port 0", "migrate", "settings", "keys list"])
@pytest.mark.parametrize(
    ("name", "value"), [("KSHOT_AUTH", "yes"), ("KSHOT_MAX_WAYS", "lots"), ("KSHOT_MODELS", "/no")]
)
def test_a_wrong_setting_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, command: str, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert result.output.startswith(f"{name}: ") and len(result.output.splitlines()) == 1


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_database_that_cannot_be_used_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", url)
    result = CliRunner().invoke(app, ["migrate"])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert UNUSABLE[url] in result.output and "secret" not in result.output
    assert len(result.output.splitlines()) == 1


def test_a_database_of_another_version(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    with sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'newer'")
    database.close()
    monkeypatch.setenv("KSHOT_DATABASE_URL", sqlite_url)
    result = CliRunner().invoke(app, ["migrate"])
    assert result.exit_code == 1 and "'newer'" in result.output and "Traceback" not in result.output


@pytest.mark.parametrize(("name", "content"), [("model.json", "{"), ("weights.safetensors", "x")])
def test_a_damaged_model_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sqlite_url: str, name: str, content: str
) -> None:
    shutil.copytree(Path(next(iter(zoo.__path__))) / "curves", tmp_path / "mine" / "curves")
    (tmp_path / "mine" / "curves" / name).write_text(content)
    monkeypatch.setenv("KSHOT_MODELS", str(tmp_path / "mine"))
    monkeypatch.setenv("KSHOT_DATABASE_URL", sqlite_url)
    result = CliRunner().invoke(app, ["serve", "--port", "0"])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert str(tmp_path / "mine" / "curves" / name) in result.output


def test_migrate_can_be_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/kshot.db")
    first, second = (CliRunner().invoke(app, ["migrate"]) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    assert first.output == second.output


@pytest.mark.parametrize(("given", "held"), [(None, "passive"), ("active", "active")])
def test_threads_of_torch_sleep_while_they_wait(monkeypatch: pytest.MonkeyPatch, given: str | None, held: str) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    seen: list[str] = []
    monkeypatch.setattr("service.process.run", lambda *_, **options: seen.append(os.environ["OMP_WAIT_POLICY"]))
    result = CliRunner().invoke(app, ["serve", "--port", "0"])
    assert result.exit_code == 0, result.output
    assert seen == [held]
