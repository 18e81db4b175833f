"""How well what is out of scope is told apart: ranks at each size of task, and one threshold for tasks of all sizes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.text.asked import Asked
from benchmarks.text.features import Array
from benchmarks.text.methods import LINEAR, PROBE, scores, unit
from benchmarks.text.probe import PENALTIES
from benchmarks.text.sets import TextSet

SIZES = ((150, 1), (150, 5), (150, 10), (150, 20), (30, 5), (10, 5), (5, 1), (5, 10))  # intents, shots
RECALL = 0.95
Doubts = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # of queries in scope, and of those out of scope


@dataclass(frozen=True)
class Sized:
    """One task's doubts."""

    ways: int
    shots: int
    known: npt.NDArray[np.float64]
    strange: npt.NDArray[np.float64]


def subtasks(content: TextSet, draws: int) -> Iterator[tuple[TextSet, int, int, int]]:
    """Tasks of each size: some of the set's intents, how many shots, and the number of the draw."""
    for number in range(draws):
        for ways, shots in SIZES:
            labels = list(content.shown)
            order = np.random.default_rng([number, ways]).permutation(len(labels))[:ways]
            chosen = sorted(order.tolist())
            place = {old: new for new, old in enumerate(chosen)}
            kept = [query for query, label in enumerate(content.truth) if int(label) in place]
            part = replace(
                content,
                shown={labels[label]: content.shown[labels[label]] for label in chosen},
                queries=[content.queries[query] for query in kept],
                truth=np.array([place[int(content.truth[query])] for query in kept]),
            )
            yield part, ways, shots, number


def kshot_doubts(asked: Asked) -> Doubts:
    """The head's log-odds that a text is of none of the intents."""
    known, strange = (
        scores(asked, names=False, queries=list(texts)).unknown
        for texts in (asked.content.queries, asked.content.strangers)
    )
    assert known is not None and strange is not None
    return known[0].double().numpy(), strange[0].double().numpy()


def centroid_doubts(asked: Asked) -> Doubts:
    """How far the nearest centroid is."""
    rows = unit(asked.frozen.of(asked.texts))
    means = unit(np.stack([rows[asked.classes == label].sum(0) for label in range(len(asked.content.shown))]))

    def doubt(texts: Sequence[str]) -> npt.NDArray[np.float64]:
        cosines: Array = unit(asked.frozen.of(texts)) @ means.T
        far: npt.NDArray[np.float64] = -cosines.max(1).astype(np.float64)
        return far

    return doubt(asked.content.queries), doubt(asked.content.strangers)


PENALTIES_OF: dict[tuple[int, int], float] = {}  # of each size of task


def probe_doubts(asked: Asked) -> Doubts:
    """How unsure logistic regression is of its best intent, with the penalty that tells strangers best.

    It is that of the first task of a size, which is one of those that the threshold is found on.
    """
    size = (len(asked.content.shown), int(np.bincount(asked.classes).max()))
    if size not in PENALTIES_OF:
        PENALTIES_OF[size] = max(PENALTIES, key=lambda C: auroc(Sized(*size, *_unsure(asked, C))))
    return _unsure(asked, PENALTIES_OF[size])


def _unsure(asked: Asked, penalty: float) -> Doubts:
    both = [*asked.content.queries, *asked.content.strangers]
    doubts = -PROBE.scores(asked, both, penalty).max(1)
    return doubts[: len(asked.content.queries)], doubts[len(asked.content.queries) :]


DOUBTS: Mapping[str, Callable[[Asked], Doubts]] = {
    "nearest centroid": centroid_doubts,
    LINEAR: probe_doubts,
    "kshot": kshot_doubts,
}


def auroc(task: Sized) -> float:
    """The chance that a text out of scope is doubted more than one in scope."""
    both = np.concatenate([task.known, task.strange])
    ranks = np.argsort(np.argsort(both, kind="stable"), kind="stable") + 1.0
    for value in np.unique(both):  # equal doubts share their ranks
        same = both == value
        if same.sum() > 1:
            ranks[same] = ranks[same].mean()
    n, m = len(task.known), len(task.strange)
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


def threshold(tasks: Sequence[Sized]) -> float:
    """The doubt below which RECALL of the queries in scope lie; tasks of every size count alike."""
    sizes = sorted({(task.ways, task.shots) for task in tasks})
    pooled = [np.concatenate([task.known for task in tasks if (task.ways, task.shots) == size]) for size in sizes]
    weights = np.concatenate([np.full(len(part), 1 / len(part)) for part in pooled]) / len(pooled)
    values = np.concatenate(pooled)
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), RECALL)])


def accepted(task: Sized, limit: float) -> tuple[float, float]:
    """The share of queries in scope, and of those out of scope, that pass for known."""
    return float((task.known <= limit).mean()), float((task.strange <= limit).mean())
