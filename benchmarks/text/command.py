"""The command `python -m benchmarks.accuracy text`: cell by cell, kept as it goes, so that a cut run goes on."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.page import put
from benchmarks.text import tables
from benchmarks.text.features import Features, features_of
from benchmarks.text.methods import METHODS, OURS, Asked
from benchmarks.text.setfit import setfit
from benchmarks.text.sets import SETS, SHOTS, TextSet, cells, clinc150
from benchmarks.text.unknown import DOUBTS, Sized, accepted, auroc, subtasks, threshold
from models.checkpoint import Checkpoint, load
from models.encoders.minilm import MiniLM
from models.training.publish import publish
from models.training.text import text as text_run
from models.training.train import train

UNKNOWN_DRAWS = 3
ALL = {**METHODS, "SetFit": setfit}  # the last takes minutes, and only where it is named; it needs the extra setfit
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
    model: str  # the digest of what was measured


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
        folder = self.folder / f"without-{left_out}"
        model = folder / "models/text"
        if not (model / "model.json").is_file():
            run = text_run(self.data, left_out=left_out)
            train(run, folder)
            publish(run, model)
        return load(model)

    def asked(self, content: TextSet, checkpoint: Checkpoint | None) -> Asked:
        """A set with all its features; nothing is shown yet."""
        asked = Asked(content, [], np.array([], int), self.features(None, "", content))
        if checkpoint is None:
            return asked
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
    command = " ".join(["python -m benchmarks.accuracy", *sys.argv[1:]])
    bench, began = Bench(cache, out), len(Bench(cache, out).kept())
    chosen = only or list(SETS)
    for new in _new(bench, chosen, method or list(METHODS), shots or SHOTS, draws):
        bench.keep(new)
    if "clinc150" in chosen and method is None:
        for new in _unknown(bench):
            bench.keep(new)
    added = bench.kept()[began:]
    read = [SETS[name](cache).reads for name in chosen if any(cell.set == name for cell in added)]
    if added:
        with results.open("a", encoding="utf-8") as file:
            file.write(tables.entry(added, read, command))
    put(results, "comparison-text", tables.page(bench.kept(), command))


def _new(
    bench: Bench, sets: Sequence[str], methods: Sequence[str], counts: Sequence[int], draws: int
) -> Iterator[Cell]:
    """The cells that are still to be done."""
    known = {(cell.method, cell.set, cell.shots, cell.draw, cell.model) for cell in bench.kept()}
    ready = {name: _ready(bench, name, any(method in OURS for method in methods)) for name in sets}
    for name, shots, number in cells(sets, counts, draws):
        asked, digest = ready[name]
        texts, classes = asked.content.draw(shots, number)
        for method in methods:
            model = digest if method in OURS else ""
            if (method, name, shots, number, model) not in known:
                began = process_time()
                answers = ALL[method](replace(asked, texts=texts, classes=classes))
                right = float((answers == asked.content.truth).mean())
                yield Cell(method, name, shots, number, "accuracy", right, process_time() - began, model)


def _ready(bench: Bench, name: str, with_ours: bool) -> tuple[Asked, str]:
    content = SETS[name](bench.data)
    checkpoint = bench.model(content.left_out) if with_ours else None
    return bench.asked(content, checkpoint), checkpoint.digest if checkpoint else ""


def _unknown(bench: Bench) -> Iterator[Cell]:
    """Texts out of scope: the threshold is found on the validation split, the figures are of the test split."""
    checkpoint = bench.model("clinc150")
    known = {(cell.method, cell.model) for cell in bench.kept() if cell.figure != "accuracy"}
    models = {name: checkpoint.digest if name in OURS else "" for name in DOUBTS}
    missing = [name for name in DOUBTS if (name, models[name]) not in known]
    if not missing:
        return
    chosen, judged = (bench.asked(clinc150(bench.data, split), checkpoint) for split in ("val", "test"))
    for name in missing:
        began = process_time()
        limit = threshold(list(_sized(chosen, name)))
        cell = partial(Cell, name, "clinc150", cpu_s=process_time() - began, model=models[name])
        for number, task in enumerate(_sized(judged, name)):
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
