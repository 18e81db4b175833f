"""The command `python -m benchmarks.accuracy frames`: intents and slots of sets that were in no training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import torch
import typer
from sklearn.linear_model import LogisticRegression

from benchmarks.page import command, put, table
from models import zoo
from models.chain import best, spans
from models.checkpoint import Checkpoint, load
from models.data.episodes import Batch
from models.data.frames import Frame, FrameSet, read, task_of
from models.encoders.words import NUM_LOOKS, Words
from models.inputs.frame import FrameInput
from models.training.evaluate import hardware
from models.training.frames import adapted, figures_of, frozen, pooled
from models.types import Tagged, Tags

SHOTS = (1, 5, 10)
ROWS = 500  # that the base reads at once
QUERIES = 20  # of each intent of SGD; of SNIPS all of the test split
PAGE, CACHE = Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
ABOUT = """Intent accuracy, exact-span micro-F1 of slots and accuracy of whole frames, in %, mean ± standard deviation \
over draws of the texts that are shown: so many of each intent, all intents at once. A slot that none of them shows is \
missed. SNIPS: shown are texts of its train split, asked all 700 of its test split. SGD: the services of the dev split \
that no training saw, each intent told by its service. `kshot` is the model `frames` as it ships; the others are on \
features of the frozen base, of words and of sentences."""

Answers: TypeAlias = tuple[np.ndarray, np.ndarray]  # intents [Q] and words' tags [Q L]
Methods: TypeAlias = dict[str, Callable[[Batch, Batch], Answers]]


@dataclass(frozen=True)
class Content:
    """A set: its frames with frozen states and with the base's features, and which may be shown and asked about."""

    frames: FrameSet
    plain: FrameSet
    shown: np.ndarray
    asked: np.ndarray
    reads: str

    def draw(self, shots: int, number: int, queries: int | None) -> tuple[Batch, Batch]:
        """A task of all intents, for the model and for the others; nobody is asked what was shown."""
        draws = np.random.default_rng([number, shots])
        intents, support, query = self.frames.intents.numpy(), [], []
        for intent in np.unique(intents):
            order = draws.permutation(np.flatnonzero((intents == intent) & self.shown))
            support += order[:shots].tolist()
            rest = np.setdiff1d(np.flatnonzero((intents == intent) & self.asked), order[:shots])
            query += draws.permutation(rest)[:queries].tolist()
        rows = torch.tensor(support), torch.tensor(query)
        own, plain = (task_of(frames, np.unique(intents).tolist(), *rows) for frames in (self.frames, self.plain))
        return own, plain


def content(frames: Sequence[Frame], shown: np.ndarray, asked: np.ndarray, reads: str) -> Content:
    """What the base makes of these frames, once."""
    base = Words().eval()
    made = frozen(base, FrameInput(), frames)
    with torch.inference_mode():
        plain = torch.cat([pooled(base, made.features[start : start + ROWS]) for start in range(0, len(frames), ROWS)])
    return Content(made, replace(made, features=plain), shown, asked, reads)


def snips(data: Path) -> Content:
    """SNIPS: shown from its train split, thinned to what draws need, asked from its test split."""
    train, test = read("snips", data, "train"), read("snips", data, "test")
    order = np.random.default_rng(0).permutation(len(train))[:2000]
    everything = [*(train[place] for place in order), *test]
    shown = np.arange(len(everything)) < len(order)
    return content(everything, shown, ~shown, "SNIPS, the test split, 700 texts")


def sgd(data: Path) -> Content:
    """The services of SGD's dev split that its train split does not have."""
    known = {frame.domain for frame in read("sgd", data, "train")}
    new: list[Frame] = [frame for frame in read("sgd", data, "dev") if frame.domain not in known]
    services = ", ".join(sorted({frame.domain for frame in new}))
    whole = np.ones(len(new), np.bool_)
    return content(new, whole, whole, f"SGD, of the dev split: {services}")


SETS: dict[str, Callable[[Path], Content]] = {"snips": snips, "sgd": sgd}


def ours(checkpoint: Checkpoint, batch: Batch) -> Answers:
    """The model as it ships."""
    with torch.inference_mode():
        params, query = adapted(checkpoint.learner, batch)
        scores = checkpoint.learner.head.predict(params, query)
    assert isinstance(scores, Tagged)
    tags = best(scores.words[0].double().numpy(), scores.moves[0].double().numpy(), scores.lengths[0].numpy())
    return scores.intents.values[0].argmax(-1).numpy(), tags


