"""What a service must know of a task, kept in memory: pure, and refusing what the service must refuse."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from service.client import Client
from service.errors import (
    ExampleExists,
    ExampleNotFound,
    TaskNotFound,
    TooFewLabels,
    VersionErased,
    VersionNotFound,
)
from service.schemas import Origin, Task, TaskVersion

UNKNOWN = {"created_at", "updated_at", "support_digest", "expected", "suspects"}  # of what is told
MAX_VERSIONS = 6  # that are kept; so few that some go in every day


@dataclass(frozen=True, eq=False)
class Example:
    """A row and its label or target; two of one id are two."""

    id: str
    truth: str | float
    row: list[float]


class Params:
    """What one adaptation made: wherever this is, the same bits are."""


@dataclass(frozen=True)
class Member:
    """An example of a version, and the version that it came with."""

    example: Example
    since: int


@dataclass(frozen=True)
class Version:
    """A version; forgetting takes its params, and one of its members."""

    number: int
    origin: Origin
    model_digest: str
    num_support: int
    members: tuple[Member, ...]
    params: Params | None
    sources: tuple[str, ...] = ()  # the tasks that it learned from
    alone: Params | None = None  # what it is without them

    @property
    def labels(self) -> list[str] | None:
        """Those of a classifier, in the order in which they came."""
        truths = [member.example.truth for member in self.members]
        return None if isinstance(truths[0], float) else list(dict.fromkeys(map(str, truths)))

    def without(self, example_id: str) -> "Version":
        """What is left of it when the example is forgotten."""
        left = tuple(member for member in self.members if member.example.id != example_id)
        return self if len(left) == len(self.members) else replace(self, members=left, params=None)

    def facts(self, is_classifier: bool) -> dict[str, Any]:
        """What a listing of versions must say of it."""
        is_available = self.params is not None
        return {
            "version": self.number,
            "origin": self.origin,
            "model_digest": self.model_digest,
            "num_support": self.num_support,
            "labels": self.labels if is_available and is_classifier else None,
            "available": is_available,
            "transferred_from": list(self.sources),
            "support": [(member.example.id, member.example.truth, member.since) for member in self.members],
        }


@dataclass(frozen=True)
class Known:
    """A task with the versions that are kept, newest first. Each write gives another; what is refused raises."""

    id: str
    model: str
    versions: tuple[Version, ...]
    name: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    revision: int = 1

    @property
    def current(self) -> Version:
        """The version that answers."""
        return self.versions[0]

    @property
    def is_classifier(self) -> bool:
        """Whether the task answers labels."""
        return self.model == "vectors"

    def version(self, number: int) -> Version:
        """One that is kept and has its params. Raises VersionNotFound or VersionErased."""
        for each in self.versions:
            if each.number == number and each.params is None:
                raise VersionErased("forgotten")
            if each.number == number:
                return each
        raise VersionNotFound("never made, or not kept")

    def extended(self, examples: Sequence[Example]) -> "Known":
        """Taught more."""
        if {example.id for example in examples} & {member.example.id for member in self.current.members}:
            raise ExampleExists("known")
        return self._next("extend", (*self.current.members, *self._new(examples)))

    def forgotten(self, example_id: str) -> "Known":
        """Without an example, which perhaps only an older version has."""
        if all(each is each.without(example_id) for each in self.versions):
            raise ExampleNotFound("in no version")
        left = self.current.without(example_id).members
        if len({member.example.truth if self.is_classifier else 0 for member in left}) < 1 + self.is_classifier:
            raise TooFewLabels("too few")
        erased = tuple(each.without(example_id) for each in self.versions)
        return replace(self, versions=erased)._next("forget", left)

    def rolled_back(self, number: int) -> "Known":
        """With the support and the params of an earlier version."""
        source, since = self.version(number), {each.example: each.since for each in self.current.members}
        members = tuple(
            replace(each, since=since.get(each.example, self.current.number + 1)) for each in source.members
        )
        return self._next("rollback", members, same=source)

    def readapted(self, digest: str) -> "Known":
        """On another digest of its model; on that already, it stays as it is."""
        if digest == self.current.model_digest:
            return self
        return self._next("readapt", self.current.members, digest)

    def updated(self, name: str | None, metadata: dict[str, Any]) -> "Known":
        """Under another name, with other metadata."""
        return replace(self, name=name, metadata=metadata, revision=self.revision + 1)

    def without_source(self, source: str) -> "Known":
        """As it goes on when a task that it may have learned from forgets something."""
        current, tainted = self.current, [each for each in self.versions if each.params and source in each.sources]
        versions = tuple(replace(each, params=None) if each in tainted else each for each in self.versions)
        if current not in tainted:
            return replace(self, versions=versions)
        number = current.number + 1  # one more than may be kept, until the next write
        made = Version(number, "forget", current.model_digest, len(current.members), current.members, current.alone)
        return replace(self, versions=(made, *versions), revision=self.revision + 1)

    def imported(self, task_id: str) -> "Known":
        """As it comes into being elsewhere."""
        first = replace(self.current, number=1, origin="import")
        first = replace(first, members=tuple(replace(member, since=1) for member in first.members))
        return replace(self, id=task_id, versions=(first,), revision=1)

    def facts(self) -> dict[str, Any]:
        """All that the service must say of it."""
        versions = [each.facts(self.is_classifier) for each in self.versions]
        return {"task": self.task_facts(), "versions": versions}

    def task_facts(self) -> dict[str, Any]:
        """What `GET /v1/tasks/{id}` must say."""
        return {
            "id": self.id,
            "model": self.model,
            "model_digest": self.current.model_digest,
            "name": self.name,
            "kind": "classification" if self.is_classifier else "regression",
            "labels": self.current.labels,
            "version": self.current.number,
            "revision": self.revision,
            "num_support": len(self.current.members),
            "metadata": self.metadata,
            "prior": None,
            "columns": None,
            "transferred_from": list(self.current.sources),
        }

    def _new(self, examples: Sequence[Example]) -> tuple[Member, ...]:
        return tuple(Member(example, self.current.number + 1) for example in examples)

    def _next(
        self, origin: Origin, members: tuple[Member, ...], digest: str | None = None, same: Version | None = None
    ) -> "Known":
        number, digest = self.current.number + 1, digest or self.current.model_digest
        made = Version(number, origin, digest, len(members), members, Params())
        if same is not None:
            made = replace(same, number=number, origin=origin, members=members)
        return replace(self, versions=(made, *self.versions)[:MAX_VERSIONS], revision=self.revision + 1)


def first(task: Task, examples: Sequence[Example]) -> Known:
    """A task that was just made of these."""
    members = tuple(Member(example, 1) for example in examples)
    version = Version(1, "adapt", task.model_digest, len(members), members, Params())
    return Known(task.id, task.model, (version,), task.name, dict(task.metadata))


def seen(kshot: Client, task_id: str) -> dict[str, Any] | None:
    """All that the service says of a task, as `Known.facts` has it; None if there is no such task."""
    try:
        task, versions = kshot.get(task_id), kshot.versions(task_id)
    except TaskNotFound:
        return None
    assert (task.expected, task.suspects) == (versions[0].expected, versions[0].suspects)
    return {"task": told(task), "versions": [_seen_version(kshot, task_id, each) for each in versions]}


def told(task: Task) -> dict[str, Any]:
    """The facts of an answer that tells of a task."""
    facts = task.model_dump(include=set(Task.model_fields))
    return {name: value for name, value in facts.items() if name not in UNKNOWN}


def _seen_version(kshot: Client, task_id: str, version: TaskVersion) -> dict[str, Any]:
    assert (version.support_digest is not None) == version.available
    facts = version.model_dump(exclude=UNKNOWN)
    support = list(kshot.support(task_id, version=version.version))
    assert version.available or (version.expected, version.suspects) == (None, None)
    assert {each.id for each in version.suspects or ()} <= {each.id for each in support}
    return facts | {"support": [(each.id, each.label or each.target, each.since_version) for each in support]}
