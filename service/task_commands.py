"""The commands that make a task and ask it: `kshot adapt` and `kshot predict`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.terminal import LOCAL, AsJson, Url, clear_errors, connect, print_json


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

    with clear_errors(), connect(url) as kshot:
        if source.is_dir():
            images = sorted(path for path in source.glob("*/*") if path.is_file() and not path.name.startswith("."))
            if not images:
                raise typer.BadParameter(f"{source} holds no folders of images, one a label.")
            task = kshot.adapt(model, images, labels=[path.parent.name for path in images], name=name)
        else:
            task = kshot.create(CreateTask.model_validate_json(source.read_bytes()))
    if as_json:
        print_json(task.model_dump(mode="json"))
        return
    typer.echo(f"{task.kind} by {task.model}, {task.num_support} examples, {task.timing.compute_ms:.0f} ms", err=True)
    typer.echo(task.id)


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

    with clear_errors(), connect(url) as kshot:
        if files[0].suffix == ".json":
            request = CreatePredictions.model_validate_json(files[0].read_bytes())
            answer, names = kshot.ask(task, request), [str(number) for number in range(len(request.inputs))]
        else:
            answer, names = kshot.predict(task, files), [str(path) for path in files]
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    table = Table("input", "answer", "", box=None)
    for shown, found in zip(names, answer.predictions, strict=True):
        if isinstance(found, Classification):
            table.add_row(shown, found.label, f"{found.scores[found.label]:.1%}")
        elif isinstance(found, Regression):
            table.add_row(shown, str(found.mean), f"± {found.std}")
    Console().print(table)
