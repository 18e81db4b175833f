"""What a request costs, in numbers that do not depend on the machine: statements, encoder passes, bytes gathered."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import torch
from sqlalchemy import Engine, event
from torch.overrides import TorchFunctionMode

from service.app import create_app
from service.engine.compute import Compute
from service.engine.packed import ALIGNED, Packed, pack
from service.settings import Settings
from service.storage.straight import Straight
from tests.service.api.serving import client_of, input_dim
from tests.service.tasks.life import Life, pictures

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUM_ASKED = 24
SETTLED_S = 0.3  # for what is done once at the start
GATHERING = (torch.empty, torch.stack, torch.cat)  # what makes room for the params of several tasks, or their rows


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def life(shared_url: str) -> AsyncIterator[Life]:
    """A service that asks its database for nothing but what it is asked for."""
    options = {"only_models": ("glyphs", "vectors"), "job_workers": 0, "job_lease_s": 3600, "max_wait_ms": 60_000}
    app = create_app(Settings(database_url=shared_url, threads=1, auth="off", **options))  # type: ignore[arg-type]
    async with app.router.lifespan_context(app), client_of(app) as client:
        await asyncio.sleep(SETTLED_S)
        yield Life(client, app.state.service, await input_dim(client))


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is sent to a database meanwhile, but what begins or ends transactions or asks if a slow one is there."""
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "SELECT version_num")):
            sent.append(statement)

    async def straight(self: Straight, statement: Any, values: Any) -> Any:
        sent.append("SELECT")  # straight: of no dialect it has no words
        return await execute(self, statement, values)

    execute = Straight.execute
    event.listen(Engine, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Straight, "execute", straight)
        yield sent
    event.remove(Engine, "before_cursor_execute", note)


@contextmanager
def passes(life: Life, digest: str) -> Iterator[list[int]]:
    """The rows of each pass of a model's encoder meanwhile."""
    rows: list[int] = []
    encoder = life.service.engine._compute.learners[digest].encoder
    hook = encoder.register_forward_hook(lambda module, given, made: rows.append(len(made)))
    yield rows
    hook.remove()


def num_batches(life: Life, kind: str) -> float:
    samples = next(iter(life.service.metrics.batch_tasks.collect())).samples
    return sum(each.value for each in samples if each.name.endswith("_count") and each.labels["kind"] == kind)


@pytest.mark.parametrize("num_tasks", [1, 8])
@pytest.mark.parametrize("model", ["vectors", "glyphs"])
async def test_a_batch_of_predictions_is_one_statement_and_a_pass_a_slice(
    life: Life, model: str, num_tasks: int
) -> None:
    tasks = [await life.create(model) for _ in range(num_tasks)]
    inputs = [life.vector(0)["input"] if model == "vectors" else pictures()[0]["input"]]
    digest = life.service.catalog.resolve(model).digest
    before = num_batches(life, "predict")
    with statements() as sent, passes(life, digest) as passed:
        answers = await asyncio.gather(
            *(
                life.client.post(f"{tasks[n % num_tasks]}/predictions", json={"inputs": inputs})
                for n in range(NUM_ASKED)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    batches = num_batches(life, "predict") - before
    assert 0 < len(sent) == batches < NUM_ASKED
    if model == "glyphs":
        slice_rows = life.service.engine._compute.slice_rows[digest]
        assert batches <= len(passed) <= batches + NUM_ASKED // slice_rows and max(passed) <= slice_rows
        assert sum(passed) == NUM_ASKED


async def test_an_adaptation_is_a_statement_a_table_and_one_pass(life: Life) -> None:
    digest = life.service.catalog.resolve("glyphs").digest
    with statements() as sent, passes(life, digest) as passed:
        await life.create("glyphs")
    tables = [statement.split()[2] for statement in sent]
    assert tables == ["tasks", "versions", "params", "examples", "memberships", "features"]
    assert passed == [len(pictures())]


class Gathered(TorchFunctionMode):
    """Bytes that are copied to bring tasks together, and in how many operations."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = self.num_operations = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in GATHERING:
            self.num_bytes += made.untyped_storage().nbytes()
            self.num_operations += 1
        return made


@torch.inference_mode()
def gathered(compute: Compute, digest: str, params: Packed, num_tasks: int) -> Gathered:
    """For one query to each of so many tasks."""
    row = np.zeros((1, *compute.checkpoints[digest].inputs.shape), np.float32)
    seen = Gathered()
    with seen:
        for _ in compute.predict(digest, [(params, row)] * num_tasks):
            pass
    return seen


async def test_a_batch_gathers_the_params_of_each_task_once(life: Life) -> None:
    compute, digest = life.service.engine._compute, life.service.catalog.resolve("vectors").digest
    params = pack(await life.params(await life.create()))
    few, many = (gathered(compute, digest, params, num_tasks) for num_tasks in (1, 64))
    assert few.num_operations == many.num_operations == 1
    assert (
        len(params.values)
        <= many.num_bytes / 64
        <= few.num_bytes
        <= len(params.values) + ALIGNED * len(params.form.leaves)
    )
