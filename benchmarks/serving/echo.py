"""FastAPI and nothing else: kshot's bodies, validated as bytes by its models; answers as large as kshot's. A limit."""

import typer
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from benchmarks.serving.bodies import Copied, Copies, Prediction
from service.schemas import CreatePredictions, CreateTask

SCORES = {"l0": 0.014672342687845230, "l1": 0.92311233282089233, "l2": 0.0311, "l3": 0.0155, "l4": 0.0156}


class Timing(BaseModel):
    """As kshot tells it."""

    queue_ms: float
    compute_ms: float


class Answer(BaseModel):
    """What kshot answers."""

    task: str
    version: int
    predictions: list[Prediction]
    timing: Timing
    truncated: list[int]


class Made(BaseModel):
    """What kshot answers of a task."""

    id: str
    model: str
    model_digest: str
    labels: list[str]
    example_ids: list[str]
    timing: Timing


app = FastAPI()


@app.get("/readyz")
async def ready() -> str:
    """At once."""
    return "ready"


@app.post("/v1/tasks")
async def adapt(request: Request) -> Response:
    """A task that is none."""
    body = CreateTask.model_validate_json(await request.body())
    ids = [f"ex_{number:026}" for number in range(len(body.support))]
    made = Made(
        id=f"task_{0:026}",
        model=body.model,
        model_digest=64 * "0",
        labels=list(SCORES),
        example_ids=ids,
        timing=Timing(queue_ms=0.1, compute_ms=0.2),
    )
    return _written(made)


@app.post("/v1/tasks/{name}/predictions")
async def predict(name: str, request: Request) -> Response:
    """The same for all inputs."""
    body = CreatePredictions.model_validate_json(await request.body())
    found = [Prediction(label="l1", scores=SCORES) for _ in body.inputs]
    timing = Timing(queue_ms=0.1, compute_ms=0.2)
    return _written(Answer(task=name, version=1, predictions=found, timing=timing, truncated=[]))


@app.post("/copies")
async def copies(body: Copies) -> Copied:
    """Names alone."""
    return Copied(ids=[f"task_{number:026}" for number in range(body.num_copies)])


def _written(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")


def main(model: str, port: int) -> None:
    """Serve, whatever the model."""
    uvicorn.run(app, port=port, log_level="warning", access_log=False, loop="uvloop", http="httptools")


if __name__ == "__main__":
    typer.run(main)
