"""The command `python -m benchmarks.accuracy frames-choosing`: the constants of `frames`, on domains left out."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.frames.command import CACHE, PAGE, SHOTS
from benchmarks.page import command, put, table
from models.checkpoint import load
from models.data.episodes import Batch
from models.data.frames import FrameSet, episode, read
from models.encoders.words import Words
from models.inputs.frame import FrameInput
from models.learner import Learner
from models.training.evaluate import hardware
from models.training.frames import HELD_OUT, SET_AT_END, bolder, counts, figures_of, frozen, thinned

QUERIES = 8  # of each intent
STEPS = {"bolder": 0.5, "usual": 0.5, "scale": 0.4, "penalty": 1.0}  # that each constant is moved by, both ways
ABOUT = """Slot F1 in % (and accuracy of whole frames, mean of all columns) on domains left out of training: SGD's \
{sgd}; HWU64's {hwu64}, all intents of a set at once. The model is that of `kshot train frames --set hold_out=true`. \
Each row moves its constants once training has ended, see `bolder` in models/training/frames.py; the first is what \
ships. No test set is read. Means over the same draws of tasks, so that rows compare better than the figures' own \
errors say."""


def choosing(
    folder: Annotated[Path, typer.Option(help="Of a model trained with hold_out=true.")],
    draws: Annotated[int, typer.Option(help="Of tasks, of each set and number of shots.")] = 6,
    results: Annotated[Path, typer.Option(help="The page of the table.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """What the constants of `frames` are chosen by: each moved both ways, on domains left out of training."""
    torch.set_num_threads(1)
    checkpoint, rows = load(folder), []
    learner = checkpoint.learner
    tasks = {(name, shots): _tasks(left, shots, draws) for name, left in left_out(cache) for shots in SHOTS}
    for told, constants in variants():
        bolder(learner, {name: value - SET_AT_END[name] for name, value in constants.items()})
        rows.append([told, *_row(learner, tasks)])
        bolder(learner, {name: SET_AT_END[name] - value for name, value in constants.items()})
        typer.echo(" ".join(rows[-1]))
    made = f"`{command()}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}."
    made = f"{made} Model: `{checkpoint.digest[:12]}`."
    about = ABOUT.format(**{name: ", ".join(domains) for name, domains in HELD_OUT.items()})
    columns = [f"{name}, {shots}-shot" for name, shots in tasks]
    put(results, "frames-choosing", "\n\n".join([made, about, table(["constants", *columns, "mean", "frames"], rows)]))


def variants() -> Iterator[tuple[str, Mapping[str, float]]]:
    """What ships; none of it; then each constant moved both ways."""
    yield ", ".join(f"{name} {value:+g}" for name, value in SET_AT_END.items()), SET_AT_END
    yield "none of them", dict.fromkeys(SET_AT_END, 0.0)
    for name, step in STEPS.items():
        for value in (SET_AT_END[name] - step, SET_AT_END[name] + step):
            yield f"{name} {value:+g}", {**SET_AT_END, name: value}


def left_out(cache: Path) -> Iterator[tuple[str, FrameSet]]:
    """The domains of each set that no training of a model with hold_out=true saw."""
    base = Words().eval()
    for name, domains in HELD_OUT.items():
        left = [frame for frame in read(name, cache, "train") if frame.domain in domains]
        yield name, frozen(base, FrameInput(), thinned(left))


def _tasks(frames: FrameSet, shots: int, draws: int) -> list[Batch]:
    everything = [intent for domain in frames.domains for intent in domain]
    seeds = [torch.Generator().manual_seed(1000 * shots + draw) for draw in range(draws)]
    return [episode(frames, everything, shots, QUERIES, seed) for seed in seeds]


def _row(learner: Learner, tasks: Mapping[tuple[str, int], list[Batch]]) -> list[str]:
    found = [figures_of(np.sum([counts(learner, batch) for batch in own], axis=0)) for own in tasks.values()]
    slots, whole = ([each[figure] for each in found] for figure in ("slots", "frame"))
    return [f"{value:.1f}" for value in (*slots, np.mean(slots), np.mean(whole))]
