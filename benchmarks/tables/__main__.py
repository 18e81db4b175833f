"""The command `python -m benchmarks.tables`: the model `tables` beside other ways, on sets it never learned from."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.page import command, put, table
from benchmarks.tables.rivals import RIVALS, Labels, answered, designed
from benchmarks.tables.sets import FOLDER, SHOTS, Drawn, read
from models import zoo
from models.checkpoint import Checkpoint, load
from models.data.small_tables import names_of
from models.training.evaluate import hardware
from models.training.ledger import append
from models.types import Classes, Logits, Support, full_rows

PAGE, CACHE = Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
METHODS = ("kshot", *RIVALS)
ABOUT = """Accuracy in %, mean over draws of the rows that are shown: 5 or 10 of each class; asked are up to 200 of \
the others, as they come. A set whose smallest class has fewer than two rows to spare is left out. Rank 1 is the best \
of the four, equals share. `kshot` is the model `tables` as it ships, trained on made-up tables alone; the others are \
of scikit-learn with its defaults, behind standardised numbers, means where numbers are missing with a column that \
says so, and a column a word."""

Scores = Mapping[str, Mapping[str, float]]  # by set, by method


def ours(checkpoint: Checkpoint, task: Drawn) -> Labels:
    """The classes that the model gives the queries."""
    ways = torch.ones(1, int(task.classes.max()) + 1, dtype=torch.bool)
    target = Classes(torch.from_numpy(task.classes)[None], ways)
    with torch.inference_mode():
        support = Support(full_rows(torch.from_numpy(task.support)[None]), target)
        params = checkpoint.learner.adapt(support)
        scores = checkpoint.learner.predict(params, full_rows(torch.from_numpy(task.query)[None]))
    assert isinstance(scores, Logits)
    found: Labels = scores.values[0].argmax(-1).numpy()
    return found


def measured(checkpoint: Checkpoint, data: Path, name: str, shots: int, num_draws: int) -> dict[str, float]:
    """Each method's mean accuracy on one set; nothing where the set is left out."""
    hits: dict[str, list[float]] = {method: [] for method in METHODS}
    for task in read(data, name).tasks(shots, num_draws):
        support, query = designed(task.support, task.query)
        for method in METHODS:
            said = ours(checkpoint, task) if method == "kshot" else answered(method, support, task.classes, query)
            hits[method].append(float((said == task.truth).mean()))
    return {method: 100 * float(np.mean(each)) for method, each in hits.items() if each}


def ranks(scores: Sequence[float]) -> list[float]:
    """The place of each, from 1 for the highest; equals share the mean of theirs."""
    return [sum(other > own for other in scores) + (1 + sum(other == own for other in scores)) / 2 for own in scores]


def shown(scores: Scores, shots: int) -> str:
    """The table of one number of shots: a row a set, and the means."""
    rows = [[name, *(f"{each[method]:.1f}" for method in METHODS)] for name, each in scores.items()]
    values = [[each[method] for method in METHODS] for each in scores.values()]
    rows.append(["mean", *(f"{mean:.1f}" for mean in np.mean(values, 0))])
    rows.append(["**mean rank**", *(f"**{mean:.2f}**" for mean in np.mean([ranks(each) for each in values], 0))])
    return table([f"{shots} of each class", *METHODS], rows)


def tables(
    draws: Annotated[int, typer.Option(help="Of the rows that are shown.")] = 5,
    model: Annotated[Path | None, typer.Option(help="The folder of the model; that which ships by default.")] = None,
    results: Annotated[Path, typer.Option(help="The page of the tables, and the ledger of test reads.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """The 20 sets of tabular_cls beside logistic regression, a random forest and the nearest centroid."""
    torch.set_num_threads(1)
    checkpoint = load(model or Path(next(iter(zoo.__path__))) / "tables")
    sets = names_of(FOLDER)
    append(results, _entry(checkpoint.digest, sets, draws))
    parts = [
        f"`{command('tables')}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}; {draws} draws.",
        ABOUT,
    ]
    for shots in SHOTS:
        found = {name: measured(checkpoint, cache, name, shots, draws) for name in sets}
        parts.append(shown({name: scores for name, scores in found.items() if scores}, shots))
        typer.echo(parts[-1])
    put(results, "tables", "\n\n".join(parts))
    append(results, "\n" + "\n\n".join(parts[2:]) + "\n")


def _entry(digest: str, sets: Sequence[str], draws: int) -> str:
    """The entry in the ledger, written before anything is read."""
    return "\n".join(
        [
            f"\n## tables, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n",
            f"- command: `{command('tables')}`, {hardware()}",
            f"- digest: `{digest}`",
            f"- read: {FOLDER}, all of {', '.join(sets)}; {draws} draws of {' and '.join(map(str, SHOTS))} a class\n",
        ]
    )


if __name__ == "__main__":
    typer.run(tables)
