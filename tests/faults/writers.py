"""Clients that write until the service is killed, each to tasks of its own, and what each knows of them."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from service.client import Client
from service.errors import Unavailable
from service.schemas import Job, Task
from tests.e2e.known import told
from tests.faults.asking import Asked, Tasks, Told, draw
from tests.faults.oracle import Bits, Stored


@dataclass
class Writer:
    """One client: its tasks as they must be, and what it was waiting for when the service was killed."""

    name: str
    rng: Random
    bits: Bits
    tasks: Tasks = field(default_factory=dict)
    waiting_for: Asked | None = None
    job: Job | None = None  # that the service has accepted for it
    to_repeat: Asked | None = None  # it has happened, and has not been answered
    answered: Counter[str] = field(default_factory=Counter)  # by kind
    kept: Counter[str] = field(default_factory=Counter)  # not answered, and there as a whole
    absent: Counter[str] = field(default_factory=Counter)

    def write_until_killed(self, kshot: Client) -> None:
        """Ask for one write after another until there is no answer, or none that says what has happened (503)."""
        with suppress(Unavailable):
            while True:
                self.write(kshot, draw(self.rng, self.name, self.tasks))

    def write(self, kshot: Client, asked: Asked) -> None:
        """Ask for a write and wait until it has happened; now and then look at the weights that it made."""
        self.waiting_for, self.job = asked, None
        task = self._sent(kshot, asked)
        self.answered[asked.kind] += 1
        self._settle(told_of(task))
        if task is not None and self.rng.random() < 0.5:
            self.bits.note(self.tasks[str(task.name)], kshot.weights(task.id))

    def judge(self, found: Mapping[str, Stored]) -> None:
        """After a kill, all that was answered is there; what was not is there as a whole or not at all."""
        mine = {name: each for name, each in found.items() if name.startswith(f"{self.name} ")}
        facts = {name: each.facts for name, each in mine.items()}
        if facts != self._facts():
            assert self.waiting_for is not None, f"{facts} instead of {self._facts()}"
            self.kept[self.waiting_for.kind] += 1
            self.to_repeat = self.waiting_for
            self._settle({name: each["task"] for name, each in facts.items()})
            assert facts == self._facts(), f"{facts} instead of {self._facts()}"
        elif self.waiting_for is not None:
            self.absent[self.waiting_for.kind] += 1
        for name, task in self.tasks.items():
            self.bits.check(task, mine[name])

    def resume(self, kshot: Client) -> None:
        """Send again what was not answered: it happens, and happens once."""
        if self.to_repeat is not None and self.to_repeat.has_key:
            for name, facts in told_of(self._sent(kshot, self.to_repeat)).items():
                assert facts == self.tasks[name].task_facts()
        elif self.waiting_for is not None and self.waiting_for.has_key:
            self._settle(told_of(self._sent(kshot, self.waiting_for)))
        self.to_repeat = self.waiting_for = None

    def check(self, kshot: Client) -> None:
        """Every task answers as it did."""
        for task in self.tasks.values():
            self.bits.check_answers(kshot, task)

    def _sent(self, kshot: Client, asked: Asked) -> Task | None:
        """The answer to a write, of a job its result."""
        answer = asked.send(kshot)
        if not isinstance(answer, Job):
            return answer
        assert self.job is None or self.job.id == answer.id
        self.job = answer
        over = kshot.wait(answer)
        assert over.state == "succeeded" and isinstance(over.result, Task), over
        return over.result

    def _settle(self, there: Told) -> None:
        """What was waited for has happened, and this is there now."""
        assert self.waiting_for is not None
        kind, self.tasks, self.waiting_for = self.waiting_for.kind, self.waiting_for.effect(self.tasks, there), None
        for name, facts in there.items():
            assert name in self.tasks, f"{kind}: {facts} should be gone"
            assert facts == self.tasks[name].task_facts(), f"{kind}: {facts} instead of {self.tasks[name].task_facts()}"

    def _facts(self) -> dict[str, object]:
        return {name: task.facts() for name, task in self.tasks.items()}


def told_of(task: Task | None) -> Told:
    """What an answer tells, by the name of the task."""
    return {} if task is None else {str(task.name): told(task)}
