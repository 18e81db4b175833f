"""The service as a process: its socket, its signals, and the demonstration that may run beside it."""

import signal
import socket
import subprocess
import sys
from typing import Literal

import uvicorn
from fastapi import FastAPI

from models.card import DamagedCheckpoint
from service import logs
from service.app import create_app
from service.engine.loading import NoSuchModel, load_checkpoints, model_folders
from service.settings import Settings
from service.storage.migrate import upgrade
from service.terminal import clear_database_errors, fail


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
    app = create_app(settings, checkpoints, left_out)
    demonstration = subprocess.Popen([sys.executable, "-m", "service.cli", "demo", "--url", url]) if demo else None
    try:
        serve(app, listener, settings)
    finally:
        if demonstration is not None:
            demonstration.terminate()
            demonstration.wait()


def serve(app: FastAPI, listener: socket.socket, settings: Settings) -> None:
    """Answer requests until SIGINT or SIGTERM, then finish those that were accepted."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=round(settings.drain_timeout_s),
    )
    server = uvicorn.Server(config)
    app.state.is_stopping = lambda: server.should_exit  # not ready any more, while open requests are finished
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again when it is done; then they are harmless
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listener])
