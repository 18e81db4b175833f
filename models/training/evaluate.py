"""Measure a model on disk, write its figures into its card, and keep the ledger of every read of a test set."""

import dataclasses
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from models.card import DESCRIPTION, Card
from models.checkpoint import Checkpoint, load
from models.training.figures import Figure
from models.training.ledger import append
from models.training.measure import measure_glyphs
from models.training.measure_methods import measure_method, measure_vinyals
from models.training.measure_small import measure_curves, measure_maml, measure_vectors
from models.training.measure_streams import measure_streams
from models.training.methods import METHODS

DTYPES: Mapping[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
Figures = Mapping[str, list[Figure]]  # dtype -> figures, in the same order

# What is read: what was kept for choosing; or the test sets, entered in a ledger, or nowhere as there is none.
Read: TypeAlias = Literal["choosing", "unentered"] | Path


@dataclass(frozen=True)
class Measure:
    """How a model is measured: the figures in one type, in which types it is served, what is read for them."""

    figures: Callable[[Checkpoint, Path, torch.dtype, bool], list[Figure]]  # the bool: read the test sets
    reads: str
    dtypes: tuple[str, ...] = ("fp32",)


OMNIGLOT = "Omniglot evaluation (659 characters, 20 alphabets)"
STREAMS_READ: Mapping[str, str] = {
    "image": OMNIGLOT,
    "text": "intents that models.data.streams holds out, texts of test splits",
    "vector": "tables of classes that it holds out",
    "regression": "tables of numbers that it holds out",
}
COMPARISON = Measure(measure_method, OMNIGLOT)
VINYALS = Measure(measure_vinyals, "the test classes of Vinyals' split of Omniglot (1,692, rotations counted)")

MEASURES: Mapping[str, Measure] = {
    "glyphs": Measure(measure_glyphs, f"{OMNIGLOT}, scikit-learn digits", ("fp32", "bf16")),
    "glyphs-maml": Measure(measure_maml, OMNIGLOT),
    "vectors": Measure(measure_vectors, "synthetic tasks of seed 1, scikit-learn digits"),
    "curves": Measure(measure_curves, "synthetic curves of seed 1"),
    "universal": Measure(measure_streams, "; ".join(STREAMS_READ.values())),
    **{f"omniglot-{method}": COMPARISON for method in METHODS},
    **{f"vinyals-{method}": VINYALS for method in ("glyphs", *METHODS)},
}


def evaluate(folder: Path, data: Path, read: Read = "choosing") -> Figures:
    """Figures of the model in `folder`, by the type its encoder computes in; ValueError for a name without a measure.

    Where the read is entered in a ledger (docs/results.md), the figures go into the model's card too.
    """
    checkpoint = load(folder)
    if checkpoint.card.name not in MEASURES:
        raise ValueError(f"there is no measure for {checkpoint.card.name}; there are {', '.join(MEASURES)}")
    command = f"kshot evaluate {checkpoint.card.name}"
    figures = measured(checkpoint, MEASURES[checkpoint.card.name], data, command, read)
    if isinstance(read, Path):
        (folder / DESCRIPTION).write_text(_with_figures(checkpoint.card, figures).to_json(), "utf-8")
    return figures


def measured(checkpoint: Checkpoint, measure: Measure, data: Path, command: str, read: Read = "choosing") -> Figures:
    """Figures of a model; a read of the test sets is entered as the work of `command`, also one that breaks off."""
    test, head = read != "choosing", _head(checkpoint, measure, command)
    try:
        figures = {name: measure.figures(checkpoint, data, DTYPES[name], test) for name in measure.dtypes}
    except FileNotFoundError:  # of the data sets, before anything is read
        raise
    except BaseException as error:
        _enter(read, f"{head}\nIt broke off, without figures: {type(error).__name__}.\n")
        raise
    _enter(read, f"{head}\n{_table(figures)}")
    return figures


def _enter(read: Read, entry: str) -> None:
    if isinstance(read, Path):
        append(read, entry)


def _head(checkpoint: Checkpoint, measure: Measure, command: str) -> str:
    """The entry of one read of the test sets, in Markdown, above its figures."""
    lines = [
        f"\n## {checkpoint.card.name}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n",
        f"- command: `{command}`, {hardware()}",
        f"- digest: `{checkpoint.digest}`",
        f"- read: {measure.reads}; means with 95% intervals\n",
    ]
    return "\n".join(lines)


def _table(figures: Figures) -> str:
    lines = [f"| figure | {' | '.join(figures)} |", f"|---|{'---|' * len(figures)}"]
    for row in zip(*figures.values(), strict=True):
        lines.append(f"| {row[0].name} | {' | '.join(str(figure) for figure in row)} |")
    return "\n".join(lines) + "\n"


def hardware() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(": ")[1] for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores of {model}, torch {torch.__version__}"


def _with_figures(card: Card, figures: Figures) -> Card:
    shown = {name: {figure.name: str(figure) for figure in each} for name, each in figures.items()}
    return dataclasses.replace(card, card={**card.card, "figures": shown, "hardware": hardware()})
