"""The command `kshot`. Each command imports what it needs when it runs, so that help is instant and free of torch."""

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from service import training

if TYPE_CHECKING:
    from service.client import Client

app = typer.Typer(
    name="kshot",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Few-shot adaptation as a service: send a few labelled examples, get a task that predicts.",
)

keys = typer.Typer(no_args_is_help=True, help="API keys, straight in the database of KSHOT_DATABASE_URL.")
app.add_typer(keys, name="keys")

Url = Annotated[str, typer.Option(envvar="KSHOT_URL", help="Where the service listens.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
LOCAL = "http://127.0.0.1:8000"
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
    listener = _listen(host, port)
    auth = _authentication(host, listener)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    typer.echo(f"kshot is starting on {url} (documentation: {url}/docs). Ctrl-C stops it.")
    typer.echo(AUTHENTICATION[auth])

    from service.process import run

    run(listener, url, auth=auth, migrate=migrate, demo=demo)


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


@app.command(epilog="Example: kshot demo --url http://127.0.0.1:9000")
def demo(url: Url = LOCAL) -> None:
    """Let the service learn ten handwritten digits from fifty scans, and ask it about 1,747 others, five times over."""
    from service.demo import MissingExtra, demonstrate

    with _clear_errors():
        try:
            demonstrate(url, Console(), api_key=_api_key())
        except MissingExtra as missing:
            _fail(str(missing))


@app.command(epilog="Example: kshot models")
def models(url: Url = LOCAL, as_json: AsJson = False) -> None:
    """List the models that can be adapted."""
    with _clear_errors(), _connect(url) as kshot:
        found = kshot.models()
    if as_json:
        _print_json([model.model_dump(mode="json") for model in found])
        return
    table = Table("model", "input", "kind", "digest", box=None)
    for model in found:
        sizes = f" of {model.input_dim}" if model.input_dim else ""
        table.add_row(model.name, ", ".join(model.modalities) + sizes, ", ".join(model.kinds), model.digest[:12])
    Console().print(table)


@app.command(epilog="Example: kshot adapt letters/ --model glyphs, where letters/ has one folder of images a label")
def adapt(
    source: Annotated[
        Path, typer.Argument(exists=True, help="A JSON body of POST /v1/tasks, or a folder with a folder a label.")
    ],
    model: Annotated[str, typer.Option(help="The model to adapt, when the source is a folder.")] = "glyphs",
    name: Annotated[str | None, typer.Option(help="A name for the task, when the source is a folder.")] = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Make a task from labelled examples and print its id."""
    from service.schemas import CreateTask

    with _clear_errors(), _connect(url) as kshot:
        if source.is_dir():
            images = sorted(path for path in source.glob("*/*") if path.is_file() and not path.name.startswith("."))
            if not images:
                raise typer.BadParameter(f"{source} holds no folders of images, one a label.")
            task = kshot.adapt(model, images, labels=[path.parent.name for path in images], name=name)
        else:
            task = kshot.create(CreateTask.model_validate_json(source.read_bytes()))
    if as_json:
        _print_json(task.model_dump(mode="json"))
        return
    typer.echo(f"{task.kind} by {task.model}, {task.num_support} examples, {task.timing.compute_ms:.0f} ms", err=True)
    typer.echo(task.id)


@app.command(epilog="Example: kshot predict task_01KAZ0 letters/unknown.png")
def predict(
    task: Annotated[str, typer.Argument(help="The id that `kshot adapt` printed.")],
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="A JSON body of .../predictions, or images.")
    ],
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Ask a task about images, or about the inputs of a JSON body."""
    from service.schemas import Classification, CreatePredictions, Regression

    with _clear_errors(), _connect(url) as kshot:
        if files[0].suffix == ".json":
            request = CreatePredictions.model_validate_json(files[0].read_bytes())
            answer, names = kshot.ask(task, request), [str(number) for number in range(len(request.inputs))]
        else:
            answer, names = kshot.predict(task, files), [str(path) for path in files]
    if as_json:
        _print_json(answer.model_dump(mode="json"))
        return
    table = Table("input", "answer", "", box=None)
    for shown, found in zip(names, answer.predictions, strict=True):
        if isinstance(found, Classification):
            table.add_row(shown, found.label, f"{found.scores[found.label]:.1%}")
        elif isinstance(found, Regression):
            table.add_row(shown, str(found.mean), f"± {found.std}")
    Console().print(table)


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


@keys.command("revoke", epilog="Example: kshot keys revoke 0123456789ab")
def revoke_key(prefix: Annotated[str, typer.Argument(help="The middle part of the key, as `list` shows it.")]) -> None:
    """End a key for good."""
    from service.key_commands import revoke

    revoke(prefix)


app.command(epilog="Example: kshot train glyphs --set num_steps=200 --out runs/short")(training.train)
app.command(epilog="Example: kshot evaluate glyphs --choosing")(training.evaluate)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything slow happens."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        _fail(f"Cannot listen on {host}:{port}: {reason}. Choose another port: --port, or PORT= for make.")


def _authentication(host: str, listener: socket.socket) -> Literal["on", "off"]:
    """What KSHOT_AUTH says; unset, off where only this machine can connect."""
    from service.settings import Settings

    given = Settings().auth
    if given is None and not ip_address(listener.getsockname()[0]).is_loopback:
        listener.close()
        _fail(
            f"{host} can be reached from other machines. Set KSHOT_AUTH=on and make a key with `kshot keys create`, "
            "or set KSHOT_AUTH=off explicitly to let everyone in."
        )
    return given or "off"


def _connect(url: str) -> "Client":
    """A client with the key of KSHOT_API_KEY; not an option, as arguments are for all to see."""
    from service.client import Client

    return Client(url, api_key=_api_key())


def _api_key() -> str | None:
    return os.environ.get("KSHOT_API_KEY") or None


@contextmanager
def _clear_errors() -> Iterator[None]:
    """What goes wrong between here and the service, as a sentence instead of a traceback."""
    from pydantic import ValidationError

    from service.errors import KshotError

    try:
        yield
    except KshotError as error:
        several = error.errors if len(error.errors) > 1 else ()  # of one, the sentence tells already
        _fail("\n".join([str(error), *(f"  {each.path}: {each.message}" for each in several)]))
    except ValidationError as error:
        _fail(f"The file is not a valid request: {error}")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _print_json(answer: object) -> None:
    typer.echo(json.dumps(answer, indent=2))


if __name__ == "__main__":
    app()
