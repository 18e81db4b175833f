"""The command `python -m benchmarks.accuracy effort`: high effort beside fast, on the same examples and queries.

Through the engine's own slices, encoding and all. A cell that is finished is not done again.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from math import sqrt
from pathlib import Path
from time import process_time
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer

from benchmarks.page import command, put, table
from benchmarks.text.sets import SETS, TextSet, text_set
from models.card import Card
from models.checkpoint import Checkpoint, build, load
from models.data.converters.sentiments import SOURCES as SENTIMENTS
from models.data.intents import by_label, load_intents
from models.data.photos import load_photos
from models.effort import companion
from models.inputs import INPUTS
from models.inputs.photo import PhotoInput
from models.inputs.text import TextInput
from models.pauses import at_once
from models.training.effort import EFFORT
from models.training.evaluate import hardware
from service.engine.arrays import Array, ClassScores, LabelledArrays
from service.engine.compute import Compute
from service.engine.packed import pack
from service.metrics import Metrics

RUNS, PAGE, CACHE = Path("runs/accuracy/effort"), Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
ABOUT = """Accuracy in %, all classes of a set at once, mean ± standard deviation over draws of what is shown; \
`gain` is the mean of the differences draw by draw ± its standard error. `moved`: draws in which the held-out examples \
chose any step at all. CPU-s: encoding and adapting, one thread. `frozen` is the base alone with an untrained \
`prior_logistic` head; `text` is the model that ships, which never saw SNIPS nor a sentence for or against \
something (films, goods, editorials, tweets)."""
MAX_ASKED = 1_000  # sentences for or against
FROZEN = {
    "text": ({"name": "text"}, {"name": "minilm"}),
    "image": ({"name": "photo"}, {"name": "efficientnet_lite"}),
}


@dataclass(frozen=True)
class Cell:
    """One draw, adapted with both efforts."""

    model: str
    set: str
    shots: int
    draw: int
    fast: float
    high: float
    moved: bool
    fast_s: float
    high_s: float
    task_bytes: int
    digest: str


@dataclass(frozen=True)
class Shown:
    """A set as rows of inputs: those of each class that may be shown, and the queries."""

    name: str
    modality: str
    pools: Sequence[Array]
    queries: Array
    truth: npt.NDArray[np.int64]
    reads: str

    def draw(self, shots: int, number: int) -> LabelledArrays:
        """So many rows of each class; draws of more hold those of fewer."""
        own = [
            pool[np.random.default_rng([number, label]).permutation(len(pool))[:shots]]
            for label, pool in enumerate(self.pools)
        ]
        classes = np.repeat(np.arange(len(own)), [len(rows) for rows in own])
        return LabelledArrays(np.concatenate(own), classes, len(own), None)


def effort(
    only: Annotated[list[str] | None, typer.Option("--set", help="Only this set; may be repeated.")] = None,
    shots: Annotated[int, typer.Option(help="Examples of a class.")] = 20,
    draws: Annotated[int, typer.Option(help="Of the examples that are shown.")] = 5,
    models: Annotated[Path | None, typer.Option(help="A trained model, measured instead of the frozen base.")] = None,
    out: Annotated[Path, typer.Option(help="Where the finished cells are.")] = RUNS,
    results: Annotated[Path, typer.Option(help="The page of the table, and the ledger of test reads.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """High effort beside fast: intents of SNIPS and HWU64, sentences for or against, goods of Grocery Store."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "cells.jsonl"
    for name in only or list(SHOWN):
        shown = SHOWN[name](cache)
        base = frozen(shown.modality) if models is None else load(models)
        if name in trained_on(base):
            raise typer.BadParameter(f"{models} was trained on {name}: measure a model that was not.")
        digest = companion(base, EFFORT["high"]).digest
        known = {(cell.set, cell.shots, cell.draw, cell.digest) for cell in kept(path)}
        missing = [number for number in range(draws) if (name, shots, number, digest) not in known]
        if missing:  # before anything is read: a run that is killed has read all the same
            with results.open("a", encoding="utf-8") as file:
                file.write(entry(base, shown))
        for number in missing:
            cell = measured(base, shown, shots, number)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(replace(cell, set=name))) + "\n")
    put(results, "comparison-effort", page(kept(path)))


def trained_on(model: Checkpoint) -> set[str]:
    """The sets that a model's card says it was trained on."""
    data = model.card.card.get("data", {})
    if not isinstance(data, dict):
        raise typer.BadParameter(f"The card of {model.card.name} does not name its data sets one by one.")
    return set(data)


