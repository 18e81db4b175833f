"""`create_app`: the one place where settings, store, engine and routes meet."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware

from service.api import (
    adaptations,
    evaluations,
    files,
    health,
    jobs,
    limits,
    models,
    openapi,
    predictions,
    support,
    tasks,
    versions,
)
from service.api.access import Access
from service.api.admission import Admission
from service.api.deps import Service, authenticate
from service.api.door import Door
from service.api.draining import Draining, Open
from service.api.gate import Gate
from service.api.problems import handlers
from service.api.replays import Replay, on_replay
from service.api.shortcut import Shortcut
from service.catalog import Catalog, Served
from service.engine.ask import Key
from service.engine.engine import Engine
from service.engine.freshness import Fetch, FetchVersions, Version
from service.engine.loading import Checkpoints, load_checkpoints, model_folders
from service.jobs import Jobs, Runner
from service.jobs.sweeping import LOOKS, Reaper, expire_jobs
from service.keyring import Keyring
from service.logs import on_lost
from service.metrics import Metrics
from service.once import sweep
from service.settings import Settings
from service.stopping import Stopping
from service.storage import history, migrate, queries
from service.storage.database import Database
from service.storage.records import Fetched, Wanted
from service.sweeps import repeating
from service.tasks import Tasks
from service.tasks.rollout import tell_of_rollout
from service.tasks.sweeping import expire_tasks, measure_tasks, sweep_cache
from service.timeouts import ending_within
from service.tracing import Tracing

SWEEP_EVERY_S = 60.0
END_S = 10.0  # for what comes after the last request: docs/operations.md adds it up
ABOUT = "Few-shot adaptation as a service: send a few labelled examples, get a task that predicts."


def create_app(
    settings: Settings | None = None,
    checkpoints: Checkpoints | None = None,
    left_out: Mapping[str, str] | None = None,
) -> FastAPI:
    """The service as an ASGI app, with the models of the settings unless others are given; `left_out` says why not all.

    It touches neither device nor database before its lifespan begins.
    """
    settings = settings or Settings()
    metrics, tracing, stopping = Metrics(), Tracing(settings.traces_endpoint), Stopping()
    requests, door, answers = Open(stopping), Door(settings, metrics), handlers(metrics) | {Replay: on_replay}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        is_stopping = partial(getattr, stopping, "has_begun")
        async with (
            tracing.sending(),
            requests.watched(),
            ending_within(END_S, running(settings, metrics, tracing, is_stopping, checkpoints, left_out)) as service,
        ):
            app.state.service = service
            try:
                yield
            finally:
                app.state.service = None

    app = FastAPIOffline(  # whose /docs needs no CDN
        title="kshot",
        version=version("kshot"),
        description=ABOUT,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # we have our own, of jobs and batches too
        exception_handlers=answers,
        generate_unique_id_function=lambda route: "_".join([*route.tags[:1], route.name]),
        middleware=[
            Middleware(Access, metrics=metrics, tracing=tracing),
            Middleware(Draining, requests=requests),
            Middleware(Admission, settings=settings, metrics=metrics, door=door),
            Middleware(Shortcut, routers=(predictions.router, adaptations.router), handlers=answers),
        ],
    )
    app.state.metrics = metrics
    app.state.door = door
    app.state.service = None
    app.state.stopping = stopping  # whoever runs the app begins it, sooner than the lifespan ends
    _add_routes(app)
    return app


def _add_routes(app: FastAPI) -> None:
    for resource in (tasks, support, versions, files, evaluations, jobs, models, limits):
        app.include_router(resource.router, dependencies=[Depends(authenticate)])
    for shortened in (predictions, adaptations):  # which ask for a key by themselves
        app.include_router(shortened.router)
    app.include_router(health.router)
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign]


@asynccontextmanager
async def running(
    settings: Settings,
    metrics: Metrics,
    tracing: Tracing,
    is_stopping: Callable[[], bool],
    checkpoints: Checkpoints | None,
    left_out: Mapping[str, str] | None = None,
) -> AsyncIterator[Service]:
    """Everything behind the routes, started; stopped in the opposite order, what was accepted finished first."""
    asyncio.get_running_loop().set_exception_handler(on_lost)
    left_out = dict(left_out or {})
    if checkpoints is None:
        checkpoints = load_checkpoints(model_folders(settings.models, settings.only_models), left_out)
    served_models = [
        Served(found.digest, found.card, found.inputs, found.takes_names) for found in checkpoints.values()
    ]
    catalog = Catalog(served_models, left_out)
    database = _database(settings, metrics)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        engine = Engine(checkpoints, _fetch_from(database), _fetch_versions_from(database), settings, metrics)
        stack.push_async_callback(engine.stop)
        await engine.start()
        served = Tasks(database, engine, catalog, settings, metrics)
        stack.callback(served.close)
        keyring = None
        if settings.auth != "off":  # unset is on: who serves this app without `kshot serve` has not said otherwise
            keyring = Keyring(database, max_staleness_s=settings.max_staleness_s, stale_after_s=settings.stale_after_s)
            await stack.enter_async_context(
                repeating(keyring.write_uses, every_s=SWEEP_EVERY_S, name="noting uses of keys", at_end=True)
            )
        forget = partial(sweep, database, timedelta(seconds=settings.idempotency_ttl_s))
        await stack.enter_async_context(repeating(forget, every_s=SWEEP_EVERY_S, name="forgetting old requests"))
        clear = partial(sweep_cache, database, engine, metrics)
        await stack.enter_async_context(repeating(clear, every_s=settings.sweep_interval_s, name="clearing the cache"))
        measure = partial(measure_tasks, database)
        await stack.enter_async_context(repeating(measure, every_s=settings.sweep_interval_s, name="measuring tasks"))
        if settings.task_ttl_s is not None:
            expire = partial(expire_tasks, database, timedelta(seconds=settings.task_ttl_s), metrics)
            await stack.enter_async_context(repeating(expire, every_s=settings.sweep_interval_s, name="expiring tasks"))
        accepted = await stack.enter_async_context(_jobs(database, served, settings, metrics, tracing, is_stopping))
        old_revisions = migrate.old_revisions()
        gate = Gate(settings)
        telling = asyncio.create_task(tell_of_rollout(database), name="telling of a rollout")
        stack.callback(telling.cancel)
        yield Service(settings, metrics, catalog, database, engine, served, accepted, keyring, gate, old_revisions)


def _database(settings: Settings, metrics: Metrics) -> Database:
    return Database(
        settings.database_url,
        busy_timeout_s=settings.busy_timeout_s,
        statement_timeout_s=settings.statement_timeout_s,
        pool_size=settings.pool_size,
        metrics=metrics,
        pool_timeout_s=settings.pool_timeout_s,
        connect_timeout_s=settings.connect_timeout_s,
    )


@asynccontextmanager
async def _jobs(
    database: Database,
    served: Tasks,
    settings: Settings,
    metrics: Metrics,
    tracing: Tracing,
    is_stopping: Callable[[], bool],
) -> AsyncIterator[Jobs]:
    """Jobs, accepted and done, and what is done about them now and then."""
    wake = asyncio.Event()
    expire = partial(expire_jobs, database, timedelta(seconds=settings.job_ttl_s))
    reaper = Reaper(database, settings, metrics, wake)
    async with (
        repeating(expire, every_s=SWEEP_EVERY_S, name="forgetting old jobs"),
        repeating(reaper.look, every_s=settings.job_lease_s / LOOKS, name="looking for lost jobs"),
        Runner(database, served, settings, metrics, tracing, wake, is_stopping).running(),
    ):
        yield Jobs(database, served, settings, wake, is_stopping)


def _fetch_from(database: Database) -> Fetch:
    async def fetch(wanted: Sequence[tuple[str, str, int | None]]) -> Mapping[Key, Fetched]:
        brings_params = any(cached_version is None for _, _, cached_version in wanted)
        async with database.read_bare(aside=brings_params) as connection:
            return await queries.fetch_params(connection, [Wanted(*each) for each in wanted])

    return fetch


def _fetch_versions_from(database: Database) -> FetchVersions:
    async def fetch(wanted: Sequence[Version]) -> Mapping[Version, Fetched]:
        async with database.read() as session:
            return await history.fetch_versions(session, wanted)

    return fetch
