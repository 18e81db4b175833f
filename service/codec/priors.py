"""How often each label of a task is to be expected: what a prior may say, and what it makes of scores."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from service.errors import FieldError
from service.fields import Prior
from service.schemas import Kind

SUM = 1e-3  # how far from 1 the probabilities of all labels may add up
LEAST = 1e-6  # of a share that labels without a probability of their own could divide


def wrong_prior(prior: Prior | None, kind: Kind | str, labels: Sequence[str]) -> Iterator[FieldError]:
    """What a task of these labels cannot do with a prior."""
    if prior is None:
        return
    if kind != "classification":
        yield FieldError("prior", f"does not belong in a {kind} task")
    elif not isinstance(prior, str):
        for label in prior:
            if label not in labels:
                yield FieldError(f"prior.{label[:80]}", "is no label of the task")
        total, is_whole = sum(prior.values()), set(labels) <= prior.keys()
        if is_whole and abs(total - 1) > SUM:
            yield FieldError("prior", f"the probabilities of all labels add up to {total:g} and not to 1")
        elif not is_whole and total > 1 - LEAST:
            yield FieldError("prior", f"add up to {total:g}, which leaves nothing to the labels that are not named")


def without_others(prior: Prior, labels: Collection[str]) -> Prior:
    """A prior without what it says of labels that are not among these."""
    if isinstance(prior, str):
        return prior
    return {label: share for label, share in prior.items() if label in labels} or "uniform"


def fitted(prior: Prior | None, labels: Sequence[str]) -> Prior | None:
    """A prior that a task of these labels can have, and that says of them what this one does."""
    if prior is None or not any(wrong_prior(prior, "classification", labels)):
        return prior
    shares = _told(prior, labels)
    return dict(zip(labels, (shares / shares.sum()).tolist(), strict=True))


def expecting(
    probabilities: npt.NDArray[np.float32],
    labels: Sequence[str],
    prior: Prior,
    shots: Sequence[int],
    balance: float,
) -> npt.NDArray[np.float32]:
    """Probabilities [Q N] as they are where labels are as frequent as `prior` says.

    `shots` are the examples of each label; the probabilities expect labels in proportion to their power `balance`.
    """
    taught = np.array(shots, np.float64)
    wanted = taught if prior == "support" else np.ones_like(taught) if prior == "uniform" else _told(prior, labels)
    weighed = probabilities * wanted / wanted.sum() / (taught / taught.max()) ** balance
    shared: npt.NDArray[np.float32] = (weighed / weighed.sum(-1, keepdims=True)).astype(np.float32)
    return shared


def _told(prior: Mapping[str, float] | str, labels: Sequence[str]) -> npt.NDArray[np.float64]:
    """What is left is shared by the labels that are not named; if nothing is, each of them is an average one."""
    assert not isinstance(prior, str)
    others = sum(label not in prior for label in labels)
    left = 1 - sum(prior.get(label, 0.0) for label in labels)
    share = left / others if others and left > LEAST else 1 / len(labels)
    return np.array([prior.get(label, share) for label in labels], np.float64)