def measured(base: Checkpoint, shown: Shown, shots: int, number: int) -> Cell:
    """One draw."""
    base = replace(base, learner=deepcopy(base.learner))  # what serves it rounds its weights where they are
    high = companion(base, EFFORT["high"])
    support = shown.draw(shots, number)
    compute = Compute({each.digest: each for each in (base, high)}, torch.device("cpu"), torch.bfloat16, Metrics())
    right, seconds, params = {}, {}, {}
    for name, digest in (("fast", base.digest), ("high", high.digest)):
        began = process_time()
        with torch.inference_mode():
            params[name] = at_once(compute.adapt(digest, [support]))[0].params
        seconds[name] = process_time() - began
        query = (pack(params[name]), shown.queries)
        with torch.inference_mode():
            scores = at_once(compute.predict(digest, [query]))[0]
        assert isinstance(scores, ClassScores)
        right[name] = float((scores.probabilities.argmax(1) == shown.truth).mean())
    layers = params["high"]["layers"]
    return Cell(
        base.card.name,
        shown.name,
        shots,
        number,
        right["fast"],
        right["high"],
        bool(layers.any()),
        seconds["fast"],
        seconds["high"],
        sum(leaf.nbytes for leaf in params["high"].values()),
        high.digest,
    )


def frozen(modality: str) -> Checkpoint:
    """The base alone, below a head whose constants nobody trained."""
    inputs, encoder = FROZEN[modality]
    head = {"name": "prior_logistic"}
    card = Card("frozen", modality, ("classification",), inputs, encoder, head, "2026-01-01")
    return Checkpoint(f"frozen {modality}", card, INPUTS[inputs["name"]](), build(encoder, head).eval())


def snips(data: Path) -> Shown:
    """Seven broad intents, never trained on."""
    rows = load_intents(data, "snips")
    shown, asked = ([each for each in rows if each.split == split] for split in ("train", "test"))
    return of_texts(text_set("SNIPS", "7 intents", "", by_label(shown, 100), asked, f"SNIPS test ({len(asked)} texts)"))


def sentences(data: Path, source: str) -> Shown:
    """Two labels, for and against, of texts of one source, never trained on."""
    rows = [each for each in load_intents(data, "sentiments") if each.domain == source]
    shown, asked = ([each for each in rows if each.split == split] for split in ("train", "test"))
    asked = asked[:MAX_ASKED]
    reads = f"sentiments, {source}, test ({len(asked)} texts)"
    return of_texts(text_set(source, "2 labels", "", by_label(shown, 100), asked, reads))


def of_texts(content: TextSet) -> Shown:
    """A set of texts as rows of tokens."""
    read = TextInput()

    def rows(texts: Sequence[str]) -> Array:
        return np.stack([read(text) for text in texts])

    pools = [rows(texts[:100]) for texts in content.shown.values()]
    return Shown(content.name, "text", pools, rows(content.queries), content.truth, content.reads)


def photographs(data: Path, name: str) -> Shown:
    """All classes; half of each class's photographs may be shown, the others are the queries."""
    found, read = load_photos(data, name), PhotoInput()
    rows = [[read(found.image(row)) for row in own] for own in found.rows()]
    asked = [np.stack(own[1::2]) for own in rows]
    truth = np.repeat(np.arange(len(asked)), [len(own) for own in asked])
    reads = f"{name}, every second photograph ({len(truth)})"
    return Shown(name, "image", [np.stack(own[::2]) for own in rows], np.concatenate(asked), truth, reads)


SHOWN: Mapping[str, Callable[[Path], Shown]] = {
    "snips": snips,
    "hwu64": lambda data: of_texts(SETS["hwu64"](data)),
    **{source: partial(sentences, source=source) for source in SENTIMENTS},
    "grocery": lambda data: photographs(data, "grocery"),
    "caltech101_a": lambda data: photographs(data, "caltech101_a"),
}


def kept(path: Path) -> list[Cell]:
    """The cells that are finished."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return [Cell(**json.loads(line)) for line in lines]


def page(cells: Sequence[Cell]) -> str:
    """The table."""
    made = f"`{command()}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}."
    head = ["set", "model", "shots", "fast", "high", "gain", "moved", "fast, CPU-s", "high, CPU-s", "KB a task"]
    return "\n\n".join([made, ABOUT, table(head, list(_rows(cells)))])


def _rows(cells: Sequence[Cell]) -> Iterator[list[str]]:
    for name, model, shots in dict.fromkeys((cell.set, cell.model, cell.shots) for cell in cells):
        own = [cell for cell in cells if (cell.set, cell.model, cell.shots) == (name, model, shots)]
        own = [cell for cell in own if cell.digest == own[-1].digest]
        fast, high = (100 * np.array([getattr(cell, each) for cell in own]) for each in ("fast", "high"))
        gain = high - fast
        error = f" ± {gain.std(ddof=1) / sqrt(len(own)):.2f}" if len(own) > 1 else ""
        moved = f"{sum(cell.moved for cell in own)}/{len(own)}"
        spent = [f"{np.mean([getattr(cell, each) for cell in own]):.1f}" for each in ("fast_s", "high_s")]
        kilobytes = f"{np.mean([cell.task_bytes for cell in own]) / 1000:.0f}"
        figures = [f"{each.mean():.1f} ± {each.std():.1f}" for each in (fast, high)]
        yield [name, model, str(shots), *figures, f"{gain.mean():+.2f}{error}", moved, *spent, kilobytes]


def entry(base: Checkpoint, shown: Shown) -> str:
    """The entry in the ledger."""
    return (
        f"\n## effort, {shown.name}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n"
        f"- command: `{command()}`, {hardware()}\n- digest: `{base.digest}`\n- read: {shown.reads}\n"
    )
