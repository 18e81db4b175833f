"""FastAPI and nothing else: bodies are validated as they come, answers as large as kshot's are written. A limit."""

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving.bodies import Adapt, Copied, Copies, Predict, Prediction

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
async def adapt(body: Adapt) -> Made:
    """A task that is none."""
    ids = [f"ex_{number:026}" for number in range(len(body.support))]
    return Made(
        id=f"task_{0:026}",
        model=body.model,
        model_digest=64 * "0",
        labels=list(SCORES),
        example_ids=ids,
        timing=Timing(queue_ms=0.1, compute_ms=0.2),
    )


@app.post("/v1/tasks/{name}/predictions")
async def predict(name: str, body: Predict) -> Answer:
    """The same for all inputs."""
    found = [Prediction(label="l1", scores=SCORES) for _ in body.inputs]
    timing = Timing(queue_ms=0.1, compute_ms=0.2)
    return Answer(task=name, version=1, predictions=found, timing=timing, truncated=[])


@app.post("/copies")
async def copies(body: Copies) -> Copied:
    """Names alone."""
    return Copied(ids=[f"task_{number:026}" for number in range(body.num_copies)])


def main(model: str, port: int) -> None:
    """Serve, whatever the model."""
    uvicorn.run(app, port=port, log_level="warning", access_log=False, loop="uvloop", http="httptools")


if __name__ == "__main__":
    typer.run(main)
