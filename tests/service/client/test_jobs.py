"""Jobs, from both clients against the real service."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from service import schemas
from service.app import create_app
from service.cli import app
from service.client import Client
from service.errors import InvalidRequest, JobFinished, JobNotFound
from service.settings import Settings
from tests.service.api.live import live
from tests.service.client.both import Make, Script, all_of, opened, told
from tests.service.tasks.digests import other_digest

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
    assert isinstance(more.result, schemas.CreatedTask) and more.result.version == 2
    assert await told(kshot.job(more)) == more
    listed = await all_of(kshot.jobs(state="succeeded"))
    assert listed == [each.model_copy(update={"result": None}) for each in (more, over)]
    with pytest.raises(JobFinished):
        await told(kshot.cancel(job))
    with pytest.raises(JobNotFound):
        await told(kshot.cancel("job_1"))


async def test_where_there_is_much_to_do_the_job_is_waited_for(kshot: Any) -> None:
    xs, ys = [[x / 60] for x in range(60)], list(range(60))
    task = await told(kshot.adapt("curves", xs, targets=ys))
    assert isinstance(task, schemas.CreatedTask) and task.num_support == 60
    grown = await told(kshot.extend(task, xs, targets=ys))
    assert isinstance(grown, schemas.CreatedTask) and len(grown.example_ids) == 60
    with pytest.raises(InvalidRequest, match=r"support\.7\.input"):
        await told(kshot.extend(task, [*xs[:7], [1.0, 2.0], *xs[8:]], targets=ys))
    assert len(await all_of(kshot.jobs())) == 3


async def test_every_change_of_a_job_is_seen_until_its_end(kshot: Any) -> None:
    job = await told(kshot.adapt_later("curves", XS, targets=YS))
    seen = await all_of(kshot.watch(job))
    assert (seen[-1].state, seen[-1].id) == ("succeeded", job.id)
    assert all(one != other for one, other in pairwise(seen))
    assert await all_of(kshot.watch(job)) == seen[-1:]
    with pytest.raises(JobNotFound):
        await all_of(kshot.watch("job_1"))


async def test_a_stream_that_ends_before_the_job_is_asked_for_again(make: Make) -> None:
    made: dict[str, Any] = {"id": "j", "kind": "adapt", "task": "t", "progress": {"done": 0, "total": 1}}
    made |= dict.fromkeys(("result", "problem", "started_at", "finished_at")) | {"created_at": "2026-11-22T00:00:00Z"}
    running, over = (
        f"event: state\ndata: {json.dumps(made | {'state': state})}\n\n" for state in ("running", "failed")
    )
    script = Script(*(httpx.Response(200, text=text) for text in (": hello\n\n" + running, running, running + over)))
    async with opened(make, transport=script.transport) as client:
        assert [each.state for each in await all_of(client.watch("j"))] == ["running", "failed"]
    assert len(script.requests) == 3


async def test_an_answer_that_was_erased_before_it_was_asked_for(make: Make) -> None:
    made: dict[str, Any] = {"id": "j", "kind": "adapt", "task": "t", "progress": {"done": 1, "total": 1}}
    made |= dict.fromkeys(("result", "problem", "started_at", "finished_at")) | {"created_at": "2026-11-22T00:00:00Z"}
    script = Script(httpx.Response(202, json=made | {"state": "succeeded"}))
    async with opened(make, transport=script.transport) as client:
        with pytest.raises(JobFinished, match="t was deleted, or has forgotten"):
            await told(client.adapt("curves", XS[:1], targets=YS[:1]))


def test_readapting_is_waited_for_by_calls_and_by_the_command(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("curves",))
    with live(create_app(settings)) as url, Client(url) as client:
        tasks = [client.adapt("curves", [[0.0], [1.0], [2.0]], targets=[0.0, 1.0, 2.0]).id for _ in range(3)]
    other_digest(tmp_path, "curves")
    later = settings.model_copy(update={"models": tmp_path, "job_examples": 1})
    with live(create_app(later)) as url, Client(url) as client:
        newest = client.model("curves").digest
        over = client.wait(client.readapt_later(tasks[0], newest[:9], if_match=1))
        assert over.kind == "readapt" and over.result is not None and over.result.model_digest == newest
        moved = client.readapt(tasks[1])
        assert (moved.version, moved.model_digest, client.readapt(tasks[1]).version) == (2, newest, 2)
        told = CliRunner(env={"KSHOT_URL": url}).invoke(app, ["tasks", "readapt", "--model", "curves", "--all"])
        assert told.exit_code == 0 and told.stdout.startswith(f"{tasks[2]} is at version 2")
        assert [job.kind for job in client.jobs()] == ["readapt"] * 4
