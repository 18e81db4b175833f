"""Ray Serve: `@serve.multiplexed` loads a task's head where it is asked for, `@serve.batch` takes what waits together.

Of what is batched Ray hands over each task's requests apart, whatever the code here would do with them together.
A replica a core.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import ray
import typer
from ray import serve
from starlette.requests import Request

from benchmarks.serving.kept_tasks import KeptTasks, logits_of
from benchmarks.serving.modules import Own, OwnHead, told

MAX_TASKS = 2_048  # of a replica: more than are asked for
MAX_BATCH = 64
MAX_ONGOING = 256

Body = dict[str, Any]


class Heads:
    """A prediction names its task in the header that Ray routes by."""

    def __init__(self, model: str, folder: str) -> None:
        self.own = Own(model)
        self.kept = KeptTasks(self.own, Path(folder))

    @serve.multiplexed(max_num_models_per_replica=MAX_TASKS)
    async def head(self, name: str) -> OwnHead:
        """A task's head."""
        return self.kept.load(name)

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.0)
    async def predictions(self, heads: list[OwnHead], inputs: list[Any]) -> list[Body]:
        """Answers to one input each."""
        logits = logits_of(heads, self.own.encode(self.own.rows(inputs)))
        return [told(head.labels, row[None])[0].model_dump() for head, row in zip(heads, logits, strict=True)]

    async def __call__(self, request: Request) -> Body | str:
        """All that is asked."""
        if request.method == "GET":
            return "ready"
        body = await request.json()
        if name := serve.get_multiplexed_model_id():
            head = await self.head(name)
            return {"predictions": [await self.predictions(head, each) for each in body["inputs"]]}
        if "num_copies" in body:
            return {"ids": self.kept.copies(body["num_copies"])}
        support = body["support"]
        return {"id": self.kept.adapt([each["input"] for each in support], [each["label"] for each in support])}


def main(model: str, port: int) -> None:
    """Serve one model until the end."""
    with tempfile.TemporaryDirectory() as folder:
        replicas = len(os.sched_getaffinity(0))
        ray.init(
            "local", num_cpus=1 + replicas, include_dashboard=False, log_to_driver=False, _temp_dir=f"{folder}/ray"
        )
        serve.start(http_options={"host": "127.0.0.1", "port": port, "access_log": False})
        deployed = serve.deployment(
            Heads, num_replicas=replicas, max_ongoing_requests=MAX_ONGOING, ray_actor_options={"num_cpus": 1}
        )
        serve.run(deployed.bind(model, folder), name="heads", blocking=True)


if __name__ == "__main__":
    typer.run(main)
