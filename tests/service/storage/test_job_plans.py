"""Statements about jobs go by an index as well: looking for work, which every process does all the time, above all."""

import json

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.ids import new_id
from service.storage import claims, jobs
from service.storage.database import Database
from service.storage.tables import Job
from tests.service.storage.samples import NOW
from tests.service.storage.test_plans import plan


async def fill(session: AsyncSession) -> None:
    """Many jobs that are over, many that wait, a few that run."""
    states = ["succeeded"] * 3_000 + ["queued"] * 1_000 + ["running"] * 5
    row = {"tenant": "default", "kind": "adapt", "task_id": "task", "fence": 1, "num_losses": 0, "created_at": NOW}
    row |= {"lease_until": NOW, "num_done": 0, "num_total": 1, "finished_at": NOW, "started_at": NOW}
    made = [row | {"id": new_id("job"), "state": state, "turn": turn} for turn, state in enumerate(states)]
    await session.execute(insert(Job), made)


async def assert_indexed(session: AsyncSession) -> None:
    kinds = ["adapt", "extend"]
    looked = (claims._WAITING, claims._QUICK_WAITING)
    claimed = [each.with_for_update(skip_locked=True, of=Job) for each in looked]
    firsts = [await plan(session, each, **claims._of(kinds)) for each in (*looked, *claimed)]
    watched = await plan(
        session, jobs._WATCHED, wanted=json.dumps([["default", f"job_{place}"] for place in range(100)])
    )
    lapsed, counted = await plan(session, claims._LAPSED), await plan(session, claims._COUNTED)
    page = jobs._JOBS.where(Job.tenant == "default", Job.id < "job_Z").order_by(Job.id.desc()).limit(20)
    pages = [await plan(session, each) for each in (page, page.where(Job.state == "queued"))]
    for found in (*firsts, lapsed, counted, watched, *pages):
        assert "Seq Scan" not in found and "SCAN jobs" not in found, found
    for found in (*firsts, *pages):
        assert "TEMP B-TREE" not in found and "Sort" not in found, found
    assert all("ix_jobs_state_turn_id" in first for first in firsts), firsts


async def test_every_statement_goes_by_an_index(database: Database) -> None:
    await database.write(fill)
    # a PostgreSQL that has counted nothing yet takes the waiting jobs for ten, and sorts them
    await database.write(lambda session: session.execute(text("ANALYZE")))
    async with database.read() as session:
        await assert_indexed(session)
