"""A row of the comparison: a method trained under the budget, measured once, and kept, so that it is not redone."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.budget import Account, train_within
from benchmarks.page import table
from benchmarks.tuning import Make, Tuning, tuned
from models.checkpoint import Checkpoint, load
from models.training.evaluate import Measure, measured
from models.training.figures import Figure
from models.training.publish import publish
from models.training.train import Run

KEPT = "row.json"
UNTUNED = Tuning()
SETTINGS = tuple(f"{ways}-way {shots}-shot" for ways, shots in ((5, 1), (5, 5), (20, 1), (20, 5)))
WITHIN = tuple(f"within an alphabet, {name}" for name in SETTINGS)
COSTS = (
    "adapt, 5-way 1-shot",
    "adapt, 5-way 1-shot, operations",
    "adapt, 20-way 5-shot",
    "adapt, 20-way 5-shot, operations",
    "answer",
    "answer an image, operations",
)


@dataclass(frozen=True)
class Row:
    """What is known of one method; `account` is None for a model that ships, which no budget bound."""

    name: str
    digest: str
    figures: list[Figure]
    account: Account | None
    tuning: Tuning

    def shown(self, figure: str) -> str:
        """A figure as the table has it; a dash where it was not measured."""
        found = next((each for each in self.figures if each.name == figure), None)
        if found is None:
            return "-"
        return str(found).removesuffix(" %") if found.half else f"{found.value:.2f} {found.unit}".removesuffix(" %")


@dataclass(frozen=True)
class Reading:
    """How rows are measured: by what, from which data, by which command; the test sets only with a ledger."""

    measure: Measure
    data: Path
    command: str
    ledger: Path | None

    def figures(self, checkpoint: Checkpoint) -> list[Figure]:
        """The figures in single precision; a read of a test set is entered in the ledger."""
        torch.set_num_threads(os.cpu_count() or 1)
        return list(measured(checkpoint, self.measure, self.data, self.command, self.ledger or "choosing")["fp32"])


def trained_row(name: str, choose: Make, make: Make, folder: Path, budget_s: float, reading: Reading) -> Row:
    """The row of a method: tuned by runs of `choose`, trained, published in `folder`, measured; or as kept there."""
    if (folder / KEPT).is_file():
        return kept(folder)
    tuning = tuned(name, choose, folder, budget_s)
    run, account = train_within(partial(make, tuning.best), folder, budget_s, tuning.spent_s)
    return measured_row(name, published(run, folder), folder, reading, account, tuning)


def measured_row(
    name: str, model: Path, folder: Path, reading: Reading, account: Account | None = None, tuning: Tuning = UNTUNED
) -> Row:
    """The row of a model on disk, kept in `folder`; or as it was kept there, if the model is still the same."""
    checkpoint = load(model)
    if (folder / KEPT).is_file() and kept(folder).digest == checkpoint.digest:
        return kept(folder)
    row = Row(name, checkpoint.digest, reading.figures(checkpoint), account, tuning)
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{KEPT}.partial"
    beside.write_text(json.dumps(asdict(row)), "utf-8")
    beside.replace(folder / KEPT)
    return row


def kept(folder: Path) -> Row:
    """The row that was kept in this folder."""
    content = json.loads((folder / KEPT).read_text("utf-8"))
    account = Account(**content["account"]) if content["account"] else None
    figures = [Figure(**each) for each in content["figures"]]
    return Row(content["name"], content["digest"], figures, account, Tuning(**content.get("tuning", {})))


def tables(rows: Sequence[Row], settings: Sequence[Sequence[str]]) -> str:
    """Accuracies, calibration errors, costs, in Markdown; accuracies in tables of one group of settings each."""
    parts = []
    for group in settings:
        titles = [name.replace("within an alphabet", "within") for name in group]
        for what, suffix in (("accuracy, %", ""), ("calibration error, %", ", calibration error")):
            body = [[f"`{row.name}`", *(row.shown(name + suffix) for name in group)] for row in rows]
            parts.append(table([what, *titles], body))
    parts.append(
        table(
            ["cost", "training", "steps", "inner rates tried: accuracy held out", *COSTS, "digest"],
            [_costs(row) for row in rows],
        )
    )
    return "\n\n".join(parts)


def _costs(row: Row) -> list[str]:
    trained = [f"{row.account.spent_s:.0f} CPU-s", f"{row.account.num_steps:,}"] if row.account else ["-", "-"]
    return [f"`{row.name}`", *trained, str(row.tuning), *(row.shown(figure) for figure in COSTS), f"`{row.digest[:8]}`"]


def published(run: Run, folder: Path) -> Path:
    """The model of a finished run; written once, so that its date does not move when it is measured again."""
    model = folder / "models" / run.card.name
    if not (model / "model.json").is_file():
        publish(run, model)
    return model
