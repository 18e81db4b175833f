"""The command `python -m benchmarks.accuracy text`: cell by cell, kept as it goes, so that a cut run goes on."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache as remembered
from functools import partial
from itertools import chain
from pathlib import Path
from time import process_time
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.page import command, put
from benchmarks.text import tables
from benchmarks.text.asked import Asked
from benchmarks.text.features import Features, features_of
from benchmarks.text.methods import METHODS, OURS, REVISIONS
from benchmarks.text.probe import Probe
from benchmarks.text.setfit import ITERATIONS, setfit
from benchmarks.text.sets import LEFT_OUT, SETS, SHOTS, TextSet, cells, clinc150
from benchmarks.text.unknown import DOUBTS, SIZES, Sized, accepted, auroc, subtasks, threshold
from models.checkpoint import Checkpoint, load
from models.encoders.minilm import MiniLM
from models.training.ledger import append
from models.training.publish import publish
from models.training.text import text as text_run
from models.training.train import train

UNKNOWN_DRAWS = 3
SETFIT = f"SetFit, {ITERATIONS} iterations"
ALL = {**METHODS, SETFIT: setfit}  # the last takes minutes, and only where it is named; it needs the extra setfit
RUNS, PAGE, CACHE = Path("runs/accuracy/text"), Path("docs/results.md"), Path("~/.cache/kshot").expanduser()


@dataclass(frozen=True)
class Cell:
    """One figure of one draw."""

    method: str
    set: str
    shots: int
    draw: int
    figure: str
    value: float
    cpu_s: float
    model: str  # the digest of what was measured; or how, where a rival is measured otherwise than before


@dataclass(frozen=True)
class Wanted:
    """What is still to be measured: so many figures of one method."""

    method: str
    set: str
    shots: int
    draw: int
    model: str  # as in a cell
    figures: int = 1


@dataclass(frozen=True)
class Bench:
    """Where data, runs and finished cells are; models are trained, and texts encoded, when they are first needed."""

    data: Path
    folder: Path

    @property
    def path(self) -> Path:
        """The finished cells."""
        return self.folder / "cells.jsonl"

    def model(self, left_out: str) -> Checkpoint:
        """The model that never saw this set; trained if it is not there."""
        return _model(self.data, self.folder, left_out)

    def revision(self, method: str, name: str) -> str:
        """What a figure of this method on this set is measured of."""
        return self.model(LEFT_OUT[name]).digest if method in OURS else REVISIONS.get(method, "")

    def asked(self, content: TextSet, methods: Collection[str]) -> Asked:
        """A set with all the features that these methods need; nothing is shown yet."""
        asked = Asked(content, [], np.array([], int), self.features(None, "", content))
        if not set(methods) & set(OURS):
            return asked
        checkpoint = self.model(content.left_out)
        trained = self.features(checkpoint.learner.encoder, checkpoint.digest, content)
        return replace(asked, trained=trained, head=checkpoint.learner.head)

    def features(self, encoder: torch.nn.Module | None, digest: str, content: TextSet) -> Features:
        """Of a set's texts, by this encoder, or by the base alone."""
        return features_of(encoder or MiniLM(), digest, content.texts, self.folder / "features")

    def kept(self) -> list[Cell]:
        """The cells that are finished."""
        if not self.path.is_file():
            return []
        return [Cell(**json.loads(line)) for line in self.path.read_text("utf-8").splitlines()]

    def keep(self, cell: Cell) -> None:
        """Add a finished cell."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(cell)) + "\n")


@remembered
def _model(data: Path, out: Path, left_out: str) -> Checkpoint:
    folder = out / f"without-{left_out}"
    model = folder / "models/text"
    if not (model / "model.json").is_file():
        run = text_run(data, left_out=left_out)
        train(run, folder)
        publish(run, model)
    return load(model)


def text(
    method: Annotated[list[str] | None, typer.Option("--method", help="Only this one; may be repeated.")] = None,
    only: Annotated[list[str] | None, typer.Option("--set", help="Only this set; may be repeated.")] = None,
    shots: Annotated[list[int] | None, typer.Option(help="Only so many of each intent; may be repeated.")] = None,
    draws: Annotated[int, typer.Option(help="Of the texts that are shown.")] = 10,
    out: Annotated[Path, typer.Option(help="Where the runs and finished cells are.")] = RUNS,
    results: Annotated[Path, typer.Option(help="The page of the tables, and the ledger of test reads.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """All intents of a set at once, told apart by models that never saw the set, beside what else there is."""
    torch.set_num_threads(1)
    bench, chosen = Bench(cache, out), only or list(SETS)
    todo = _todo(bench, cells(chosen, shots or SHOTS, draws), method or list(METHODS))
    strangers = _todo_unknown(bench) if "clinc150" in chosen and method is None else []
    if todo or strangers:  # before anything is read: a run that is cut has read it too
        sets = dict.fromkeys(each.set for each in (*todo, *strangers))
        append(results, tables.entry([*todo, *strangers], [SETS[name](cache).reads for name in sets], command()))
    for new in chain(_new(bench, todo), _unknown(bench, strangers)):
        bench.keep(new)
    put(results, "comparison-text", tables.page(bench.kept(), command()))


def _todo(bench: Bench, places: Iterable[tuple[str, int, int]], methods: Sequence[str]) -> list[Wanted]:
    """What is asked for and not there yet."""
    known = {(cell.method, cell.set, cell.shots, cell.draw, cell.model) for cell in bench.kept()}
    wanted = (Wanted(each, *place, bench.revision(each, place[0])) for place in places for each in methods)
    return [each for each in wanted if (each.method, each.set, each.shots, each.draw, each.model) not in known]


def _new(bench: Bench, todo: Sequence[Wanted]) -> Iterator[Cell]:
    """The cells that are still to be done; texts are encoded, and penalties chosen, outside the clock."""
    ready = {
        name: bench.asked(SETS[name](bench.data), {each.method for each in todo if each.set == name})
        for name in dict.fromkeys(each.set for each in todo)
    }
    for each in todo:
        texts, classes = ready[each.set].content.draw(each.shots, each.draw)
        asked, method = replace(ready[each.set], texts=texts, classes=classes), ALL[each.method]
        if isinstance(method, Probe):
            method.choose(asked)
        began = process_time()
        answers = method(asked)
        right = float((answers == asked.content.truth).mean())
        yield Cell(each.method, each.set, each.shots, each.draw, "accuracy", right, process_time() - began, each.model)


def _todo_unknown(bench: Bench) -> list[Wanted]:
    known = {(cell.method, cell.model) for cell in bench.kept() if cell.figure != "accuracy"}
    count = len(SIZES) * UNKNOWN_DRAWS * len(tables.FIGURES)
    wanted = (Wanted(name, "clinc150", 0, 0, bench.revision(name, "clinc150"), count) for name in DOUBTS)
    return [each for each in wanted if (each.method, each.model) not in known]


def _unknown(bench: Bench, todo: Sequence[Wanted]) -> Iterator[Cell]:
    """Texts out of scope: the threshold is found on the validation split, the figures are of the test split."""
    if not todo:
        return
    chosen, judged = (bench.asked(clinc150(bench.data, split), OURS) for split in ("val", "test"))
    for each in todo:
        yield from list(_figures(chosen, judged, each))  # all or none are kept


def _figures(chosen: Asked, judged: Asked, wanted: Wanted) -> Iterator[Cell]:
    began = process_time()
    limit = threshold(list(_sized(chosen, wanted.method)))
    cell = partial(Cell, wanted.method, "clinc150", cpu_s=process_time() - began, model=wanted.model)
    for number, task in enumerate(_sized(judged, wanted.method)):
        known_share, strange_share = accepted(task, limit)
        size = f"{task.ways} intents, {task.shots} shots"
        figures: dict[str, float] = {"AUROC": auroc(task), "recall": known_share, "false accepts": strange_share}
        for figure, value in figures.items():
            yield cell(shots=task.shots, draw=number, figure=f"{size}: {figure}", value=value)


def _sized(asked: Asked, method: str) -> Iterator[Sized]:
    for content, ways, shots, number in subtasks(asked.content, UNKNOWN_DRAWS):
        texts, classes = content.draw(shots, number)
        known, strange = DOUBTS[method](replace(asked, content=content, texts=texts, classes=classes))
        yield Sized(ways, shots, known, strange)
