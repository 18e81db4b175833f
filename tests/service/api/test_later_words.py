"""What a later release has written is shown by this one beside it, whatever words it has for what it is."""

import pytest
from sqlalchemy import text

from service.storage.database import Database
from tests.service.api.serving import curve, serving

WORDS = {"tasks": "kind", "versions": "origin", "jobs": "kind"}


@pytest.mark.parametrize(("table", "column"), WORDS.items())
async def test_a_word_that_this_release_does_not_know(sqlite_url: str, table: str, column: str) -> None:
    async with serving(sqlite_url, "curves", job_workers=0) as client:
        body = {"model": "curves", "support": curve(2)}
        task = (await client.post("/v1/tasks", json=body)).headers["location"]
        job = (await client.post("/v1/tasks", json=body, headers={"Prefer": "respond-async"})).headers["location"]
        database = Database(sqlite_url)
        await database.write(lambda session: session.execute(text(f"UPDATE {table} SET {column} = 'later'")))
        await database.close()
        shown = [await client.get(path) for path in ("/v1/tasks", task, f"{task}/versions", f"{task}/support", job)]
        shown.append(await client.get("/v1/jobs"))
        assert [answer.status_code for answer in shown] == [200] * len(shown)
        assert any('"later"' in answer.text for answer in shown)
