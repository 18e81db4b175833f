"""Days of tasks at two places, one on each database, compared with what is known of them in memory after every step.

One day is written down, the others are drawn (hypothesis): KSHOT_DAYS says how many, and then each run draws new ones.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.e2e.day import Day, Held
from tests.e2e.known import MAX_VERSIONS
from tests.e2e.place import Place
from tests.e2e.writes import forget, roll_back, update
from tests.service.tasks.digests import other_digest

NUM_DAYS = int(os.environ.get("KSHOT_DAYS", "0"))
NUM_STEPS = 30 if NUM_DAYS else 12
MAX_KILLS = 5 if NUM_DAYS else 1  # a day; the rest of a day costs less than starting a service again
MAX_TASKS = 4
TIMEOUT_S = 900

MODELS = st.sampled_from(["vectors", "curves"])
KINDS = st.sampled_from(["extend", "forget", "roll back", "update", "readapt"])
NUMBERS = st.integers(0, 30)


@pytest.fixture
def day(sqlite_url: str, postgresql_url: str, tmp_path: Path) -> Iterator[Day]:
    """Two places, which have two digests of each model."""
    for model in ("vectors", "curves"):
        other_digest(tmp_path / "models", model)
    env = {"KSHOT_MODELS": f"{tmp_path}/models", "KSHOT_MAX_VERSIONS": str(MAX_VERSIONS), "KSHOT_JOB_LEASE_S": "1"}
    urls = {"sqlite": sqlite_url, "postgresql": postgresql_url}
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        places = {name: Place(tmp_path, env | {"KSHOT_DATABASE_URL": url}) for name, url in urls.items()}
        list(pool.map(stack.enter_context, places.values()))
        yield Day(places)


def begin(day: Day, where: str, model: str) -> tuple[Held, Held]:
    """A task through all that may happen to it while nothing is killed; and the task that it is elsewhere."""
    task = day.create(where, model, 1)
    day.teach_at_once(task, 100, num_each=5)
    day.check()
    last = task.now.current.number
    day.write(task, roll_back(task.now, last - 2), match="current")  # to the one before the last
    day.write(task, forget(task.now, 0))
    assert [version.origin for version in task.now.versions[:2]] == ["forget", "rollback"]
    day.write(task, update(task.now, 1), match="old")
    day.write(task, update(task.now, 1))
    day.check()
    for number in (last, 1, task.now.current.number):  # erased, not kept any more, the current one
        day.evaluate(task, number - 1)
        day.write(task, roll_back(task.now, number - 1))
    day.check()
    moved = day.move(task)
    day.write(moved, day.some(moved, "readapt", 0))
    assert moved.now.current.origin == "readapt"
    day.job(moved, 200)
    day.check()
    return task, moved


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
def test_a_day(day: Day) -> None:
    task, moved = begin(day, "sqlite", "vectors")
    curve, moved_curve = begin(day, "postgresql", "curves")
    day.teach_at_once(task, 300, num_each=3, kill_after=5)
    day.check()
    day.write_and_kill(moved, forget(moved.now, 3), moment=0.5)
    day.check()
    day.job(moved_curve, 400, moment=0.5)
    day.check()
    day.move(moved_curve, moment=0.5)
    day.delete(curve)
    for number in range(0, 140, 7):
        day.send_again(number)
    day.check()


class AnyDay(RuleBasedStateMachine):
    """Whatever may happen, in any order."""

    day: ClassVar[Day]
    tasks: Bundle[Held] = Bundle("tasks")

    def __init__(self) -> None:
        super().__init__()
        self.num_kills = 0

    @initialize(target=tasks, model=MODELS, number=NUMBERS)
    def begin(self, model: str, number: int) -> Held:
        return self.day.create("sqlite", model, number)

    @precondition(lambda self: len(self.day.tasks) < MAX_TASKS)
    @rule(target=tasks, where=st.sampled_from(["sqlite", "postgresql"]), model=MODELS, number=NUMBERS)
    def create(self, where: str, model: str, number: int) -> Held:
        return self.day.create(where, model, number)

    @rule(task=tasks, kind=KINDS, number=NUMBERS, match=st.sampled_from(["none", "current", "old"]))
    def write(self, task: Held, kind: str, number: int, match: str) -> None:
        self.day.write(task, self.day.some(task, kind, number), match)

    @rule(task=tasks, number=NUMBERS)
    def teach_at_once(self, task: Held, number: int) -> None:
        self.day.teach_at_once(task, number, num_each=2)

    @rule(task=tasks, number=NUMBERS)
    def job(self, task: Held, number: int) -> None:
        self.day.job(task, number)

    @precondition(lambda self: len(self.day.tasks) < MAX_TASKS)
    @rule(target=tasks, task=tasks)
    def move(self, task: Held) -> Held:
        return self.day.move(task)

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

    @precondition(lambda self: self.num_kills < MAX_KILLS)
    @rule(
        task=tasks,
        what=st.sampled_from(["write", "teach at once", "job"]),
        kind=KINDS,
        number=NUMBERS,
        moment=st.floats(0, 1.5),
    )
    def kill(self, task: Held, what: str, kind: str, number: int, moment: float) -> None:
        self.num_kills += 1
        if what == "write":
            self.day.write_and_kill(task, self.day.some(task, kind, number), moment)
        elif what == "job":
            self.day.job(task, number, moment)
        else:
            self.day.teach_at_once(task, number, num_each=3, kill_after=number % 10)

    @precondition(lambda self: self.num_kills < MAX_KILLS and len(self.day.tasks) < MAX_TASKS)
    @rule(target=tasks, task=tasks, moment=st.floats(0, 1.5))
    def kill_while_it_moves(self, task: Held, moment: float) -> Held:
        self.num_kills += 1
        return self.day.move(task, moment)

    @invariant()
    def all_is_as_known(self) -> None:
        self.day.check()

    def teardown(self) -> None:
        self.day.close()


@pytest.mark.slow
@pytest.mark.timeout(0 if NUM_DAYS else TIMEOUT_S)
def test_any_day(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnyDay, "day", day, raising=False)
    run_state_machine_as_test(
        AnyDay,
        settings=settings(
            max_examples=NUM_DAYS or 2,
            stateful_step_count=NUM_STEPS,
            derandomize=not NUM_DAYS,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # what a kill brings to light is not the same when it is tried again
            suppress_health_check=list(HealthCheck),
        ),
    )
