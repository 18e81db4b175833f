"""A day of some tasks at several places: each thing that is done to them, and to what is known of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from service.client import Client
from service.errors import IdempotencyKeyReused, KshotError, PreconditionFailed, TaskNotFound
from service.schemas import MAX_VERSION, CreatedTask, Task
from tests.e2e.evidence import Evidence
from tests.e2e.known import Known, first, seen, told
from tests.e2e.place import Place
from tests.e2e.writes import Write, example, extend, forget, readapt, roll_back, rows, update

NUM_CLIENTS = 4


@dataclass(eq=False)
class Held:
    """A task, where it is, and what is known of it; None when it is deleted."""

    place: Place
    known: Known | None

    @property
    def now(self) -> Known:
        assert self.known is not None
        return self.known


@dataclass(frozen=True)
class Said:
    """A write that has been answered, under a key."""

    held: Held
    send: Callable[[Client], Task]
    key: str
    answer: Task


class Day:
    """What is done and what is known."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self.places = places
        self.tasks: list[Held] = []
        self.usual_s = 0.1  # that a write takes
        self._said: list[Said] = []
        self._evidence = Evidence()

    def digests(self, model: str) -> list[str]:
        """Those that are loaded, newest first; at all places the same."""
        (found,) = {tuple(place.kshot.model(model).digests) for place in self.places.values()}
        return list(found)

    def some(self, held: Held, kind: str, number: int) -> Write:
        """A write of this kind, to the task as it is now."""
        if kind == "readapt":
            return readapt(self.digests(held.now.model), held.now, number)
        return {"extend": extend, "forget": forget, "roll back": roll_back, "update": update}[kind](held.now, number)

    def create(self, where: str, model: str, number: int, moment: float | None = None) -> Held:
        """A new task of six examples, on the older digest."""
        examples = [example(model, number + place) for place in range(6)]
        served, name = f"{model}@{self.digests(model)[-1][:12]}", f"task {number}"
        return self._make(
            self.places[where],
            lambda kshot, key: kshot.adapt(served, **rows(examples), name=name, idempotency_key=key),
            lambda made: first(made, examples),
            moment,
        )

    def write(self, held: Held, write: Write, match: str = "none") -> None:
        """Do it; what is refused changes nothing. `match` says whether it names the revision, and an old one."""
        before = held.now
        options = {} if match == "none" else {"if_match": before.revision - (match == "old")}
        wanted = PreconditionFailed if match == "old" else outcome(write, before)
        started = time.perf_counter()
        if isinstance(wanted, type):
            with pytest.raises(wanted) as refused:
                write.send(held.place.kshot, **options)
            assert refused.type is wanted
            return
        answer = write.send(held.place.kshot, **options)
        self.usual_s = time.perf_counter() - started
        held.known = wanted
        self._heard(held, write, answer, options)

    def write_and_kill(self, held: Held, write: Write, moment: float) -> None:
        """Do it, and kill the service meanwhile: it has happened as a whole or not at all; then do it again."""
        before, wanted = held.now, outcome(write, held.now)
        after = before if isinstance(wanted, type) else wanted
        answer = held.place.killed(write.send, moment * self.usual_s)
        now = seen(held.place.kshot, before.id)
        if answer is None and now == before.facts() != after.facts():
            self.write(held, write)
            return
        held.known = after
        assert now == after.facts()
        if write.key is None or isinstance(wanted, type):
            self.write(held, write)  # once more
            return
        again = write.send(held.place.kshot)
        assert answer is None or again == answer
        self._heard(held, write, again)

    def teach_at_once(self, held: Held, number: int, num_each: int, kill_after: int | None = None) -> None:
        """Several clients teach it at once, each one thing after another; perhaps until the service is killed."""
        writes = [extend(held.now, number + each, is_new=True) for each in range(NUM_CLIENTS * num_each)]
        answers = held.place.at_once([write.send for write in writes], NUM_CLIENTS, kill_after)
        heard = {write: answer for write, answer in zip(writes, answers, strict=True) if answer is not None}
        assert kill_after is not None or len(heard) == len(writes)
        since = {each.id: each.since_version for each in held.place.kshot.support(held.now.id)}
        found: dict[int, Write] = {}
        for write in writes:
            versions = {since.get(each.id) for each in write.examples}
            assert len(versions) == 1, "half of what was taught"
            version = versions.pop()
            assert write not in heard or heard[write].version == version, "what was answered was lost"
            if version is not None:
                found[version] = write
        for version in sorted(found):
            held.known = found[version].effect(held.now)
            if (answer := heard.get(found[version])) is not None:
                self._heard(held, found[version], answer)
        assert seen(held.place.kshot, held.now.id) == held.now.facts()
        for version, write in found.items():
            assert write.send(held.place.kshot).version == version  # sent again, nothing happens again
        for write in writes:
            if write not in found.values():
                self.write(held, write)

    def job(self, held: Held, number: int, moment: float | None = None) -> None:
        """Teach it later, perhaps with the service killed soon after it was asked."""
        write = extend(held.now, number, is_new=True)
        after = write.effect(held.now)

        def later(kshot: Client) -> Any:
            return kshot.extend_later(held.now.id, **rows(write.examples), idempotency_key=write.key)

        accepted = later(held.place.kshot) if moment is None else held.place.killed(later, moment * self.usual_s)
        kshot = held.place.kshot
        assert told(kshot.get(held.now.id)) in (held.now.task_facts(), after.task_facts())  # it may be happening
        again = later(kshot)
        assert accepted is None or again == accepted
        over = kshot.wait(again)
        assert over.state == "succeeded", over
        held.known = after
        assert isinstance(over.result, CreatedTask) and told(over.result) == after.task_facts()

    def move(self, held: Held, moment: float | None = None) -> Held:
        """Export it, and import it at the other place, where it is another task; perhaps with that place killed."""
        before, file = held.now, held.place.kshot.export(held.now.id)
        assert held.place.kshot.export(before.id) == file
        (other,) = (place for place in self.places.values() if place is not held.place)
        return self._make(
            other,
            lambda kshot, key: kshot.import_task(file, idempotency_key=key),
            lambda made: before.imported(made.id),
            moment,
        )

    def evaluate(self, held: Held, number: int) -> None:
        """Hold a version, perhaps one that is to come, against examples."""
        self._evidence.check_figures(held.place.kshot, held.now, 1 + number % (held.now.current.number + 1))

    def send_again(self, number: int) -> None:
        """Any write that has been answered, as it was: it gets the same answer, and nothing happens."""
        said = self._said[number % len(self._said)]
        kshot = said.held.place.kshot
        if said.held.known is None:
            with pytest.raises(TaskNotFound):
                said.send(kshot)
            return
        assert said.send(kshot) == said.answer
        with pytest.raises(IdempotencyKeyReused):
            kshot.rollback(said.held.now.id, MAX_VERSION, idempotency_key=said.key)

    def delete(self, held: Held) -> None:
        """End it."""
        held.place.kshot.delete(held.now.id)
        assert seen(held.place.kshot, held.now.id) is None
        held.known = None
        self.tasks.remove(held)

    def close(self) -> None:
        """Delete what is left."""
        for held in list(self.tasks):
            self.delete(held)

    def check(self) -> None:
        """Every task is as it is known."""
        for held in self.tasks:
            assert seen(held.place.kshot, held.now.id) == held.now.facts()
            self._evidence.check(held.place.kshot, held.now)

    def _make(
        self,
        place: Place,
        send: Callable[[Client, str], CreatedTask],
        know: Callable[[CreatedTask], Known],
        moment: float | None,
    ) -> Held:
        """A new task; where its place is killed at a moment, made as a whole or not at all, and then once."""
        key = uuid4().hex
        if moment is None:
            made = send(place.kshot, key)
        else:
            before = {task.id for task in place.kshot.tasks()}
            answer = place.killed(lambda kshot: send(kshot, key), moment * self.usual_s)
            whole = {task.id for task in place.kshot.tasks()} - before
            made = send(place.kshot, key)
            assert answer in (None, made) and whole in (set(), {made.id}) and (answer is None or whole)
            assert {task.id for task in place.kshot.tasks()} - before == {made.id}
        held = Held(place, know(made))
        assert told(made) == held.now.task_facts()
        self.tasks.append(held)
        self._said.append(Said(held, lambda kshot: send(kshot, key), key, made))
        return held

    def _heard(self, held: Held, write: Write, answer: Task, options: Mapping[str, int] | None = None) -> None:
        """An answer tells of the task as it is known now, and will be given again."""
        assert told(answer) == held.now.task_facts()
        if isinstance(answer, CreatedTask):
            assert answer.example_ids == [each.id for each in write.examples]
        if write.key is not None:
            self._said.append(Said(held, lambda kshot: write.send(kshot, **(options or {})), write.key, answer))


def outcome(write: Write, known: Known) -> Known | type[KshotError]:
    """What a write must make of a task, or how it must be refused."""
    try:
        return write.effect(known)
    except KshotError as error:
        return type(error)
