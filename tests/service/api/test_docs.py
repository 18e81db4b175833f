"""The page at /docs comes from the service alone, with all that it loads."""

import re

from service.app import create_app
from service.settings import Settings
from tests.service.api.serving import client_of


async def test_the_page_loads_nothing_from_elsewhere() -> None:
    async with client_of(create_app(Settings())) as client:
        page = await client.get("/docs")
        assert page.status_code == 200 and "SwaggerUIBundle" in page.text
        assert not re.findall(r"https?://", page.text)
        loaded = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
        assert len(loaded) == 3
        for path in [*loaded, "/openapi.json"]:
            assert (await client.get(path)).status_code == 200, path
        assert (await client.get("/static-offline-docs/nothing.js")).json()["code"] == "not_found"
        assert (await client.get("/redoc")).status_code == 404
