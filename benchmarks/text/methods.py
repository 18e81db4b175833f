"""The methods that are compared on texts: each gets the same shown texts, and answers the same queries."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.text.asked import Asked, Labels
from benchmarks.text.features import Array
from benchmarks.text.probe import Probe, Read
from models.types import Classes, Logits, Support, full_rows

Method = Callable[[Asked], Labels]


def centroid(asked: Asked) -> Labels:
    """The nearest mean direction of the base's features."""
    rows, queries = unit(asked.frozen.of(asked.texts)), unit(asked.frozen.of(asked.content.queries))
    means = np.stack([rows[asked.classes == label].sum(0) for label in range(len(asked.content.shown))])
    return np.asarray(np.argmax(queries @ unit(means).T, axis=1), np.int64)


def base_features(asked: Asked) -> Read:
    """Unit features of the frozen base."""
    return lambda texts: unit(asked.frozen.of(texts))


def words(asked: Asked) -> Read:
    """scikit-learn's TF-IDF of words and pairs of words, as the shown texts have them."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    read = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    read.fit(asked.texts)
    return read.transform  # type: ignore[no-any-return]


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


LINEAR, PROBE = "frozen encoder + logistic regression", Probe(base_features)
METHODS: Mapping[str, Method] = {
    "nearest centroid": centroid,
    "TF-IDF + logistic regression": Probe(words),
    LINEAR: PROBE,
    "kshot": kshot,
    "kshot, with names": kshot_named,
}
OURS = ("kshot", "kshot, with names")
REVISIONS = {name: "best of 4 penalties" for name, method in METHODS.items() if isinstance(method, Probe)}


def unit(rows: Array) -> Array:
    """Rows of length one."""
    return F.normalize(torch.from_numpy(rows), dim=-1).numpy()


def _best(found: Logits) -> Labels:
    best: Labels = found.values[0].argmax(1).numpy()
    return best


def _rows(rows: Array) -> torch.Tensor:
    return torch.from_numpy(rows)[None]
