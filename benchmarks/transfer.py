"""`python -m benchmarks.transfer`: what tasks gain by learning from earlier ones, and what it costs where it is no use.

Every trial is paired: the same examples, the same queries, alone and with earlier tasks to choose among.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.page import command, put, table
from models import zoo
from models.checkpoint import Checkpoint, load
from models.data.episodes import generator
from models.training.evaluate import hardware
from models.training.ledger import append
from models.training.transfer import FAMILIES, Drawn, Family, Trial, disordered, drawn, families, trial
from models.transfer import Lesson

SHOTS = (1, 2, 3)
READS = {
    "glyphs": "Omniglot evaluation (5 alphabets, 8 characters each)",
    "text": "SNIPS test and train (40 texts an intent)",
}
PAGE, CACHE = Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
ABOUT = """A new task of five labels (of `curves`, of one target) may learn from four earlier tasks. `related`: one of \
them knows ten more examples of each label, the others use the same labels for other things. `hostile`: all four do. \
Accuracy in %, of `curves` the share of variance explained; `gain` is the mean of the differences trial by trial, \
± 1.96 standard errors over trials, which are of the same few alphabets, or of one set: how much others would move it \
is not in it; `took`: trials in which anything was learned from."""


def main(
    model: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    trials: Annotated[int, typer.Option(help="A model, number of shots and setting.")] = 500,
    results: Annotated[Path, typer.Option(help="The page of the tables, and the ledger of test reads.")] = PAGE,
    choosing: Annotated[
        bool, typer.Option("--choosing", help="On what was kept for choosing; nothing is written.")
    ] = False,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of public sets.")] = CACHE,
) -> None:
    """Measure every model that has families of tasks to be tried on."""
    torch.set_num_threads(1)
    rows: list[list[str]] = []
    for name in model or list(FAMILIES):
        checkpoint = load(Path(next(iter(zoo.__path__))) / name)
        if not choosing and name in READS:
            append(results, _entry(checkpoint, READS[name]))
        found = families(checkpoint, cache, test=not choosing)
        for shots in SHOTS:
            rows += [
                _row(name, checkpoint, found, shots, trials, is_related=is_related) for is_related in (True, False)
            ]
            typer.echo(" | ".join(rows[-2]) + "\n" + " | ".join(rows[-1]))
    if not choosing:
        head = ("model", "shots", "earlier tasks", "alone", "with them", "gain", "took")
        told = f"`{command('transfer')}`, {trials} trials a row, {hardware()}\n\n{ABOUT}\n\n"
        put(results, "transfer", told + table(head, rows))


def measured(
    checkpoint: Checkpoint, found: Sequence[Family], shots: int, trials: int, *, is_related: bool
) -> list[Trial]:
    """So many trials, each of another draw of another family."""
    done = []
    with torch.inference_mode():
        for number in range(trials):
            family = found[number % len(found)]
            task = drawn(family, shots, generator(number, shots))
            others = _others(found, number, shots, task)
            done.append(trial(checkpoint.learner.head, task, [task.other, *others[1:]] if is_related else others))
    return done


def _others(found: Sequence[Family], number: int, shots: int, task: Drawn) -> list[Lesson]:
    """Four tasks with the same labels for other things: of other families, and of the task's own in disorder."""
    places = [place for place in range(len(found)) if place != number % len(found)]
    chosen = [places[(number // len(found) + n) % len(places)] for n in range(min(3, len(places)))]
    others = [drawn(found[place], shots, generator(number, 7 + place)).other for place in chosen]
    hostile = [disordered(task.other)]
    while len(hostile) + len(others) < 4:
        hostile.append(disordered(hostile[-1]) if not task.own.target.is_floating_point() else hostile[-1])
    return [*others[:1], *hostile, *others[1:]][:4]


def _row(
    name: str, checkpoint: Checkpoint, found: Sequence[Family], shots: int, trials: int, *, is_related: bool
) -> list[str]:
    done = measured(checkpoint, found, shots, trials, is_related=is_related)
    gains = np.array([each.gain for each in done])
    alone, taught = (100 * float(np.mean([getattr(each, side) for each in done])) for side in ("alone", "taught"))
    took = np.mean([bool(each.chosen) for each in done])
    half = 1.96 * gains.std(ddof=1) / len(gains) ** 0.5
    setting = "related" if is_related else "hostile"
    return [
        name, str(shots), setting, f"{alone:.1f}", f"{taught:.1f}", f"{gains.mean():+.2f} ± {half:.2f}", f"{took:.0%}"
    ]  # fmt: skip


def _entry(checkpoint: Checkpoint, reads: str) -> str:
    """The ledger is told before anything is read."""
    return (
        f"\n## {checkpoint.card.name}, learning from earlier tasks, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n"
        f"- command: `{command('transfer')}`, {hardware()}\n- digest: `{checkpoint.digest}`\n"
        f"- read: {reads}; figures in the table of transfer\n"
    )


if __name__ == "__main__":
    typer.run(main)
