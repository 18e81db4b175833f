"""The command `kshot tune`: arguments of a recipe, searched on its validation tasks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from service.data_sets import CACHE, Cache, with_data
from service.terminal import fail
from service.training import arguments_of


def tune(
    recipe: Annotated[str, typer.Argument(help="A recipe of `kshot train`.", show_default=False)],
    ranges: Annotated[
        list[str], typer.Option("--range", metavar="KEY=LOW..HIGH", help="What to search, or KEY=ONE|ANOTHER.")
    ],
    chosen: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An argument that stays; may be repeated.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Runs in all, those that are remembered among them.")] = 20,
    metric: Annotated[
        str | None, typer.Option(help="The figure of validation that counts.", show_default="their mean")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where tries are kept, of each search apart.", show_default="runs/tune-RECIPE"),
    ] = None,
    cache: Cache = CACHE,
) -> None:
    """Search a recipe's arguments (weights, sizes, rates) by short runs on validation tasks; no test set is read."""
    from models.bases import MissingBase
    from models.training.recipes import RECIPES
    from models.training.tune import NotTunable, read_range
    from models.training.tune import tune as search

    if recipe not in RECIPES:
        raise typer.BadParameter(f"There is no recipe {recipe!r}; there are {', '.join(RECIPES)}.")
    kept, folder = arguments_of(chosen or []), out or Path("runs") / f"tune-{recipe}"

    def made(**searched: Any) -> Any:
        return with_data(lambda: RECIPES[recipe](cache, **kept, **searched), cache)

    made.__signature__ = _rest(RECIPES[recipe])  # type: ignore[attr-defined]  # what can be searched
    try:
        study = search(
            made,
            [read_range(each) for each in ranges],
            folder,
            trials,
            metric,
            _told,
            fixed={"recipe": recipe, **kept},
        )
    except ImportError:
        fail("Searching needs the package optuna: pip install 'kshot[train]'.")
    except (NotTunable, MissingBase, TypeError, ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None
    best = {**kept, **study.best_params}
    typer.echo(f"best: {study.best_value:.4f} with {_shown(study.best_params)}")
    typer.echo(f"kshot train {recipe} {' '.join(f'--set {key}={value}' for key, value in best.items())}")


def _rest(make: Any) -> Any:
    """What a recipe takes beside the folder of data."""
    import inspect

    signature = inspect.signature(make)
    return signature.replace(parameters=[each for name, each in signature.parameters.items() if name != "data"])


def _told(number: int, value: float, arguments: Mapping[str, Any]) -> None:
    typer.echo(f"try {number}: {value:.4f} with {_shown(arguments)}")


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in arguments.items()
    )
