"""The service as a process: its socket, its signals, and the demonstration that may run beside it."""

import asyncio
import gc
import signal
import socket
import subprocess
import sys
from functools import partial
from math import ceil
from types import FrameType
from typing import Literal, cast

import uvicorn
from fastapi import FastAPI

from models.card import DamagedCheckpoint
from service import logs
from service.api.entrance import Entrance
from service.api.turnstile import Turnstile
from service.app import create_app
from service.engine.loading import NoSuchModel, load_checkpoints, model_folders
from service.errors import Overloaded
from service.settings import Settings
from service.stopping import Stopping
from service.storage.migrate import upgrade
from service.terminal import clear_database_errors, fail
from service.tracing import MissingExtra

ANSWERING_S = 1.0  # before connections are cut, so that who has waited so long hears of it
OBJECTS_A_COLLECTION = 10_000  # a few requests under way have more than the 700 of Python, and none is garbage


def run(listener: socket.socket, url: str, *, auth: Literal["on", "off"], migrate: bool | None, demo: bool) -> None:
    """Serve until SIGINT or SIGTERM, then finish what was accepted. `migrate` None means: if it is SQLite."""
    settings = Settings(auth=auth)
    if settings.database_url.startswith("sqlite") if migrate is None else migrate:
        with clear_database_errors(settings.database_url):
            # nobody shares a file of SQLite with replicas that are still to be replaced
            upgrade(settings.database_url, finish=settings.database_url.startswith("sqlite"))
    left_out: dict[str, str] = {}
    try:
        checkpoints = load_checkpoints(model_folders(settings.models, settings.only_models), left_out)
    except (DamagedCheckpoint, NoSuchModel) as error:
        fail(f"A model cannot be served: {error}")
    logs.configure("warning" if demo else settings.log_level)  # the demonstration has the terminal to itself
    try:
        app = create_app(settings, checkpoints, left_out)
    except MissingExtra as error:
        fail(str(error))
    demonstration = subprocess.Popen([sys.executable, "-m", "service.cli", "demo", "--url", url]) if demo else None
    try:
        serve(app, listener, settings)
    finally:
        if demonstration is not None:
            demonstration.terminate()
            demonstration.wait()


def serve(app: FastAPI, listener: socket.socket, settings: Settings) -> None:
    """Answer requests until SIGINT or SIGTERM; go on for a while, not ready; then finish those that were accepted."""
    refused = app.state.metrics.requests.labels("unknown", "POST", Overloaded.status)
    connection = partial(Turnstile, app.state.door, Entrance(), app.state.stopping, refused)  # called, to make one
    config = uvicorn.Config(
        app,
        http=cast(type[asyncio.Protocol], connection),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        root_path=settings.root_path,
        timeout_graceful_shutdown=ceil(settings.drain_timeout_s),
    )
    server = uvicorn.Server(config)
    stopping: Stopping = app.state.stopping

    def stop(number: int, frame: FrameType | None) -> None:
        server.force_exit = server.should_exit and number == signal.SIGINT
        # nobody is behind a proxy who presses Ctrl-C; and who sends a signal again does not want to wait for one
        unready_s = 0 if number == signal.SIGINT or stopping.has_begun else settings.unready_s
        stopping.begin(unready_s=unready_s, drain_s=max(0, settings.drain_timeout_s - ANSWERING_S))

    async def whole() -> None:
        closing = asyncio.create_task(close(), name="closing")
        try:
            await server.serve(sockets=[listener])
        finally:
            closing.cancel()

    async def close() -> None:
        await stopping.until_closed()
        server.should_exit = True

    server.handle_exit = stop  # type: ignore[assignment]  # which uvicorn installs, while it runs
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    # torch and the models stay: to look through them again and again would hold up every request, and to look once, for
    # the little that imports leave behind, would take a tenth of the start
    gc.freeze()
    gc.set_threshold(OBJECTS_A_COLLECTION)
    gc.enable()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(whole())
