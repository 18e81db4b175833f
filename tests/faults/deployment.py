"""A service in this process on a database that faults are done to, and waves of one request of each kind."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import select

from service import doctor
from service.api.deps import Service
from service.app import create_app
from service.engine.loading import Checkpoints, load_checkpoints, model_folders
from service.ids import new_id
from service.settings import Settings
from service.storage.tables import Job
from tests.faults.kinds import ASYNC, KINDS, MORE, QUERIES, TASK, Kind
from tests.service.api.serving import client_of
from tests.service.samples import make_key

PATIENCE_S = 60.0  # for what must come back by itself


@dataclass(frozen=True)
class Asked:
    """What came of one request."""

    kind: Kind
    status: int
    code: str  # of a problem
    retry_after: str | None
    seconds: float
    is_problem: bool


@dataclass
class Deployment:
    """A started service, with authentication on, and a client of it."""

    app: FastAPI
    client: httpx.AsyncClient
    is_strict: bool
    tasks: dict[str, str] = field(default_factory=dict)
    key: str = ""
    other: str = ""

    @property
    def service(self) -> Service:
        """What is behind the routes."""
        found: Service = self.app.state.service
        return found

    async def prepare(self, admin_url: str) -> None:
        """A task that was asked before, one for each kind that changes it, and a key that nobody has seen."""
        self.key, self.other = new_id("fault"), str(await make_key(admin_url, "admin"))
        self.tasks = {}
        shared = await self.new_task()
        for kind in KINDS:
            own = kind.needs == "writes" or not kind.is_known
            self.tasks[kind.name] = await self.new_task() if own and kind.has_task else shared
        (await self.client.post(f"{shared}/predictions", json=QUERIES)).raise_for_status()

    async def new_task(self) -> str:
        """The path of one more task."""
        made = await self.client.post("/v1/tasks", json=TASK)
        assert made.status_code == 201, made.text
        return f"/v1/tasks/{made.json()['id']}"

    def holding(self, task: str) -> AbstractAsyncContextManager[None]:
        """While it is entered, writers of this process to the task wait for their turn."""
        writing = self.service.tasks._writing
        return writing._turn("acme", task.rpartition("/")[2], monotonic() + PATIENCE_S)

    async def begin_job(self, task: str) -> None:
        """Teach the task more by a job, which is running when this returns."""
        accepted = await self.client.post(f"{task}/support", json=MORE, headers=ASYNC)
        async with asyncio.timeout(PATIENCE_S):
            while (await self.client.get(accepted.headers["Location"])).json()["state"] != "running":
                await asyncio.sleep(0.02)

    async def wave(self, kinds: Iterable[Kind] = KINDS) -> list[Asked]:
        """One request of each of these kinds, all at once."""
        return await asyncio.gather(*(self._ask(kind) for kind in kinds))

    async def _ask(self, kind: Kind) -> Asked:
        began = monotonic()
        answer = await kind.ask(self.client, self.tasks, self.key, self.other)
        seconds = monotonic() - began
        is_problem = answer.headers.get("content-type") == "application/problem+json"
        code = answer.json()["code"] if is_problem else ""
        return Asked(kind, answer.status_code, code, answer.headers.get("retry-after"), seconds, is_problem)

    async def back(self, kind: Kind) -> float:
        """Seconds until requests of this kind are answered again; an error of the test if they never are."""
        began = monotonic()
        while monotonic() - began < PATIENCE_S:
            asked = await self._ask(kind)
            if asked.status < 400:
                return monotonic() - began
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{kind.name} did not come back: {asked}")

    async def effects(self) -> list[str]:
        """What the writes left that they should not have, after each was sent again under its key."""
        wrong = []
        for asked in await self.wave(kind for kind in KINDS if kind.needs == "writes"):
            if asked.status not in (200, 201, 202, 204, asked.kind.ends):
                wrong.append(f"{asked.kind.name} sent again: {asked.status} {asked.code}")
        await self._jobs_over()
        for kind in KINDS:
            if kind.is_over is not None:
                task = (await self.client.get(self.tasks[kind.name])).json()
                wrong += [] if kind.is_over(task) else [f"{kind.name}: {task}"]
        made = (await self.client.get(f"/v1/tasks?name={self.key}")).json()["items"]
        async with self.service.database.read() as session:
            lost = await session.scalars(select(Job.id).where(Job.num_losses > 0))
        wrong += [f"{job} was taken for lost" for job in lost]
        wrong += [] if len(made) == 2 else [f"{len(made)} tasks were made of two requests to adapt"]
        examination = await doctor.examine(self.service.database)
        return wrong + [f"doctor: {found}" for found in examination.found]

    async def _jobs_over(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                jobs = (await self.client.get("/v1/jobs?limit=500")).json()["items"]
                if all(job["state"] == "succeeded" for job in jobs):
                    return
                assert not [job for job in jobs if job["state"] in ("failed", "cancelled")], jobs
                await asyncio.sleep(0.05)


def vectors_alone() -> Checkpoints:
    """The one model that is needed."""
    return load_checkpoints([folder for folder in model_folders(None) if folder.name == "vectors"])


@asynccontextmanager
async def deployed(url: str, admin_url: str, checkpoints: Checkpoints, **settings: Any) -> AsyncIterator[Deployment]:
    """A service on the database at `url`, whose keys are made past the faults, at `admin_url`."""
    key = str(await make_key(admin_url, "admin"))
    app = create_app(Settings(database_url=url, threads=1, auth="on", **settings), checkpoints)
    async with app.router.lifespan_context(app), client_of(app) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield Deployment(app, client, not settings.get("max_staleness_s"))


def worst(asked: Sequence[Asked]) -> float:
    """Seconds of the slowest."""
    return max(each.seconds for each in asked)
