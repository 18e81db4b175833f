"""A key's secret is seen by its owner alone: not by the database, the log, the metrics or an answer."""

import logging
from pathlib import Path

import pytest
from sqlalchemy import make_url

from service.keys import new_token
from service.logs import JsonLines
from tests.service.api.serving import curve, serving
from tests.service.samples import make_key


async def test_the_secret_is_nowhere(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonLines())
    valid, unknown = await make_key(sqlite_url, "predict"), new_token()
    told = []
    async with serving(sqlite_url, "curves", auth="on") as client:
        for token in (valid, unknown):
            headers = {"Authorization": f"Bearer {token}"}
            for answer in (
                await client.get("/v1/tasks", headers=headers),
                await client.post("/v1/tasks", json={"model": "curves", "support": curve()}, headers=headers),
                await client.get("/v1/tasks/none", headers=headers | {"X-Request-ID": "told"}),
            ):
                told.append(answer)
        metrics = (await client.get("/metrics")).text
    assert [answer.status_code for answer in told] == [200, 403, 404, 401, 401, 401]
    assert '"request_id":"told"' in caplog.text
    file = Path(str(make_url(sqlite_url).database))
    stored = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    assert valid.prefix.encode() in stored
    for token in (valid, unknown):
        assert token.secret not in caplog.text and token.secret not in metrics
        assert token.secret.encode() not in stored
        assert not any(token.secret in answer.headers.get("www-authenticate", "") for answer in told)
