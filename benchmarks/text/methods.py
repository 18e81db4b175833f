"""The methods that are compared on texts: each gets the same shown texts, and answers the same queries."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from benchmarks.text.features import Array, Features
from benchmarks.text.sets import TextSet
from models.data.episodes import full_rows
from models.heads.head import Head
from models.types import Classes, Logits, Support

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """A set, the texts that are shown of it, and what encoders made of them."""

    content: TextSet
    texts: list[str]
    classes: Labels
    frozen: Features
    trained: Features | None = None  # and the head, where a method needs them
    head: Head | None = None


Method = Callable[[Asked], Labels]


def centroid(asked: Asked) -> Labels:
    """The nearest mean direction of the base's features."""
    rows, queries = unit(asked.frozen.of(asked.texts)), unit(asked.frozen.of(asked.content.queries))
    means = np.stack([rows[asked.classes == label].sum(0) for label in range(len(asked.content.shown))])
    return np.asarray(np.argmax(queries @ unit(means).T, axis=1), np.int64)


def linear_probe(asked: Asked) -> Labels:
    """scikit-learn's logistic regression on the base's unit features."""
    return np.asarray(np.argmax(linear_probe_scores(asked, asked.content.queries), axis=1), np.int64)


def linear_probe_scores(asked: Asked, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Its probabilities."""
    model = _fitted(unit(asked.frozen.of(asked.texts)), asked.classes)
    found: npt.NDArray[np.float64] = model.predict_proba(unit(asked.frozen.of(texts)))
    return found


def words(asked: Asked) -> Labels:
    """scikit-learn's TF-IDF of words and pairs of words, then logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    read = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = _fitted(read.fit_transform(asked.texts), asked.classes)
    found: Labels = model.predict(read.transform(asked.content.queries))
    return found


def kshot(asked: Asked) -> Labels:
    """The encoder that never saw the set, and its head."""
    return _best(scores(asked, names=False))


def kshot_named(asked: Asked) -> Labels:
    """The same, given the labels' names as well."""
    return _best(scores(asked, names=True))


def scores(asked: Asked, names: bool, queries: list[str] | None = None) -> Logits:
    """What the head says of the queries, in single precision."""
    assert asked.trained and asked.head
    count = len(asked.content.shown)
    texts = [*asked.texts, *asked.content.names] if names else asked.texts
    classes = np.concatenate([asked.classes, np.arange(count)]) if names else asked.classes
    are_names = torch.arange(len(texts))[None] >= len(asked.texts) if names else None
    target = Classes(torch.from_numpy(classes)[None], torch.ones(1, count, dtype=torch.bool))
    asked_rows = asked.trained.of(asked.content.queries if queries is None else queries)
    with torch.inference_mode():
        params = asked.head.adapt(Support(full_rows(_rows(asked.trained.of(texts))), target, are_names))
        found = asked.head.predict(params, full_rows(_rows(asked_rows)))
    assert isinstance(found, Logits)
    return found


METHODS: Mapping[str, Method] = {
    "nearest centroid": centroid,
    "TF-IDF + logistic regression": words,
    "frozen encoder + logistic regression": linear_probe,
    "kshot": kshot,
    "kshot, with names": kshot_named,
}
OURS = ("kshot", "kshot, with names")


def unit(rows: Array) -> Array:
    """Rows of length one."""
    return F.normalize(torch.from_numpy(rows), dim=-1).numpy()


def _best(found: Logits) -> Labels:
    best: Labels = found.values[0].argmax(1).numpy()
    return best


def _rows(rows: Array) -> torch.Tensor:
    return torch.from_numpy(rows)[None]


def _fitted(rows: object, classes: Labels) -> Any:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings(action="ignore"):  # that so many steps were not enough
        return LogisticRegression(C=10, max_iter=300).fit(rows, classes)
