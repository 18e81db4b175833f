"""What is stored, read past the service, and the bits that must never change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from safetensors.numpy import load
from sqlalchemy import Engine, Row, create_engine, select
from sqlalchemy.pool import NullPool

from service.client import Client
from service.storage.engines import database_url
from service.storage.tables import Example, Membership, OwnParams, Params, Task, Version
from tests.e2e import known
from tests.e2e.known import Known
from tests.e2e.writes import example

QUERIES = range(1_000, 1_003)  # numbers that stand for examples


@dataclass(frozen=True)
class Stored:
    """A task as it lies in the tables."""

    facts: dict[str, Any]  # as `Known.facts` has them
    weights: dict[int, str]  # by version; digests
    own_weights: dict[int, str]
    inputs: dict[str, bytes]


class Bits:
    """Of params the weights, and what they answered: seen once, they are the same ever after."""

    def __init__(self) -> None:
        self.num_compared = self.num_noted = 0
        self._weights: dict[known.Params, str] = {}
        self._answers: dict[known.Params, object] = {}

    def note(self, task: Known, file: bytes) -> None:
        """The weights that a service gave of the task's current version."""
        assert task.current.params is not None
        self.num_noted += task.current.params not in self._weights
        self._see(task.current.params, digest_of(file))

    def check(self, task: Known, found: Stored) -> None:
        """Whatever is stored of a task is as it was, and as it was sent."""
        for version in task.versions:
            if version.params is not None:
                self._see(version.params, found.weights[version.number])
            if version.params is not None and version.alone is not None:
                self._see(version.alone, found.own_weights[version.number])
            for member in version.members:
                assert found.inputs[member.example.id] == np.array(member.example.row, np.float32).tobytes()

    def check_answers(self, kshot: Client, task: Known) -> None:
        """The task answers as its params have always done; nothing else is asked meanwhile, which would change bits."""
        answers = kshot.predict(task.id, [example(task.model, number).row for number in QUERIES])
        assert answers.version == task.current.number and task.current.params is not None
        assert self._answers.setdefault(task.current.params, answers.predictions) == answers.predictions

    def _see(self, params: known.Params, digest: str) -> None:
        self.num_compared += params in self._weights
        assert self._weights.setdefault(params, digest) == digest, "other weights than before"


def digest_of(file: bytes) -> str:
    """Of the arrays of a safetensors file, whatever its header says."""
    digest = sha256()
    for name, leaf in sorted(load(file).items()):
        digest.update(f"{name} {leaf.dtype} {leaf.shape} ".encode() + leaf.tobytes())
    return digest.hexdigest()


def engine_for(url: str) -> Engine:
    """Connections that are made when they are needed, and leave no lock behind."""
    parsed = database_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    return create_engine(parsed.set(drivername="sqlite") if is_sqlite else parsed, poolclass=NullPool)


def read_all(engine: Engine) -> dict[str, Stored]:
    """Every task by its name, at one moment."""
    tables = (Version, Params, OwnParams, Membership, Example)
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection, connection.begin():
        tasks = connection.execute(select(Task.__table__)).all()
        rows = [_by_task(connection.execute(select(table.__table__)).all()) for table in tables]
    return {task.name: _stored(task, *(each.get(task.id, []) for each in rows)) for task in tasks}


def _by_task(rows: "Sequence[Row[Any]]") -> "dict[str, list[Row[Any]]]":
    of_task = attrgetter("task_id")
    return {task_id: list(its) for task_id, its in groupby(sorted(rows, key=of_task), of_task)}


def _stored(task: "Row[Any]", *rows: "list[Row[Any]]") -> Stored:
    versions, params, own_params, members, examples = rows
    weights = {row.number: digest_of(row.data) for row in params}
    by_ordinal = {row.ordinal: row for row in examples}
    told = [
        _version(row, row.number in weights, [(by_ordinal[each.ordinal], each) for each in members])
        for row in sorted(versions, key=lambda row: -row.number)
    ]
    [current] = [each for each in told if each["version"] == task.version]
    facts = {
        **{name: getattr(task, name) for name in ("id", "name", "model", "kind", "version", "revision", "metadata")},
        **{name: current[name] for name in ("model_digest", "labels", "num_support", "transferred_from")},
        "prior": task.prior,
        "columns": next((row.preprocessing or {}).get("columns") for row in versions if row.number == task.version),
    }
    own_weights = {row.number: digest_of(row.data) for row in own_params}
    return Stored(
        {"task": facts, "versions": told}, weights, own_weights, {row.example_id: row.input for row in examples}
    )


def _version(row: "Row[Any]", is_available: bool, members: "list[tuple[Row[Any], Row[Any]]]") -> Mapping[str, Any]:
    covering = [
        (example.ordinal, (example.example_id, example.label or example.target, member.since_version))
        for example, member in members
        if member.since_version <= row.number < (member.until_version or row.number + 1)
    ]
    return {
        "version": row.number,
        "origin": row.origin,
        "model_digest": row.model_digest,
        "num_support": row.num_support,
        "labels": row.labels if is_available else None,
        "available": is_available,
        "transferred_from": row.transferred_from or [],
        "support": [told for _, told in sorted(covering)],
    }
