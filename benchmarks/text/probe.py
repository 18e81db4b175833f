"""The rival that every user has: scikit-learn's logistic regression, given the best of several penalties."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.text.asked import Asked, Labels

PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # scikit-learn's C; the last hardly a penalty
CHECKED = 10  # texts of an intent
Read = Callable[[Sequence[str]], Any]  # texts -> a row of numbers each


@dataclass(frozen=True)
class Probe:
    """Logistic regression on rows of texts; the penalty is that which does best on texts neither shown nor asked.

    It is chosen once for each size of task of a set, on the first draw of what is shown: by far more texts than the
    task has, which is more than a user would have.
    """

    reading: Callable[[Asked], Read]
    chosen: dict[tuple[str, int, int], float] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Labels:
        """What it answers."""
        return np.asarray(np.argmax(self.scores(asked, asked.content.queries), axis=1), np.int64)

    def scores(self, asked: Asked, texts: Sequence[str], penalty: float | None = None) -> npt.NDArray[np.float64]:
        """Its probabilities."""
        read, penalty = self.reading(asked), penalty or self.choose(asked)
        found: npt.NDArray[np.float64] = _fitted(read, asked, penalty).predict_proba(read(texts))
        return found

    def choose(self, asked: Asked) -> float:
        """The penalty for tasks of this size."""
        content, shots = asked.content, int(np.bincount(asked.classes).max())
        size = (content.name, len(content.shown), shots)
        if size not in self.chosen:
            texts, classes = content.draw(shots, 0)
            held_out, truth = content.draw(CHECKED, 0, behind=shots)
            first = replace(asked, texts=texts, classes=classes)
            read = self.reading(first)
            right = {C: _fitted(read, first, C).score(read(held_out), truth) if held_out else 0.0 for C in PENALTIES}
            self.chosen[size] = max(PENALTIES, key=right.__getitem__)
        return self.chosen[size]


def _fitted(read: Read, asked: Asked, penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings(action="ignore"):  # that so many steps were not enough
        return LogisticRegression(C=penalty, max_iter=300).fit(read(asked.texts), asked.classes)
