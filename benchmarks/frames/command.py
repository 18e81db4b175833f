"""The command `python -m benchmarks.accuracy frames`: intents and slots of sets that were in no training."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.frames.methods import Methods, methods
from benchmarks.frames.sets import SETS, Content
from benchmarks.frames.tally import COLUMNS, Tally, shown, tally
from benchmarks.page import command, put, table
from models import zoo
from models.checkpoint import load
from models.training.evaluate import hardware
from models.training.frames import figures_of
from models.training.ledger import append

SHOTS, FEW = (1, 5, 10), (1, 5)
QUERIES = 20  # of each intent of SGD; of SNIPS all of the test split
APART = "snips"  # whose intents are also learned each by itself
PAGE, CACHE = Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
ABOUT = """Intent accuracy, exact-span micro-F1 of slots and accuracy of whole frames, in %, mean ± standard deviation \
over draws of the texts that are shown: so many of each intent, all intents at once. A slot that none of them shows is \
missed. SNIPS: shown are texts of its train split, asked all 700 of its test split. SGD: the services of the dev split \
that no training saw, each intent told by its service. `kshot` is the model `frames` as it ships; the others are on \
features of the frozen base, of words and of sentences. ECE: expected calibration error in points, 15 equal bins, of \
the most probable intents' probabilities and of `score` of the slots that were said (right: name and both ends)."""
ALONE = """Each intent of SNIPS by itself, as papers on few-shot slot tagging do (Hou et al. 2020): the texts shown \
hold every slot of the intent so many times at least, and none could be left out; asked are the intent's 100 texts of \
the test split. Exact-span F1 of slots in %, mean over draws, then over the seven intents. Published systems trained \
on the other intents of SNIPS, of which `kshot` saw none: the abstract of Athiwaratkun et al. 2020 (arXiv 2009.13272) \
tells 70.4 and 75.0 (1 and 5 shots) as the best before it, and 81.0 and 90.9 as its own, of a much larger model."""


def frames(
    only: Annotated[list[str] | None, typer.Option("--set", help="Only this set; may be repeated.")] = None,
    draws: Annotated[int, typer.Option(help="Of the texts that are shown.")] = 10,
    model: Annotated[Path | None, typer.Option(help="The folder of the model; that which ships by default.")] = None,
    results: Annotated[Path, typer.Option(help="The page of the tables, and the ledger of test reads.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """Intents and slots of SNIPS and of unseen services of SGD, beside a nearest-neighbour tagger and logistic ones."""
    torch.set_num_threads(1)
    checkpoint = load(model or Path(next(iter(zoo.__path__))) / "frames")
    ways = methods(checkpoint)
    made = f"`{command()}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}."
    parts = [made, ABOUT]
    for name in only or list(SETS):
        chosen = SETS[name](cache)
        append(results, _entry(checkpoint.digest, chosen.reads, draws))
        parts.append(_together(name, chosen, ways, draws))
        typer.echo(parts[-1])
        if name == APART:
            parts += [ALONE, _apart(name, chosen, ways, draws)]
            typer.echo(parts[-1])
    put(results, "comparison-frames", "\n\n".join(parts))
    append(results, "\n" + "\n\n".join(parts[2:]) + "\n")


def _together(name: str, chosen: Content, ways: Methods, draws: int) -> str:
    """All intents at once."""
    rows = []
    for shots in SHOTS:
        batches = [chosen.draw(shots, number, None if name == "snips" else QUERIES) for number in range(draws)]
        for method, answer in ways.items():
            found = [tally(plain, answer(own, plain)) for own, plain in batches]
            rows.append([f"{shots}-shot", method, *shown(found)])
    return table([name, "method", *COLUMNS], rows)


def _apart(name: str, chosen: Content, ways: Methods, draws: int) -> str:
    """Each intent by itself."""
    rows, intents = [], np.unique(chosen.frames.intents.numpy()).tolist()
    for shots in FEW:
        batches = {intent: [chosen.episode(intent, shots, number) for number in range(draws)] for intent in intents}
        for method, answer in ways.items():
            each = [_f1([tally(plain, answer(own, plain)) for own, plain in many]) for many in batches.values()]
            size = np.mean([len(own.support.rows.mask[0]) for many in batches.values() for own, _ in many])
            rows.append([f"{shots}-shot", method, *(f"{one:.1f}" for one in (*each, np.mean(each))), f"{size:.1f}"])
    return table([f"{name}, apart", "method", *chosen.names, "mean", "texts shown"], rows)


def _f1(each: Sequence[Tally]) -> float:
    """Mean over tasks."""
    return float(np.mean([figures_of(one.counts)["slots"] for one in each]))


def _entry(digest: str, reads: str, draws: int) -> str:
    """The entry in the ledger, written before anybody is asked."""
    return "\n".join(
        [
            f"\n## frames, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n",
            f"- command: `{command()}`, {hardware()}",
            f"- digest: `{digest}`",
            f"- read: {reads}; {draws} draws\n",
        ]
    )
