"""The command `kshot`. Each command imports what it needs when it runs, so that help is instant and free of torch."""

import gc
import os
import re
import socket
from ipaddress import ip_address
from typing import Annotated, Literal

import typer

from models.bases import look_ahead
from service import (
    data_sets,
    job_commands,
    life_commands,
    limit_commands,
    moving_commands,
    screen,
    task_commands,
    training,
    tuning,
)
from service.terminal import (
    LOCAL,
    AsJson,
    Url,
    api_key,
    clear_database_errors,
    clear_errors,
    connect,
    fail,
    print_json,
    settings_in_force,
    tell_unknown_settings,
    where_stored,
)

app = typer.Typer(
    name="kshot",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Few-shot adaptation as a service: send a few labelled examples, get a task that predicts.",
)

keys = typer.Typer(no_args_is_help=True, help="API keys, straight in the database of KSHOT_DATABASE_URL.")
app.add_typer(keys, name="keys")
tenants = typer.Typer(no_args_is_help=True, help="What tenants allow, straight in the database of KSHOT_DATABASE_URL.")
app.add_typer(tenants, name="tenants")
app.add_typer(data_sets.app, name="data")
app.add_typer(moving_commands.tasks, name="tasks")
app.add_typer(job_commands.jobs, name="jobs")

AUTHENTICATION = {
    "on": "Authentication is on: requests need a key, which `kshot keys create` makes.",
    "off": "Authentication is off: whoever reaches this address may do everything.",
}


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
    with _listen(host, port) as listener:
        auth = _authentication(host, listener)
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        typer.echo(f"kshot is starting on {url} (documentation: {url}/docs). Ctrl-C stops it.")
        typer.echo(AUTHENTICATION[auth])
        typer.echo(where_stored(settings_in_force().database_url))
        tell_unknown_settings()

        # torch's threads sleep when they wait for each other: awake, they would take the cores of the event loop
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        look_ahead()
        gc.disable()  # until all is loaded: it would look through what stays again and again, an eighth of the start
        try:
            from service.process import run

            run(listener, url, auth=auth, migrate=migrate, demo=demo)
        finally:
            gc.enable()


@app.command(epilog="Example: KSHOT_DATABASE_URL=postgresql+psycopg://kshot@localhost/kshot kshot migrate")
def migrate(
    finish: Annotated[
        bool, typer.Option("--finish", help="End a deployment: no process of the release before runs any more.")
    ] = False,
) -> None:
    """Bring the database of KSHOT_DATABASE_URL to the newest schema; harmless to repeat.

    On a database in use it stops before what processes of the release before cannot live with: replace them, then run
    it again with --finish.
    """
    from service.storage.migrate import head, revision_of, upgrade

    url = settings_in_force().database_url
    with clear_database_errors(url):
        upgrade(url, finish=finish)
        found = revision_of(url)
    typer.echo(f"The database is at revision {found}.")
    if found != head():
        typer.echo("When no process of the release before is left: kshot migrate --finish")


@app.command(epilog="Example: kshot doctor --json")
def doctor(as_json: AsJson = False) -> None:
    """Examine the database of KSHOT_DATABASE_URL: exit status 1 if anything is broken. It changes nothing."""
    from service.doctor import report

    report(as_json=as_json)


@app.command(epilog="Example: KSHOT_CACHE_MIB=2048 kshot settings")
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/settings.md instead.")] = False,
) -> None:
    """Show every setting: its value in force, its default, its meaning."""
    from service.reference import page, rows

    if markdown:
        typer.echo(page(), nl=False)
        return
    shown = [(name, value, meaning) for name, value, _, meaning in rows(settings_in_force())]
    screen.show(screen.table("setting", "in force", "meaning", rows=shown, whole=["setting"]))
    tell_unknown_settings()


@app.command(epilog="Example: kshot demo --model text")
def demo(
    url: Url = LOCAL,
    model: Annotated[
        str, typer.Option(help="glyphs: handwritten digits; text: messages to a bank; photos: goods in a shop.")
    ] = "glyphs",
) -> None:
    """Let the service learn from a few examples and ask it about many others: digits, messages, photographs."""
    from service import demo, demo_photos, demo_text
    from service.demo import MissingExtra

    demos = {"glyphs": demo.demonstrate, "text": demo_text.demonstrate, "photos": demo_photos.demonstrate}
    if model not in demos:
        raise typer.BadParameter(f"There is no demonstration of {model!r}; there are {', '.join(demos)}.")
    with clear_errors():
        try:
            demos[model](url, screen.screen(), api_key=api_key())
        except MissingExtra as missing:
            fail(str(missing))


