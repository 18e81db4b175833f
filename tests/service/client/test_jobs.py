"""Jobs, from both clients against the real service."""

from typing import Any

import pytest

from service import schemas
from service.errors import InvalidRequest, JobFinished, JobNotFound
from tests.service.client.both import all_of, told

XS = [[x / 10] for x in range(6)]
YS = [float(x) for x in range(6)]


async def test_asked_for_waited_for_listed(kshot: Any) -> None:
    progress: list[tuple[int, int]] = []
    job = await told(kshot.adapt_later("curves", XS, targets=YS, name="later", idempotency_key="one"))
    again = await told(kshot.adapt_later("curves", XS, targets=YS, name="later", idempotency_key="one"))
    assert isinstance(job, schemas.Job) and again == job
    over = await told(kshot.wait(job, on_progress=lambda *now: progress.append(now)))
    assert (over.state, over.result.name, progress[-1]) == ("succeeded", "later", (6, 6))
    assert (await told(kshot.get(over.task))).num_support == 6

    more = await told(kshot.wait((await told(kshot.extend_later(over.task, XS[:1], targets=YS[:1]))).id))
    assert isinstance(more.result, schemas.ExtendedTask) and more.result.version == 2
    assert await told(kshot.job(more)) == more
    assert [each.id for each in await all_of(kshot.jobs(state="succeeded"))] == [more.id, over.id]
    with pytest.raises(JobFinished):
        await told(kshot.cancel(job))
    with pytest.raises(JobNotFound):
        await told(kshot.cancel("job_1"))


async def test_where_there_is_much_to_do_the_job_is_waited_for(kshot: Any) -> None:
    xs, ys = [[x / 60] for x in range(60)], list(range(60))
    task = await told(kshot.adapt("curves", xs, targets=ys))
    assert isinstance(task, schemas.CreatedTask) and task.num_support == 60
    grown = await told(kshot.extend(task, xs, targets=ys))
    assert isinstance(grown, schemas.ExtendedTask) and len(grown.example_ids) == 60
    with pytest.raises(InvalidRequest, match=r"support\.7\.input"):
        await told(kshot.extend(task, [*xs[:7], [1.0, 2.0], *xs[8:]], targets=ys))
    assert len(await all_of(kshot.jobs())) == 3
