"""The weights of a version leave the service as they are stored, with their provenance."""

import json

import numpy as np
import pytest
from safetensors.numpy import load

from tests.service.api.serving import assert_problem
from tests.service.tasks.life import Life, assert_equal, pictures

pytestmark = pytest.mark.asyncio(loop_scope="module")


def header(data: bytes) -> dict[str, object]:
    """What the file says of itself."""
    length = int.from_bytes(data[:8], "little")
    told: dict[str, object] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["kshot"])
    return told


@pytest.mark.parametrize("model", ["vectors", "curves", "glyphs"])
async def test_leaves_are_those_that_are_stored(life: Life, model: str) -> None:
    task = await life.create(model)
    answer = await life.client.get(f"{task}/weights")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/vnd.safetensors")
    assert_equal(load(answer.content), await life.params(task))
    shown, (version,) = (await life.client.get(task)).json(), await life.versions(task)
    told = header(answer.content)
    assert told["format"] == 1 and told["task"] == shown["id"]
    assert all(told[field] == shown[field] for field in ("model", "model_digest", "kind", "labels", "num_support"))
    assert (told["version"], told["origin"]) == (1, "adapt")
    assert told["support_digest"] == version["support_digest"]
    assert told["scalar"] == (model == "curves") and told["output_dim"] is None
    assert {"dtype", "libraries", "seed", "created_at"} <= told.keys()


async def test_any_kept_version_can_be_had(life: Life) -> None:
    task = await life.create()
    first, _ = await life.params(task), await life.extend(task, life.vector(2, id="x"))
    old = await life.client.get(f"{task}/weights?version=1")
    assert_equal(load(old.content), first)
    assert header(old.content)["version"] == 1
    new = (await life.client.get(f"{task}/weights")).content
    assert_equal(load(new), await life.params(task))
    back = (await life.client.post(f"{task}/rollback", json={"version": 1})).json()
    again = (await life.client.get(f"{task}/weights")).content
    assert_equal(load(again), first)
    told = header(again)
    assert (told["version"], told["origin"], told["labels"]) == (back["version"], "rollback", ["a", "b"])
    await life.client.delete(f"{task}/support/x")
    assert_problem(await life.client.get(f"{task}/weights?version=2"), 410, "version_erased")
    assert_problem(await life.client.get(f"{task}/weights?version=9"), 404, "version_not_found")
    assert_problem(await life.client.get(f"{task}/weights?version=0"), 422, "invalid_request")
    assert_problem(await life.client.get(f"{task}/weights?versions=1"), 422, "invalid_request")


async def test_a_file_that_the_client_has_is_not_sent_again(life: Life) -> None:
    task = await life.create()
    tag = (await life.client.get(f"{task}/weights")).headers["ETag"]
    again = await life.client.get(f"{task}/weights?version=1", headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    for known, status in ((f"W/{tag}", 304), ("*", 304), (f"x{tag}", 200), ('"x"', 200)):
        answer = await life.client.get(f"{task}/weights", headers={"If-None-Match": known})
        assert answer.status_code == status, known
    await life.client.patch(task, json={"name": "n"})
    assert (await life.client.get(f"{task}/weights", headers={"If-None-Match": tag})).status_code == 304
    await life.extend(task, life.vector(2))
    assert (await life.client.get(f"{task}/weights", headers={"If-None-Match": tag})).status_code == 200


async def test_labels_of_any_script_are_in_the_header(life: Life) -> None:
    labels = ["čaj 🍵", 'a"b\\c', "日本"]
    support = [picture | {"label": labels[n % 3]} for n, picture in enumerate(pictures())]
    made = await life.client.post("/v1/tasks", json={"model": "glyphs", "support": support})
    data = (await life.client.get(f"/v1/tasks/{made.json()['id']}/weights")).content
    assert header(data)["labels"] == labels
    assert np.isfinite(load(data)["prototype"]).all()