def nearest(batch: Batch) -> Answers:
    """The intent of the nearest sentence, each word's tag that of the nearest word."""
    (sentences, words), (asked, theirs), target = _parts(batch)
    intents = target.intents.index[0].numpy()[(asked @ sentences.T).argmax(1)]
    real = np.abs(words).sum(-1) > 0
    found = target.words[0].numpy()[real][(theirs @ words[real].T).argmax(-1)]
    return intents, _repaired(found)


def logistic(batch: Batch) -> Answers:
    """Logistic regression on sentences, and another on words, whose classes are tags."""
    (sentences, words), (asked, theirs), target = _parts(batch)
    real, tags = np.abs(words).sum(-1) > 0, target.words[0].numpy()
    fit = partial(LogisticRegression, C=10.0, max_iter=300)
    intents = fit().fit(sentences, target.intents.index[0].numpy()).predict(asked)
    of_words = fit().fit(words[real], tags[real])
    return intents, _repaired(of_words.predict(theirs.reshape(-1, words.shape[-1])).reshape(theirs.shape[:2]))


def _parts(batch: Batch) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], Tags]:
    """Unit features of sentences and words, of the support and of the queries."""
    assert isinstance(batch.support.target, Tags)
    support, query = (_unit(rows.values[0]) for rows in (batch.support.rows, batch.query))
    tags = batch.support.target
    return support, query, replace(tags, words=tags.words[:, :, : support[1].shape[1]])


def _unit(rows: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    width = (rows.shape[-1] - NUM_LOOKS) // 2
    halves = [torch.nn.functional.normalize(half, dim=-1) for half in rows[:, 1:, : 2 * width].chunk(2, -1)]
    return rows[:, 0, :width].numpy(), torch.cat(halves, -1).numpy()


def _repaired(tags: np.ndarray) -> np.ndarray:
    """A later word of a slot that does not follow one of it begins the slot."""
    before = np.pad(tags, ((0, 0), (1, 0)))[:, :-1]
    is_lost = (tags > 0) & (tags % 2 == 0) & (before != tags) & (before != tags - 1)
    return np.where(is_lost, tags - 1, tags)


def counted(batch: Batch, answers: Answers) -> np.ndarray:
    """As models.training.frames.counts counts."""
    assert isinstance(batch.target, Tags)
    total = np.zeros(6, np.int64)
    lengths = (batch.query.values[0, :, 1:].abs().sum(-1) > 0).sum(1).tolist()
    is_right = (answers[0] == batch.target.intents.index[0].numpy()).tolist()
    truth = batch.target.words[0].numpy()
    for hit, tags, true, length in zip(is_right, answers[1], truth, lengths, strict=True):
        said, real = set(spans(tags, length)), set(spans(true, length))
        total += [hit, hit and said == real, len(real), len(said), len(said & real), 1]
    return total


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
    methods: Methods = {
        "kshot": lambda own, _: ours(checkpoint, own),
        "nearest neighbour": lambda _, plain: nearest(plain),
        "logistic regression": lambda _, plain: logistic(plain),
    }
    parts, read_sets = (
        [f"`{command()}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}.", ABOUT],
        [],
    )
    for name in only or list(SETS):
        chosen = SETS[name](cache)
        read_sets.append(chosen.reads)
        parts.append(_table(name, chosen, methods, draws))
        typer.echo(parts[-1])
    put(results, "comparison-frames", "\n\n".join(parts))
    with results.open("a", encoding="utf-8") as file:
        file.write(_entry(checkpoint.digest, read_sets, draws, parts[2:]))


def _table(name: str, chosen: Content, methods: Methods, draws: int) -> str:
    figures = ("intent", "slots", "frame")
    rows = []
    for shots in SHOTS:
        batches = [chosen.draw(shots, number, None if name == "snips" else QUERIES) for number in range(draws)]
        for method, answer in methods.items():
            found = [figures_of(counted(plain, answer(own, plain))) for own, plain in batches]
            shown = [f"{_mean(found, figure):.1f} ± {_spread(found, figure):.1f}" for figure in figures]
            rows.append([f"{shots}-shot", method, *shown])
    return table([name, "method", "intent accuracy", "slot F1", "whole frames"], rows)


def _mean(found: Sequence[dict[str, float]], figure: str) -> float:
    return float(np.mean([each[figure] for each in found]))


def _spread(found: Sequence[dict[str, float]], figure: str) -> float:
    return float(np.std([each[figure] for each in found]))


def _entry(digest: str, read_sets: Sequence[str], draws: int, tables: Sequence[str]) -> str:
    """The entry in the ledger: what was read, by which model, and what came out."""
    lines = [
        f"\n## frames, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n",
        f"- command: `{command()}`, {hardware()}",
        f"- digest: `{digest}`",
        f"- read: {'; '.join(read_sets)}; {draws} draws\n",
    ]
    return "\n".join(lines) + "\n" + "\n\n".join(tables) + "\n"
