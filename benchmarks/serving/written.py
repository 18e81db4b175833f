"""What a user would write: FastAPI, a module a task in a dict, one request at a time on each core, in the thread pool.

Or on the event loop, where a prediction takes less than the way to a thread and back.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from itertools import cycle, islice
from uuid import uuid4

import anyio.to_thread
import typer
import uvicorn
from fastapi import FastAPI, HTTPException

from benchmarks.serving.bodies import Adapt, Adapted, Copied, Copies, Predict, Predicted, plain
from benchmarks.serving.modules import Own, OwnTask


def written(model: str, *, on_loop: bool) -> FastAPI:
    """The application."""
    own, tasks = Own(model), dict[str, OwnTask]()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # threads that compute at once on one core only take turns, and cost more
        anyio.to_thread.current_default_thread_limiter().total_tokens = len(os.sched_getaffinity(0))
        yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def ready() -> str:
        return "ready"

    @app.post("/v1/tasks")
    def adapt(body: Adapt) -> Adapted:
        task = own.adapt([plain(each.input) for each in body.support], [each.label for each in body.support])
        name = uuid4().hex
        tasks[name] = task
        return Adapted(id=name)

    def predict(name: str, body: Predict) -> Predicted:
        if (task := tasks.get(name)) is None:
            raise HTTPException(404)
        return Predicted(predictions=own.predict(task, [plain(each) for each in body.inputs]))

    async def predict_here(name: str, body: Predict) -> Predicted:
        return predict(name, body)

    app.post("/v1/tasks/{name}/predictions")(predict_here if on_loop else predict)

    @app.post("/copies")
    def copies(body: Copies) -> Copied:
        made = {uuid4().hex: deepcopy(each) for each in islice(cycle(list(tasks.values())), body.num_copies)}
        tasks.update(made)
        return Copied(ids=list(made))

    return app


def main(model: str, port: int, on_loop: bool = False) -> None:
    """Serve one model."""
    app = written(model, on_loop=on_loop)
    uvicorn.run(app, port=port, log_level="warning", access_log=False, loop="uvloop", http="httptools")


if __name__ == "__main__":
    typer.run(main)
