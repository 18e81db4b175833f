"""Writes that may be under way when a service is killed: what is asked, and what it makes of a client's tasks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Literal, TypeAlias, get_args
from uuid import uuid4

from service.client import Client
from service.errors import KshotError
from service.schemas import Job, Task
from tests.e2e.known import Example, Known, Member, Params, Version
from tests.e2e.writes import DIMS, example, extend, forget, roll_back, rows

MAX_TASKS = 4  # of one client
WAYS, SHOTS, NOISE = 3, 4, 1.2  # of tasks that one can learn from another: one shot alone is poor
SERIALS = count()

Kind: TypeAlias = Literal["adapt", "extend", "forget", "rollback", "delete", "transfer", "job"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Tasks: TypeAlias = Mapping[str, Known]  # by name, which is unique
Told: TypeAlias = Mapping[str, Mapping[str, Any]]  # what the service says of tasks, by name


@dataclass(frozen=True)
class Asked:
    """A write to a client's tasks.

    What is new has an id that only the service knows, and only it knows from which others a task has learned: `effect`
    is told what is there now.
    """

    kind: Kind
    send: Callable[[Client], Task | Job | None]
    effect: Callable[[Tasks, Told], Tasks]
    has_key: bool = True  # so that it may be sent again


def draw(rng: Random, owner: str, tasks: Tasks) -> Asked:
    """Any write that must succeed. The names of an owner's tasks begin with its own."""
    if len(tasks) < rng.randint(1, MAX_TASKS):
        name = f"{owner} {next(SERIALS)}"
        return (new if rng.random() < 0.4 else related)(rng, name, tasks)
    task = rng.choice(list(tasks.values()))
    if task.current.sources or rng.random() < 0.15:
        return again(task) if rng.random() < 0.5 else deleting(task)
    try:
        return rng.choice((extending, extending, extending_later, forgetting, forgetting, rolling_back))(rng, task)
    except KshotError:  # as it would be refused
        return draw(rng, owner, tasks)


def new(rng: Random, name: str, _: Tasks) -> Asked:
    """A new task, at once or by a job."""
    model, number = rng.choice(list(DIMS)), rng.randrange(10**6)
    examples = [example(model, number + place) for place in range(6)]
    return made(name, model, examples, "adapt" if rng.random() < 0.8 else "job")


def related(rng: Random, name: str, tasks: Tasks) -> Asked:
    """A task with one example a label that learns from another; or, if there is none, such another."""
    for task in tasks.values():
        # its own labels alone: those of all kinds of tasks would let it learn from another client's
        labels = [label for label in task.current.labels or [] if label.startswith(f"{task.name} ")]
        if len(labels) > 1 and not task.current.sources:
            return made(name, "vectors", [_near(rng, label) for label in labels], "transfer")
    return made(name, "vectors", [_near(rng, f"{name} {way % WAYS}") for way in range(WAYS * SHOTS)], "adapt")


def made(name: str, model: str, examples: Sequence[Example], kind: Kind) -> Asked:
    """A new task of these examples."""
    key, given = uuid4().hex, {**rows(examples), "name": name}

    def send(kshot: Client) -> Task | Job:
        if kind == "job":
            return kshot.adapt_later(model, **given, idempotency_key=key)
        return kshot.adapt(model, **given, transfer=kind == "transfer", idempotency_key=key)

    def effect(tasks: Tasks, told: Told) -> Tasks:
        return {**tasks, name: _first(told[name], examples)} if name in told else tasks

    return Asked(kind, send, effect)


def extending(rng: Random, task: Known) -> Asked:
    """Taught up to three examples."""
    write = extend(task, rng.randrange(10**6), is_new=True)
    return Asked("extend", write.send, _moved(task, write.effect))


def extending_later(rng: Random, task: Known) -> Asked:
    """The same, by a job."""
    write = extend(task, rng.randrange(10**6), is_new=True)

    def send(kshot: Client) -> Job:
        return kshot.extend_later(task.id, **rows(write.examples), idempotency_key=write.key)

    return Asked("job", send, _moved(task, write.effect))


def forgetting(rng: Random, task: Known) -> Asked:
    """Without an example, and without what was computed from it, here or in tasks that learned from this one."""
    write = forget(task, rng.randrange(10**6))
    write.effect(task)
    return Asked("forget", write.send, _moved(task, write.effect), has_key=False)


def rolling_back(rng: Random, task: Known) -> Asked:
    """Back to any version that has its params."""
    write = roll_back(task, rng.randrange(10**6))
    write.effect(task)
    return Asked("rollback", write.send, _moved(task, write.effect))


def again(task: Known) -> Asked:
    """The current version once more."""
    write = roll_back(task, task.current.number - 1)
    return Asked("rollback", write.send, _moved(task, write.effect))


def deleting(task: Known) -> Asked:
    """No task."""

    def effect(tasks: Tasks, _: Told) -> Tasks:
        return {name: each.without_source(task.id) for name, each in tasks.items() if each.id != task.id}

    return Asked("delete", lambda kshot: kshot.delete(task.id), effect, has_key=False)


def _near(rng: Random, label: str) -> Example:
    """An example beside a point that the label stands for."""
    centre = Random(label)
    row = [centre.gauss(0, 1) + rng.gauss(0, NOISE) for _ in range(DIMS["vectors"])]
    return Example(f"r{next(SERIALS)}", label, row)


def _first(facts: Mapping[str, Any], examples: Sequence[Example]) -> Known:
    sources, members = tuple(facts["transferred_from"]), tuple(Member(example, 1) for example in examples)
    alone = Params() if sources else None
    version = Version(1, "adapt", facts["model_digest"], len(members), members, Params(), sources, alone)
    return Known(facts["id"], facts["model"], (version,), facts["name"])


def _moved(task: Known, effect: Callable[[Known], Known]) -> Callable[[Tasks, Told], Tasks]:
    """What becomes of all tasks: those that learned from this one lose that, if it loses an example."""

    def whole(tasks: Tasks, _: Told) -> Tasks:
        moved = effect(task)
        others: Tasks = tasks
        if _examples(task) - _examples(moved):
            others = {name: each.without_source(task.id) for name, each in tasks.items()}
        return {**others, str(task.name): moved}

    return whole


def _examples(task: Known) -> set[Example]:
    return {member.example for version in task.versions for member in version.members}
