"""Finished cells as tables: accuracy by set, method and shots; what is out of scope by size of task."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.page import table
from benchmarks.text.methods import METHODS, OURS, REVISIONS
from benchmarks.text.sets import SETS, SHOTS
from benchmarks.text.unknown import DOUBTS, SIZES
from models.training.evaluate import hardware

if TYPE_CHECKING:
    from benchmarks.text.command import Cell, Wanted

FIGURES = ("AUROC", "recall", "false accepts")
ABOUT = """Accuracy in %, all intents of a set at once, mean ± standard deviation over draws of the texts that are \
shown. `kshot` in each table is the recipe of `text` trained without that set (without the services of SGD that are \
asked about); the others that see texts as features get those of the frozen base. CPU-s: training or adapting, and \
answering all queries, without encoding (SetFit: with it; one draw, 5 iterations, a quarter of its paper's). Logistic \
regression is scikit-learn's, with that of four penalties which does best on ten texts an intent that are neither \
shown nor asked. How much of the delta is kept, what the head is fitted on and its form were chosen on CLINC150's \
training and validation splits, the depths of the features and the weight of names on CLINC150's validation split and \
HWU64's training split: the figures of both are of intents that the encoder never saw, by choices that saw them; SGD \
played no part in them."""
TITLES = {
    "clinc150": "CLINC150, 150 intents, none trained on",
    "hwu64": "HWU64, 64 intents, none trained on",
    "sgd-services": "SGD, services never trained on: 14 intents, of which 11 have namesakes in services that were",
    "sgd-domains": "SGD, domains never trained on: their intents have no namesakes",
}
UNKNOWN = """CLINC150, texts out of scope, %, mean ± standard deviation over draws of intents and texts. One \
threshold for tasks of all sizes, at 95% recall on the validation split, on which logistic regression has its best \
penalty for each size; recall and false accepts are of the test split."""


def page(cells: Sequence["Cell"], command: str) -> str:
    """Everything there is to show."""
    current = _current(cells)
    made = f"`{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}."
    parts = [made, ABOUT]
    for name in SETS:
        own = [cell for cell in current if cell.set == name and cell.figure == "accuracy"]
        if own:
            parts.append(
                table([TITLES[name], *(f"{shots}-shot" for shots in SHOTS), "CPU-s, 5-shot", "draws"], _rows(own))
            )
    strange = [cell for cell in current if cell.figure != "accuracy"]
    if strange:
        parts += [UNKNOWN, table(["intents, shots", *_titles()], _sizes(strange))]
    return "\n\n".join(parts)


def entry(wanted: Sequence["Wanted"], read: Sequence[str], command: str) -> str:
    """The entry in the ledger: what is read, how often, by which models."""
    models = sorted({each.model for each in wanted if each.method in OURS})
    methods = list(dict.fromkeys(each.method for each in wanted))
    lines = [
        f"\n## text, left out by set, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n",
        f"- command: `{command}`, {hardware()}",
        f"- digests: {', '.join(f'`{model}`' for model in models) or 'none of ours'}",
        f"- read: {'; '.join(read)}",
        f"- {sum(each.figures for each in wanted)} figures of {', '.join(methods)}; where the run was cut, fewer\n",
    ]
    return "\n".join(lines)


def _current(cells: Sequence["Cell"]) -> list["Cell"]:
    """Of our methods only what the newest model of each set did; of others, what is measured as it is now."""
    newest = {cell.set: cell.model for cell in cells if cell.method in OURS}
    return [
        cell
        for cell in cells
        if cell.model == (newest[cell.set] if cell.method in OURS else REVISIONS.get(cell.method, ""))
    ]


def _rows(cells: Sequence["Cell"]) -> list[list[str]]:
    rows = []
    for method in dict.fromkeys([*METHODS, *(cell.method for cell in cells)]):
        own = [cell for cell in cells if cell.method == method]
        if own:
            by_shots = [[cell for cell in own if cell.shots == shots] for shots in SHOTS]
            seconds = [cell.cpu_s for cell in own if cell.shots == 5]
            draws = len({cell.draw for cell in own})
            rows.append([method, *map(_mean, by_shots), f"{np.mean(seconds):.1f}" if seconds else "-", str(draws)])
    return rows


def _mean(cells: Sequence["Cell"]) -> str:
    return _spread([100 * cell.value for cell in cells])


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{np.mean(values):.1f} ± {np.std(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def _titles() -> list[str]:
    return [f"{method}: {figure}" for method in DOUBTS for figure in FIGURES]


def _sizes(cells: Sequence["Cell"]) -> list[list[str]]:
    rows = []
    for ways, shots in SIZES:
        size = f"{ways} intents, {shots} shots"
        values = [
            [100 * cell.value for cell in cells if cell.method == method and cell.figure == f"{size}: {figure}"]
            for method in DOUBTS
            for figure in FIGURES
        ]
        rows.append([f"{ways}, {shots}", *(_spread(each) for each in values)])
    return rows