@app.command(epilog="Example: kshot models")
def models(url: Url = LOCAL, as_json: AsJson = False) -> None:
    """List the models that can be adapted."""
    with clear_errors(), connect(url) as kshot:
        found = kshot.models()
    if as_json:
        print_json([model.model_dump(mode="json") for model in found])
        return
    rows = []
    for model in found:
        sizes = f" of {model.input_dim}" if model.input_dim else ""
        rows.append((model.name, ", ".join(model.modalities) + sizes, ", ".join(model.kinds), model.digest[:12]))
    screen.show(screen.table("model", "input", "kind", "digest", rows=rows, whole=["model", "digest"]))


@keys.command("create", epilog="Example: kshot keys create --tenant acme --scope adapt --scope predict")
def create_key(
    tenant: Annotated[str, typer.Option(help="Whose tasks the key opens: letters, digits and . _ -")],
    scope: Annotated[
        list[str], typer.Option(help="adapt (write), predict (read and ask) or admin (both); may be repeated.")
    ],
    expires_days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it ends by itself.")] = None,
    name: Annotated[str | None, typer.Option(help="What it is for, to tell it from others.")] = None,
) -> None:
    """Make a key and print it, once."""
    from service.key_commands import create

    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", tenant):
        raise typer.BadParameter("expected 1 to 100 letters, digits and . _ -", param_hint="--tenant")
    create(tenant, scope, expires_days, name)


@keys.command("list", epilog="Example: kshot keys list")
def list_keys() -> None:
    """Show every key: whose it is, what it may do, when it was last used. The secrets are nowhere to be shown from."""
    from service.key_commands import show

    show()


@tenants.command("set", epilog="Example: kshot tenants set acme --train-from-tasks")
def set_tenant(
    tenant: Annotated[str, typer.Argument(help="Who.")],
    train_from_tasks: Annotated[
        bool, typer.Option(help="Whether `kshot train --from-tasks` may learn from this tenant's tasks.")
    ],
) -> None:
    """Say what a tenant allows; nothing is allowed that was not said."""
    from service.key_commands import allow

    allow(tenant, train_from_tasks=train_from_tasks)


@tenants.command("list", epilog="Example: kshot tenants list")
def list_tenants() -> None:
    """Show of whom something was said."""
    from service.key_commands import show_tenants

    show_tenants()


@keys.command("revoke", epilog="Example: kshot keys revoke 0123456789ab")
def revoke_key(prefix: Annotated[str, typer.Argument(help="The middle part of the key, as `list` shows it.")]) -> None:
    """End a key for good."""
    from service.key_commands import revoke

    revoke(prefix)


app.command(epilog="Example: kshot adapt letters/ --model glyphs, where letters/ has one folder of images a label")(
    task_commands.adapt
)
app.command(epilog="Example: kshot predict task_01KAZ0 letters/unknown.png")(task_commands.predict)
for command, example in (
    (life_commands.show, "show task_01KAZ0"),
    (life_commands.extend, "extend task_01KAZ0 more.csv"),
    (life_commands.forget, "forget task_01KAZ0 example_01KAZ1"),
    (life_commands.versions, "versions task_01KAZ0"),
    (life_commands.rollback, "rollback task_01KAZ0 1"),
    (life_commands.delete, "delete task_01KAZ0 --yes"),
    (life_commands.evaluate, "evaluate task_01KAZ0 held_out.csv --none-label other"),
):
    moving_commands.tasks.command(epilog=f"Example: kshot tasks {example}")(command)
app.command(epilog="Example: kshot export task_01KAZ0 task_01KAZ1 -o tasks.kshot")(moving_commands.export)
app.command("import", epilog="Example: kshot import tasks.kshot --url http://127.0.0.1:9000")(moving_commands.import_)
app.command(epilog="Example: kshot limits --json")(limit_commands.limits)
app.command(epilog="Example: kshot train glyphs --set num_steps=200 --out runs/short")(training.train)
app.command(epilog="Example: kshot evaluate glyphs --choosing")(training.evaluate)
app.command(epilog="Example: kshot tune universal --range rate=1e-3..1e-2 --set num_steps=60")(tuning.tune)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything slow happens."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        fail(f"Cannot listen on {host}:{port}: {reason}. Choose another port: --port, or PORT= for make.")


def _authentication(host: str, listener: socket.socket) -> Literal["on", "off"]:
    """What KSHOT_AUTH says; unset, off where only this machine can connect."""
    given = settings_in_force().auth
    if given is None and not ip_address(listener.getsockname()[0]).is_loopback:
        fail(
            f"{host} can be reached from other machines. Set KSHOT_AUTH=on and make a key with `kshot keys create`, "
            "or set KSHOT_AUTH=off explicitly to let everyone in."
        )
    return given or "off"


if __name__ == "__main__":
    app()
