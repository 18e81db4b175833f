"""An app behind a real server and a real socket, in a thread of this process; and one that reads what it is sent."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from starlette.middleware import Middleware

from service.api.access import Access
from service.api.admission import Admission
from service.api.door import Door
from service.api.problems import handlers
from service.metrics import Metrics
from service.settings import Settings


@contextmanager
def live(app: Any, http: Any = "auto") -> Iterator[str]:
    """The URL of the app while it is served."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=http, ws="none", lifespan="on", log_config=None))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def echoing(metrics: Metrics, **settings: Any) -> FastAPI:
    """An app with one route, behind the service's own layers, that reads its body and tells how long it is."""
    made = Settings(**settings)
    admission = Middleware(Admission, settings=made, metrics=metrics, door=Door(made, metrics))
    app = FastAPI(middleware=[Middleware(Access, metrics=metrics), admission], exception_handlers=handlers(metrics))

    @app.post("/v1/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    return app
