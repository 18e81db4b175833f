"""The command `kshot`. Each command imports what it needs when it runs, so that help is instant and free of torch."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    name="kshot",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Few-shot adaptation as a service: send a few labelled examples, get a task that predicts.",
)

Url = Annotated[str, typer.Option(envvar="KSHOT_URL", help="Where the service listens.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
LOCAL = "http://127.0.0.1:8000"


@app.command(epilog="Example: kshot serve --port 9000")
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every interface.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    migrate: Annotated[
        bool | None,
        typer.Option(
            help="Bring the database to the newest schema first.", show_default="yes for SQLite, no for PostgreSQL"
        ),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Run `kshot demo` against it, then keep serving.")] = False,
) -> None:
    """Serve over HTTP until Ctrl-C or SIGTERM; accepted requests are finished first."""
    listener = _listen(host, port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    typer.echo(f"kshot is starting on {url} (documentation: {url}/docs). Ctrl-C stops it.")

    import uvicorn

    from service.app import create_app
    from service.settings import Settings
    from service.storage.migrate import upgrade

    settings = Settings()
    if settings.database_url.startswith("sqlite") if migrate is None else migrate:
        upgrade(settings.database_url)
    config = uvicorn.Config(
        create_app(settings),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=round(settings.drain_timeout_s),
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again when it is done; then they are harmless
        signal.signal(number, server.handle_exit)
    demonstration = subprocess.Popen([sys.executable, "-m", "service.cli", "demo", "--url", url]) if demo else None
    try:
        server.run(sockets=[listener])
    finally:
        if demonstration is not None:
            demonstration.terminate()
            demonstration.wait()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything slow happens."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        typer.echo(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another port with --port.", err=True)
        raise typer.Exit(1) from None


@app.command(epilog="Example: KSHOT_DATABASE_URL=postgresql+psycopg://kshot@localhost/kshot kshot migrate")
def migrate() -> None:
    """Bring the database of KSHOT_DATABASE_URL to the newest schema; harmless to repeat."""
    from service.settings import Settings
    from service.storage.migrate import head, upgrade

    upgrade(Settings().database_url)
    typer.echo(f"The database is at revision {head()}.")


@app.command(epilog="Example: KSHOT_CACHE_MIB=2048 kshot settings")
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/settings.md instead.")] = False,
) -> None:
    """Show every setting: its value in force, its default, its meaning."""
    from service.reference import page, rows
    from service.settings import Settings

    if markdown:
        typer.echo(page(), nl=False)
        return
    table = Table("setting", "in force", "meaning", box=None)
    for name, value, _, meaning in rows(Settings()):
        table.add_row(name, value, meaning)
    Console().print(table)


if __name__ == "__main__":
    app()
