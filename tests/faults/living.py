"""What a client may do to its tasks, in any order, each answer compared with what is known of them in memory."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, precondition, rule

from service.client import Client
from tests.e2e.day import Day, Held
from tests.e2e.evidence import numbers
from tests.e2e.known import MAX_VERSIONS, Params, seen, told
from tests.e2e.place import Place
from tests.e2e.writes import example

ENV = {"KSHOT_AUTH": "off", "KSHOT_THREADS": "1", "KSHOT_MAX_VERSIONS": str(MAX_VERSIONS), "KSHOT_JOB_WORKERS": "0"}
MAX_TASKS, NUM_STEPS = 4, 60
KINDS = st.sampled_from(["extend", "extend", "forget", "roll back", "update", "readapt"])
MODELS = st.sampled_from(["vectors", "curves"])
NUMBERS = st.integers(0, 30)
QUERIES = range(2_000, 2_003)  # numbers that stand for examples


@dataclass(frozen=True)
class Here:
    """A place that goes on living."""

    kshot: Client


class Living(RuleBasedStateMachine):
    """One client and its tasks; `kshot` is set before it runs."""

    kshot: ClassVar[Client]
    tasks: Bundle[Held] = Bundle("tasks")

    def __init__(self) -> None:
        super().__init__()
        self.day = Day({"here": cast(Place, Here(self.kshot))})  # nothing that is done here asks for more of a place
        self.answers: dict[Params, list[Any]] = {}

    @initialize(target=tasks, model=MODELS, number=NUMBERS)
    def begin(self, model: str, number: int) -> Held:
        return self.day.create("here", model, number)

    @precondition(lambda self: len(self.day.tasks) < MAX_TASKS)
    @rule(target=tasks, model=MODELS, number=NUMBERS)
    def create(self, model: str, number: int) -> Held:
        return self.day.create("here", model, number)

    @rule(task=tasks, kind=KINDS, number=NUMBERS, match=st.sampled_from(["none", "current", "old"]))
    def write(self, task: Held, kind: str, number: int, match: str) -> None:
        self.day.write(task, self.day.some(task, kind, number), match)

    @rule(task=tasks, again=st.integers(1, 4))
    def predict(self, task: Held, again: int) -> None:
        current, queries = task.now.current, [example(task.now.model, each).row for each in QUERIES]
        assert current.params is not None
        for _ in range(again):
            answers = self.kshot.predict(task.now.id, queries)
            assert answers.version == current.number
            before = self.answers.setdefault(current.params, list(answers.predictions))
            for one, other in zip(before, answers.predictions, strict=True):  # whoever else was in the batch
                assert numbers(one) == pytest.approx(numbers(other), rel=1e-4, abs=1e-5)

    @rule(task=tasks)
    def read(self, task: Held) -> None:
        assert told(self.kshot.get(task.now.id)) == task.now.task_facts()

    @rule(task=tasks)
    def read_all(self, task: Held) -> None:
        assert seen(self.kshot, task.now.id) == task.now.facts()

    @rule(task=tasks, number=NUMBERS)
    def evaluate(self, task: Held, number: int) -> None:
        self.day.evaluate(task, number)

    @rule(number=NUMBERS)
    def send_again(self, number: int) -> None:
        self.day.send_again(number)

    @precondition(lambda self: len(self.day.tasks) > 1)
    @rule(task=consumes(tasks))
    def delete(self, task: Held) -> None:
        self.day.delete(task)

    def teardown(self) -> None:
        self.day.close()


def lives(count: int, *, is_drawn_anew: bool) -> settings:
    """So many runs of the machine, one after another."""
    return settings(
        max_examples=count,
        stateful_step_count=NUM_STEPS,
        derandomize=not is_drawn_anew,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
