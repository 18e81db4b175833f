"""The command that fits the appraisal of a model and puts it beside its weights."""

from pathlib import Path
from typing import Annotated

import typer

from models.card import WEIGHTS
from models.checkpoint import load, write_appraisal
from models.training.appraisals.fitting import appraised
from models.training.appraisals.sources import OF_NUMBERS, SOURCES

ZOO = Path(__file__).parents[1] / "zoo"


def appraise(
    model: Annotated[str, typer.Argument(help=f"One of {', '.join(SOURCES)}.")],
    data: Annotated[Path, typer.Option(envvar="KSHOT_DATA", help="The folder of data sets.")],
    models: Annotated[Path, typer.Option(help="The folder of models; the appraisal is written into it.")] = ZOO,
    twin: Annotated[Path | None, typer.Option(help="Of text and photos: runs of `benchmarks.accuracy`.")] = None,
    numbers: Annotated[bool, typer.Option("--numbers", help="Of a model of both kinds: of its regressions.")] = False,
) -> None:
    """Fit what a model tells of a task before its first query; no digest moves, as no answer does."""
    sources = OF_NUMBERS if numbers else SOURCES
    if model not in sources:
        raise typer.BadParameter(f"there is no source of tasks for {model!r}; there are {', '.join(sources)}")
    checkpoint = load(models / model)
    fitting = sources[model](checkpoint, data, twin)
    kind = "regression" if numbers else checkpoint.card.kinds[0]
    found = appraised(checkpoint.learner.head, kind, fitting.source, fitting.num_tasks, _show)
    options = [*(["--twin FOLDER"] if twin else []), *(["--numbers"] if numbers else [])]
    command = " ".join(["python -m models.training.appraise", model, *options])
    write_appraisal(models / model, found, {"command": command, "tasks": str(fitting.num_tasks), "data": fitting.told})
    typer.echo(f"{model}: {fitting.num_tasks} tasks, {fitting.told}; beside {models / model / WEIGHTS}")


def _show(done: int) -> None:
    if done % 200 == 0:
        typer.echo(f"{done} tasks", err=True)


if __name__ == "__main__":
    typer.run(appraise)
