"""Texts through HTTP: what was cut is told, what no text is is refused, and a file with made-up tokens does no harm."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from service.app import create_app
from service.settings import Settings
from tests.service.api.serving import assert_problem, client_of
from tests.service.tasks.forging import Arrays, forged
from tests.service.texts import text_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILE = {"Content-Type": "application/vnd.safetensors"}
LONG = "the card is lost " * 50
SUPPORT = [{"input": "my card is lost", "label": "lost"}, {"input": LONG, "label": "long"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    models: Path = text_model(tmp_path_factory.mktemp("models"))
    options: Any = {
        "database_url": shared_url,
        "models": models,
        "only_models": ("named",),
        "threads": 1,
        "auth": "off",
    }
    app = create_app(Settings(**options))
    async with app.router.lifespan_context(app), client_of(app) as found:
        yield found


async def made(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post("/v1/tasks", json={"model": "named", "support": SUPPORT})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_texts_that_were_cut_are_told(client: httpx.AsyncClient) -> None:
    task = await made(client)
    assert task["truncated"] == [1]
    url = f"/v1/tasks/{task['id']}"
    answer = await client.post(f"{url}/predictions", json={"inputs": [LONG, "lost", LONG + "now"]})
    assert answer.json()["truncated"] == [0, 2]
    more = {"support": [{"input": "a card", "label": "lost"}, {"input": LONG, "label": "new"}]}
    assert (await client.post(f"{url}/support", json=more)).json()["truncated"] == [1]


@pytest.mark.parametrize("text", ["", "  \n"])
async def test_an_empty_text_is_refused(client: httpx.AsyncClient, text: str) -> None:
    task = await made(client)
    answer = await client.post(f"/v1/tasks/{task['id']}/predictions", json={"inputs": ["lost", text]})
    assert assert_problem(answer, 422, "invalid_request")["errors"][0]["path"] == "inputs.1"


def put(token: int, content: dict[str, Any], arrays: Arrays) -> None:
    arrays["inputs"][1, 2] = token


async def test_a_file_with_tokens_that_there_are_not_is_refused(client: httpx.AsyncClient) -> None:
    exported = (await client.get(f"/v1/tasks/{(await made(client))['id']}/export")).content
    for token in (-1, 40_000):
        sent = forged(exported, partial(put, token))
        answer = await client.post(
            "/v1/tasks/import", content=sent, headers={"Content-Type": "application/vnd.safetensors"}
        )
        assert assert_problem(answer, 422, "invalid_request")["errors"][0]["path"] == "inputs.1"


async def test_any_script_and_sign_is_read(client: httpx.AsyncClient) -> None:
    task = await made(client)
    inputs = ["карта потеряна", "カードをなくした", "🙂🙃", "e\u0301te\u0301", "a\x00b", "‮desrever", "x" * 5000]
    answer = await client.post(f"/v1/tasks/{task['id']}/predictions", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["predictions"]) == len(inputs)
