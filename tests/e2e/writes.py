"""Ways to write to a task: what is asked of the service, and what that makes of what is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from math import sin
from random import Random
from typing import Any
from uuid import uuid4

from service.schemas import Task
from tests.e2e.known import Example, Known

SERIALS = count()
LABELS = "abcd"
DIMS = {"vectors": 64, "curves": 1}


@dataclass(frozen=True, eq=False)
class Write:
    """With a key, it may be sent again."""

    send: Callable[..., Task]  # to a client, with `if_match` or without
    effect: Callable[[Known], Known]
    key: str | None = None
    examples: Sequence[Example] = ()  # that it teaches


def example(model: str, number: int, example_id: str | None = None) -> Example:
    """One that this number stands for."""
    rng = Random(number)
    name = example_id or f"s{next(SERIALS)}"
    if model == "curves":
        x = rng.uniform(-4, 4)
        return Example(name, round(sin(x), 3) + 2, [x])  # never 0
    label = LABELS[number % len(LABELS)]
    return Example(name, label, [rng.gauss(LABELS.index(label), 1.0) for _ in range(DIMS[model])])


def rows(examples: Sequence[Example]) -> dict[str, Any]:
    """Examples as the client takes them."""
    names = "labels" if isinstance(examples[0].truth, str) else "targets"
    inputs, truths = [each.row for each in examples], [each.truth for each in examples]
    return {"inputs": inputs, names: truths, "ids": [each.id for each in examples]}


def extend(known: Known, number: int, *, is_new: bool = False) -> Write:
    """Teach it up to three examples; the same number again, unless they are to be new, gives the same ids."""
    names = [None if is_new else f"n{number}.{place}" for place in range(1 + number % 3)]
    examples = [example(known.model, number + place, name) for place, name in enumerate(names)]
    key = uuid4().hex
    return Write(
        lambda kshot, **options: kshot.extend(known.id, **rows(examples), idempotency_key=key, **options),
        lambda known: known.extended(examples),
        key,
        examples,
    )


def forget(known: Known, number: int) -> Write:
    """Any example that the task has or had; or one that it never had."""
    names = sorted({member.example.id for version in known.versions for member in version.members})
    name = [*names, "never"][number % (len(names) + 1)]
    return Write(lambda kshot, **options: kshot.forget(known.id, name, **options), lambda known: known.forgotten(name))


def roll_back(known: Known, number: int) -> Write:
    """To any version, perhaps one that is to come."""
    key, version = uuid4().hex, 1 + number % (known.current.number + 1)
    return Write(
        lambda kshot, **options: kshot.rollback(known.id, version, idempotency_key=key, **options),
        lambda known: known.rolled_back(version),
        key,
    )


def update(known: Known, number: int) -> Write:
    """Another name or none, and other metadata."""
    name, metadata = (f"name {number}" if number % 3 else None), {"number": number}
    return Write(
        lambda kshot, **options: kshot.update(known.id, name=name, metadata=metadata, **options),
        lambda known: known.updated(name, metadata),
    )


def readapt(digests: Sequence[str], known: Known, number: int) -> Write:
    """To any of these digests, newest first; to the newest also by naming none."""
    key, digest = uuid4().hex, [*digests, digests[0]][number % (len(digests) + 1)]
    named = None if number % (len(digests) + 1) == len(digests) else digest[:12]
    return Write(
        lambda kshot, **options: kshot.readapt(known.id, named, idempotency_key=key, **options),
        lambda known: known.readapted(digest),
        key,
    )
