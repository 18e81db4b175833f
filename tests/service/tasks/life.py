"""A service, and what tests ask of it and look up behind it."""

from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from service.api.deps import Service
from service.codec import unpack_params
from service.engine.arrays import Array
from service.storage import queries
from service.storage.records import Wanted
from tests.service.api.serving import curve, picture, vectors
from tests.service.codec.pictures import saved, stroke


@dataclass(frozen=True)
class Life:
    """A client, the service behind it, and the width of its vectors."""

    client: httpx.AsyncClient
    service: Service
    dim: int

    async def create(self, model: str = "vectors") -> str:
        """The path of a new task."""
        support = {"vectors": lambda: vectors(self.dim), "curves": curve, "glyphs": pictures}[model]()
        made = await self.client.post("/v1/tasks", json={"model": model, "support": support})
        assert made.status_code == 201, made.text
        return f"/v1/tasks/{made.json()['id']}"

    def vector(self, mean: float, label: str | None = "c", **more: Any) -> dict[str, Any]:
        """An example of a label."""
        numbers = np.random.default_rng(7).normal(mean, 0.1, self.dim).tolist()
        return {"input": numbers, "label": label} | more

    async def extend(self, task: str, *examples: dict[str, Any], **headers: str) -> httpx.Response:
        """The answer to more support."""
        return await self.client.post(f"{task}/support", json={"support": examples}, headers=headers)

    async def params(self, task: str) -> dict[str, Array]:
        """The current params, as stored."""
        key = ("default", task.rpartition("/")[2])
        async with self.service.database.read() as session:
            found = (await queries.fetch_params(session, [Wanted(*key, None)]))[key]
        assert found.params is not None
        return unpack_params(found.params, self.service.engine.layout(found.model_digest))

    async def versions(self, task: str) -> list[dict[str, Any]]:
        """The versions, newest first."""
        return list((await self.client.get(f"{task}/versions")).json()["items"])


def pictures() -> list[dict[str, Any]]:
    """A support set of images."""
    return [{"input": picture(saved(stroke().rotate(30 * n))), "label": "ab"[n % 2]} for n in range(4)]


def assert_equal(one: dict[str, Array], other: dict[str, Array]) -> None:
    """Bit by bit."""
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[leaf], other[leaf]) for leaf in one)
