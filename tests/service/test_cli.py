"""The command `kshot`: quick help, an example everywhere, clear errors."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

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


def test_migrate_can_be_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/kshot.db")
    first, second = (CliRunner().invoke(app, ["migrate"]) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    assert first.output == second.output
