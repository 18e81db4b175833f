"""The command `python -m benchmarks.accuracy multilabel`: texts of several labels, of a set never trained on.

The labels of a text are the names of its slots: what it speaks of. Through the engine's own slices, as it is served.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import typer

from benchmarks.effort import frozen, trained_on
from benchmarks.page import command, put, table
from models import zoo
from models.checkpoint import Checkpoint, load
from models.data.frames import Frame, read
from models.inputs.text import TextInput
from models.pauses import at_once
from models.training.evaluate import hardware
from service.engine.arrays import Array, LabelledArrays, TagScores
from service.engine.compute import Compute
from service.engine.packed import pack
from service.metrics import Metrics
from service.multilabel import multilabel_figures

Bools: TypeAlias = npt.NDArray[np.bool_]

MODEL = Path(next(iter(zoo.__path__))) / "text"
PAGE, CACHE = Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
LEAST = 40  # texts of a label in the train split, or it is left out
POOL = 3_000  # texts of the train split that draws are made of
PENALTIES = (1.0, 10.0, 100.0)
FIGURES = ("exact", "micro_f1", "macro_f1")
ABOUT = """In %, mean ± standard deviation over draws of the texts that are shown: so many of each label at least, all \
labels at once; a text has the names of its slots in SNIPS as its labels, or none. `exact`: all labels of a text, no \
other; a label is given from a probability of a half. `kshot` is the model `text` as it ships, which saw no text of \
SNIPS; the others are one logistic regression a label, on the frozen base's unit features and on TF-IDF of words and \
pairs of words, with the best of three penalties in hindsight (by micro-F1). CPU-s: encoding and fitting, one thread, \
for the rivals over all penalties."""


@dataclass(frozen=True)
class Texts:
    """Texts, as tokens too, and which labels each has."""

    texts: list[str]
    rows: Array
    hot: Bools

    def only(self, places: Array) -> "Texts":
        """Some of them."""
        return Texts([self.texts[place] for place in places], self.rows[places], self.hot[places])


Answers: TypeAlias = Callable[[Texts, Texts], Iterator[tuple[str, Array]]]  # shown, asked -> variants, probabilities


