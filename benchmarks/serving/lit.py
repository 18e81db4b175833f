"""LitServe: what waits is batched, one pass of the encoder and one product of all heads, the heads in an LRU.

One address takes all, as a worker of its own for adaptations would know nothing of the other's memory.
A worker a core.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import litserve
import torch
import typer

from benchmarks.serving.kept_tasks import KeptTasks, logits_of
from benchmarks.serving.modules import Own, told

MAX_BATCH = 64
BATCH_TIMEOUT_S = 0.005  # with none it looks again and again: half of the answers, each at twice the CPU

Body = dict[str, Any]


class Heads(litserve.LitAPI):
    """A prediction names its task and has one input; an adaptation has examples."""

    def __init__(self, model: str, folder: str, batch_timeout_s: float) -> None:
        super().__init__(max_batch_size=MAX_BATCH, batch_timeout=batch_timeout_s)
        self._model, self._folder = model, folder

    def setup(self, device: Any) -> None:
        """Load the model, in the worker."""
        self.own = Own(self._model)
        self.kept = KeptTasks(self.own, Path(self._folder))

    def decode_request(self, request: Body, **_: Any) -> Body:
        """Inputs are decoded by the batch."""
        return request

    def batch(self, inputs: list[Body]) -> list[Body]:
        """They need no common shape."""
        return inputs

    def unbatch(self, output: list[Body]) -> list[Body]:
        """They are apart already."""
        return output

    def predict(self, bodies: Any, **_: Any) -> list[Body]:
        """The predictions in one go, the rest one by one."""
        asked = [body for body in bodies if "task" in body]
        scores = iter(self._scored(asked) if asked else [])
        return [self._answer(body, scores) for body in bodies]

    def encode_response(self, output: Body, **_: Any) -> Body:
        """As it is."""
        return output

    def _scored(self, asked: Sequence[Body]) -> list[Body]:
        heads = [self.kept.head(body["task"]) for body in asked for _ in body["inputs"]]
        features = self.own.encode(self.own.rows([each for body in asked for each in body["inputs"]]))
        answers = [told(head.labels, row[None])[0] for head, row in zip(heads, logits_of(heads, features), strict=True)]
        found = iter(answers)
        return [{"predictions": [next(found).model_dump() for _ in body["inputs"]]} for body in asked]

    def _answer(self, body: Body, scores: Any) -> Body:
        if "task" in body:
            answer: Body = next(scores)
            return answer
        if "num_copies" in body:
            return {"ids": self.kept.copies(body["num_copies"])}
        support = body["support"]
        return {"id": self.kept.adapt([each["input"] for each in support], [each["label"] for each in support])}


def main(model: str, port: int, batch_timeout_s: float = BATCH_TIMEOUT_S) -> None:
    """Serve one model."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        heads = Heads(model, folder, batch_timeout_s)
        workers = len(os.sched_getaffinity(0))
        server = litserve.LitServer(
            heads, accelerator="cpu", workers_per_device=workers, healthcheck_path="/readyz", timeout=False
        )
        server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False, access_log=False)


if __name__ == "__main__":
    typer.run(main)
