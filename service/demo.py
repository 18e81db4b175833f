"""`kshot demo`: learn ten handwritten digits from fifty scans over HTTP, beside logistic regression on the pixels."""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
from rich.console import Console, Group
from rich.progress import Progress
from rich.table import Table

from service.client import Client
from service.errors import Unavailable
from service.schemas import Classification, Limits

MODEL = "glyphs"
NUM_DRAWS, NUM_SHOTS, SEED = 5, 5, 0
MAX_CHUNK = 128  # queries in one request
IN_FLIGHT = 4  # requests at once
START_TIMEOUT_S = 120.0

Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


class MissingExtra(Exception):
    """A package that this command needs is not installed; the message names the extra."""


@dataclass(frozen=True)
class Draw:
    """One division of the scans: which are shown with their label, which are asked about."""

    support: Indices
    query: Indices


@dataclass(frozen=True)
class Outcome:
    """What one draw gave."""

    task: str
    adapt_ms: float
    predict_s: float
    accuracy: float
    rival: float


def demonstrate(url: str, console: Console, *, api_key: str | None = None) -> None:
    """Run every draw against the service at `url` and print the report."""
    scans, labels = digits()
    with Client(url, api_key=api_key) as kshot, Progress(console=console, transient=True) as progress:
        bar = progress.add_task("waiting for the service", total=None)
        chunk = min(MAX_CHUNK, wait_for(kshot).max_inputs)
        num_queries = len(scans) - NUM_SHOTS * len(np.unique(labels))
        progress.update(bar, description="asking about digits", total=NUM_DRAWS * num_queries)
        outcomes = [
            run(kshot, scans, labels, draw, chunk, lambda done: progress.advance(bar, done)) for draw in draws(labels)
        ]
    console.print(report(outcomes, num_queries))
    console.print(f"\nThe service goes on at {url} (documentation: {url}/docs).")


def digits() -> tuple[Pixels, Indices]:
    """The 1,797 scans of scikit-learn's `load_digits`, 8 x 8, as grey levels 0 to 255, and what they show."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtra("The demo's digits come with scikit-learn: pip install 'kshot[demo]'") from None
    bunch = load_digits()
    return (bunch.images * 255 // 16).astype(np.uint8), bunch.target.astype(np.int64)


def draws(labels: Indices) -> Iterator[Draw]:
    """Seeded draws of a few shots of each class; all the rest are queries."""
    rng = np.random.default_rng(SEED)
    for _ in range(NUM_DRAWS):
        order = rng.permutation(len(labels))
        support = np.concatenate([order[labels[order] == way][:NUM_SHOTS] for way in np.unique(labels)])
        yield Draw(support, np.setdiff1d(order, support))


def wait_for(kshot: Client) -> Limits:
    """The service's limits, as soon as it answers."""
    end = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return kshot.limits()
        except Unavailable:
            if time.monotonic() > end:
                raise
        time.sleep(0.2)


def run(
    kshot: Client, scans: Pixels, labels: Indices, draw: Draw, chunk: int, advance: Callable[[int], None]
) -> Outcome:
    """Adapt to the support, ask about the queries in requests of `chunk`, several in flight."""
    began = time.perf_counter()
    task = kshot.adapt(
        MODEL, scans[draw.support], labels=map(str, labels[draw.support]), name="kshot demo: handwritten digits"
    )
    adapted = time.perf_counter()

    def ask(part: Indices) -> list[str]:
        answers = kshot.predict(task, scans[part], top=1).predictions
        advance(len(part))
        return [answer.label for answer in answers if isinstance(answer, Classification)]

    parts = [draw.query[first : first + chunk] for first in range(0, len(draw.query), chunk)]
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        answers = list(chain.from_iterable(pool.map(ask, parts)))
    predicted = time.perf_counter()
    return Outcome(
        task=task.id,
        adapt_ms=1000 * (adapted - began),
        predict_s=predicted - adapted,
        accuracy=float(np.mean(np.array(answers) == labels[draw.query].astype(str))),
        rival=rival(scans, labels, draw),
    )


def rival(scans: Pixels, labels: Indices, draw: Draw) -> float:
    """Accuracy of logistic regression on the raw pixels of the very same draw."""
    from sklearn.linear_model import LogisticRegression

    flat = scans.reshape(len(scans), -1) / 255
    fitted = LogisticRegression(max_iter=2_000).fit(flat[draw.support], labels[draw.support])
    return float(fitted.score(flat[draw.query], labels[draw.query]))


def report(outcomes: list[Outcome], num_queries: int) -> Group:
    """One line a draw, then what they come to."""
    table = Table("task", box=None)
    for header in ("adapt", "answers", MODEL, "rival"):
        table.add_column(header, justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.task,
            f"{outcome.adapt_ms:.0f} ms",
            f"{num_queries / outcome.predict_s:,.0f} / s",
            f"{outcome.accuracy:.1%}",
            f"{outcome.rival:.1%}",
        )
    rate = num_queries * len(outcomes) / sum(outcome.predict_s for outcome in outcomes)
    summary = Table.grid(padding=(0, 2))
    summary.add_row(f"{MODEL}, trained on letters and never on a digit", _spread([o.accuracy for o in outcomes]))
    summary.add_row("rival, logistic regression on the raw pixels", _spread([o.rival for o in outcomes]))
    summary.add_row("adapting to 50 scans, over HTTP", f"{statistics.median(o.adapt_ms for o in outcomes):.0f} ms")
    summary.add_row("answering, over HTTP", f"{rate:,.0f} scans a second")
    title = f"Ten handwritten digits: {NUM_SHOTS} scans of each to learn from, {num_queries:,} others asked about"
    return Group(title, "", table, "", summary, "(± is the standard deviation over the draws)")


def _spread(shares: list[float]) -> str:
    return f"{statistics.mean(shares):.1%} ± {100 * statistics.stdev(shares):.1f}"