def multilabel(
    shots: Annotated[list[int] | None, typer.Option(help="Texts of a label; may be repeated.")] = None,
    draws: Annotated[int, typer.Option(help="Of the texts that are shown.")] = 3,
    model: Annotated[Path, typer.Option(help="The folder of the model.")] = MODEL,
    results: Annotated[Path, typer.Option(help="The page of the table, and the ledger of test reads.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """Texts with several labels or none: `text` beside logistic regression a label, on SNIPS."""
    torch.set_num_threads(1)
    ours = load(model)
    if "snips" in trained_on(ours):
        raise typer.BadParameter(f"{model} was trained on snips: measure a model that was not.")
    labels, pool, asked = snips(cache)
    with results.open("a", encoding="utf-8") as file:
        file.write(entry(ours, asked))
    methods = {"kshot": kshot(ours), "logistic, frozen": on_features(), "logistic, TF-IDF": on_words}
    rows = []
    for shot in shots or [5, 10, 20]:
        shown = [drawn(pool, shot, number) for number in range(draws)]
        size = f"{np.mean([len(each.texts) for each in shown]):.0f}"
        for name, answers in methods.items():
            began = process_time()
            figures = _best(labels, answers, shown, asked)
            told = [f"{each.mean():.1f} ± {each.std():.1f}" for each in figures.T]
            rows.append([str(shot), size, name, *told, f"{(process_time() - began) / draws:.1f}"])
            put(results, "comparison-multilabel", page(rows))


def snips(data: Path) -> tuple[list[str], Texts, Texts]:
    """The labels, texts to show from the train split, and those of the test split."""
    train, test = read("snips", data, "train"), read("snips", data, "test")
    counts: dict[str, int] = {}
    for frame in train:
        for name in names_of(frame):
            counts[name] = counts.get(name, 0) + 1
    labels = sorted(name for name, count in counts.items() if count >= LEAST)
    order = np.random.default_rng(0).permutation(len(train))[:POOL]
    return labels, of(labels, [train[place] for place in order]), of(labels, test)


def names_of(frame: Frame) -> set[str]:
    """What a text speaks of."""
    return {name for name, _, _ in frame.slots}


def of(labels: Sequence[str], frames: Sequence[Frame]) -> Texts:
    """Frames as texts with these labels."""
    read_text = TextInput()
    texts = [frame.text for frame in frames]
    hot = np.array([[label in names_of(frame) for label in labels] for frame in frames], np.bool_)
    return Texts(texts, np.stack([read_text(text) for text in texts]), hot)


def drawn(pool: Texts, shots: int, number: int) -> Texts:
    """Texts until each label has so many, rare labels first; a draw of more holds one of fewer."""
    order = np.random.default_rng(number).permutation(len(pool.texts))
    taken: list[int] = []
    for label in np.argsort(pool.hot.sum(0), kind="stable"):
        lacking = shots - int(pool.hot[taken, label].sum())
        own = [int(place) for place in order if pool.hot[place, label] and place not in taken]
        taken += own[: max(0, lacking)]
    return pool.only(np.array(taken))


def kshot(model: Checkpoint) -> Answers:
    """As it is served."""
    compute = Compute({model.digest: model}, torch.device("cpu"), torch.bfloat16, Metrics())

    def answers(shown: Texts, asked: Texts) -> Iterator[tuple[str, Array]]:
        support = LabelledArrays(shown.rows, None, shown.hot.shape[1], None, hot=shown.hot)
        with torch.inference_mode():
            params = at_once(compute.adapt(model.digest, [support]))[0].params
            scores = at_once(compute.predict(model.digest, [(pack(params), asked.rows)]))[0]
        assert isinstance(scores, TagScores)
        yield "", scores.probabilities

    return answers


def on_features() -> Answers:
    """Logistic regression a label on what the base makes of texts."""
    base = frozen("text")
    compute = Compute({base.digest: base}, torch.device("cpu"), torch.bfloat16, Metrics())

    def unit(rows: Array) -> Array:
        with torch.inference_mode():
            features = at_once(compute.encode(base.digest, [rows]))[0].features
        found: Array = F.normalize(torch.from_numpy(np.asarray(features, np.float32)), dim=-1).numpy()
        return found

    return lambda shown, asked: _each_penalty(unit(shown.rows), shown.hot, unit(asked.rows))


def on_words(shown: Texts, asked: Texts) -> Iterator[tuple[str, Array]]:
    """Logistic regression a label on the words themselves."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    fitted = words.fit_transform(shown.texts)
    return _each_penalty(fitted, shown.hot, words.transform(asked.texts))


def _each_penalty(rows: Any, hot: Bools, asked: Any) -> Iterator[tuple[str, Array]]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    for penalty in PENALTIES:
        one = OneVsRestClassifier(LogisticRegression(C=penalty, max_iter=1000))
        yield f"{penalty:g}", one.fit(rows, hot.astype(int)).predict_proba(asked)


def _best(labels: Sequence[str], answers: Answers, shown: Sequence[Texts], asked: Texts) -> npt.NDArray[np.float64]:
    """The figures [draws 3], in per cent, of the variant that is best on average."""
    truth = [[label for label, has in zip(labels, row, strict=True) if has] for row in asked.hot]
    found: dict[str, list[list[float]]] = {}
    for each in shown:
        for variant, probabilities in answers(each, asked):
            figures = multilabel_figures(labels, truth, probabilities)
            found.setdefault(variant, []).append([100 * float(getattr(figures, name) or 0) for name in FIGURES])
    return max((np.array(each) for each in found.values()), key=lambda each: each.mean(0)[1])


def page(rows: Sequence[Sequence[str]]) -> str:
    """The table."""
    made = f"`{command()}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}."
    head = ["shots", "texts shown", "method", "exact", "micro-F1", "macro-F1", "CPU-s"]
    return "\n\n".join([made, ABOUT, table(head, rows)])


def entry(model: Checkpoint, asked: Texts) -> str:
    """The entry in the ledger."""
    return (
        f"\n## multilabel, SNIPS, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n- command: `{command()}`, {hardware()}\n"
        f"- digest: `{model.digest}`\n- read: SNIPS, the test split, {len(asked.texts)} texts\n"
    )
