"""Before anything is measured: rivals must answer what kshot answers, or a ratio means nothing."""

from collections.abc import Sequence

import numpy as np

from benchmarks.asked import INPUTS, NUM_WAYS
from benchmarks.serving.servers import Running

NUM_QUERIES = 40
TOLERANCE = 0.05  # of a probability: sums of bfloat16 in another order, through five steps of an inner loop
SURE = 0.1  # a label that is so much likelier than the next must be everybody's


class Differs(Exception):
    """A rival does not answer as kshot does."""


def check(model: str, servers: Sequence[Running]) -> None:
    """Raises Differs unless all answer alike; the echo answers nothing."""
    rng = np.random.default_rng(7)
    inputs = [INPUTS[model](rng, number % NUM_WAYS) for number in range(NUM_QUERIES)]
    told = {}
    for each in servers:
        if each.server.name != "echo" and each.server.name not in told:
            each.fill(1)
            told[each.server.name] = each.labels(inputs)
    first, *others = told.items()
    for name, answers in others:
        for own, other in zip(first[1], answers, strict=True):
            _compare(f"{model}: {first[0]} and {name}", own["scores"], other["scores"])


def _compare(where: str, own: dict[str, float], other: dict[str, float]) -> None:
    gap = max(abs(own[label] - other[label]) for label in own)
    best, second = sorted(own.values())[-1:-3:-1]
    is_clear = best - second > SURE
    if gap > TOLERANCE or (is_clear and max(own, key=own.__getitem__) != max(other, key=other.__getitem__)):
        raise Differs(f"{where} differ: {own} and {other}")
