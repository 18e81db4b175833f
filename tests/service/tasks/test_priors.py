"""A prior of a task: kept with it, applied to its answers, and worth having where labels are 1:20."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from service.app import create_app
from service.settings import Settings
from tests.service.api.serving import assert_problem, client_of, input_dim
from tests.service.tasks.forging import content_of
from tests.service.tasks.life import Life

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUM_COMMON = 40  # to 2 of the other


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def life(shared_url: str) -> AsyncIterator[Life]:
    """The service without the small limits of its other tests."""
    app = create_app(Settings(database_url=shared_url, threads=1, auth="off", only_models=("curves", "vectors")))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield Life(client, app.state.service, await input_dim(client))


def overlapping(life: Life, label: str, num: int, seed: int) -> list[dict[str, Any]]:
    """Vectors of a label whose clouds overlap."""
    rng, mean = np.random.default_rng(seed), {"common": 0.0, "rare": 0.35}[label]
    return [{"input": row.tolist(), "label": label} for row in rng.normal(mean, 1.0, (num, life.dim))]


async def skewed(life: Life, **more: Any) -> str:
    """The path of a task with twenty times as many examples of one label."""
    support = [*overlapping(life, "common", NUM_COMMON, 0), *overlapping(life, "rare", 2, 1)]
    made = await life.client.post("/v1/tasks", json={"model": "vectors", "support": support, **more})
    assert made.status_code == 201, made.text
    return f"/v1/tasks/{made.json()['id']}"


async def figures(life: Life, task: str, num_common: int, num_rare: int) -> dict[str, Any]:
    """Of an evaluation on examples of which so many are of each label."""
    examples = [*overlapping(life, "common", num_common, 2), *overlapping(life, "rare", num_rare, 3)]
    answer = await life.client.post(f"{task}/evaluations", json={"examples": examples})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def expect(life: Life, task: str, prior: Any) -> None:
    """Change the task's prior."""
    answer = await life.client.patch(task, json={"prior": prior})
    assert (answer.status_code, answer.json()["prior"]) == (200, prior), answer.text


async def test_at_one_to_twenty_the_prior_that_is_true_is_the_best(life: Life) -> None:
    task = await skewed(life)
    losses: dict[tuple[str, int], float] = {}
    for prior in ("uniform", "support"):
        await expect(life, task, prior)
        for num_rare in (100, 5):
            losses[prior, num_rare] = (await figures(life, task, 100, num_rare))["log_loss"]
    assert losses["uniform", 100] < losses["support", 100]
    assert losses["support", 5] < losses["uniform", 5]


async def test_it_is_read_with_the_params_and_kept_by_every_write(life: Life) -> None:
    task, query = await skewed(life, prior="uniform"), {"inputs": [[0.1] * life.dim]}

    async def rare() -> float:
        answer = await life.client.post(f"{task}/predictions", json=query)
        return float(answer.json()["predictions"][0]["scores"]["rare"])

    even = await rare()
    await expect(life, task, {"rare": 0.9})
    assert await rare() > even
    await expect(life, task, None)
    as_it_was = await rare()
    await expect(life, task, "support")
    assert await rare() < even
    await life.extend(task, life.vector(0.0, "third"))
    found = (await life.client.get(task)).json()
    assert (found["prior"], found["version"]) == ("support", 2)
    sums = (await life.client.post(f"{task}/predictions", json=query)).json()["predictions"][0]["scores"].values()
    assert sum(sums) == pytest.approx(1, abs=1e-5)
    assert (await life.client.post(f"{task}/rollback", json={"version": 1})).status_code == 200
    await expect(life, task, None)
    assert await rare() == as_it_was


async def test_what_was_divided_by_a_temperature_is_undone_at_the_strength_that_is_left(life: Life) -> None:
    task, query = await skewed(life), {"inputs": [[0.1] * life.dim]}

    async def odds(path: str) -> float:
        scores = (await life.client.post(f"{path}/predictions", json=query)).json()["predictions"][0]["scores"]
        return float(scores["rare"] / scores["common"])

    temperature = content_of((await life.client.get(f"{task}/export")).content)["temperature"]
    balance = life.service.engine.balance_of((await life.client.get(task)).json()["model_digest"])
    assert abs(temperature - 1) > 0.05
    raw = await odds(task)
    await expect(life, task, "uniform")
    wanted = raw * (NUM_COMMON / 2) ** (balance / temperature)
    assert await odds(task) == pytest.approx(wanted, rel=1e-2)
    made = await imported(life, task)
    assert await odds(f"/v1/tasks/{made['id']}") == pytest.approx(wanted, rel=1e-2)


async def test_it_goes_along_to_another_service(life: Life) -> None:
    task = await skewed(life, prior={"rare": 0.5})
    assert (await imported(life, task))["prior"] == {"rare": 0.5}


async def test_forgetting_a_label_takes_its_name_out_of_the_prior(life: Life) -> None:
    task = await skewed(life)
    added = (await life.extend(task, life.vector(0.0, "third"))).json()
    await expect(life, task, {"rare": 0.5, "common": 0.3, "third": 0.2})
    assert (await life.client.delete(f"{task}/support/{added['example_ids'][0]}")).status_code == 200
    assert (await life.client.get(task)).json()["prior"] == {"rare": 0.5, "common": 0.3}
    made = await imported(life, task)
    assert made["prior"] == pytest.approx({"rare": 0.625, "common": 0.375})
    query = {"inputs": [[0.1] * life.dim]}
    answers = [
        (await life.client.post(f"{path}/predictions", json=query)).json()["predictions"][0]["scores"]
        for path in (task, f"/v1/tasks/{made['id']}")
    ]
    assert answers[0] == pytest.approx(answers[1])


async def test_a_label_that_an_older_version_has_stays_in_the_prior_but_not_in_a_file(life: Life) -> None:
    task = await skewed(life, prior="uniform")
    await life.extend(task, life.vector(0.0, "third"))
    await expect(life, task, {"third": 0.2})
    assert (await life.client.post(f"{task}/rollback", json={"version": 1})).status_code == 200
    assert (await life.client.get(task)).json()["prior"] == {"third": 0.2}
    assert (await imported(life, task))["prior"] == {"rare": 0.5, "common": 0.5}


async def imported(life: Life, task: str) -> dict[str, Any]:
    """What becomes of the task when it is moved."""
    file = (await life.client.get(f"{task}/export")).content
    made = await life.client.post(
        "/v1/tasks/import", content=file, headers={"Content-Type": "application/octet-stream"}
    )
    assert made.status_code == 201, made.text
    moved: dict[str, Any] = made.json()
    return moved


async def test_what_a_task_cannot_have_is_refused_and_changes_nothing(life: Life) -> None:
    task = await skewed(life, prior="uniform")
    for prior in ({"other": 0.5}, {"common": 0.5, "rare": 0.9}, {"common": 1.0}, {"rare": 0}, "even", {}, 3):
        assert_problem(await life.client.patch(task, json={"prior": prior, "name": "n"}), 422, "invalid_request")
    found = (await life.client.get(task)).json()
    assert (found["prior"], found["name"], found["revision"]) == ("uniform", None, 1)
    curve = await life.create("curves")
    assert_problem(await life.client.patch(curve, json={"prior": "uniform"}), 422, "invalid_request")
    body = {"model": "vectors", "support": overlapping(life, "common", 2, 0) + overlapping(life, "rare", 2, 0)}
    refused = await life.client.post("/v1/tasks", json=body | {"prior": {"other": 0.5}})
    assert_problem(refused, 422, "invalid_request")
