"""Which earlier tasks a new one may learn from."""

from dataclasses import replace
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from service.storage import queries
from service.storage.database import Database
from service.storage.earlier import earlier_tasks, taught_by
from service.storage.records import NewTask, NewVersion, Source
from tests.service.storage.samples import NOW, new_examples, new_task, new_version


async def test_inputs_of_another_form_are_not_learned_from(database: Database) -> None:
    """A vector of three columns is no vector of five, nor a text one, though a model takes them all."""
    ids: dict[str | None, str] = {}
    for form in ("text", "vector of 3", "vector of 5", None):
        task, made_by = new_task(), {"name": "mixed"} | ({} if form is None else {"form": form})
        version = replace(new_version(), preprocessing=made_by)
        await database.write(partial(_store, task, version))
        ids[form] = task.id
    async with database.read() as session:
        for form in ("text", "vector of 3"):
            found = await earlier_tasks(session, "default", "d" * 64, "classification", form, None)
            assert [each.source.task_id for each in found] == [ids[form]]
        found = await earlier_tasks(session, "default", "d" * 64, "classification", None, None)
        assert {each.source.task_id for each in found} == set(ids.values())


async def test_names_of_labels_are_not_learned_as_examples(database: Database) -> None:
    """They are texts that no query is like; whoever learns is told what its own labels mean."""
    task, (name, example) = new_task(), new_examples()
    support = [replace(name, role="name"), example]
    await database.write(lambda session: queries.insert_task(session, task, new_version(), support, NOW))
    async with database.read() as session:
        for has_features, data in ((False, example.input), (True, example.features)):
            found = await taught_by(
                session, "default", Source(task.id, 1, 2), "d" * 64, has_features=has_features, limit=9
            )
            assert [(each.label, each.data) for each in found] == [(example.label, data)]


async def _store(task: NewTask, version: NewVersion, session: AsyncSession) -> None:
    await queries.insert_task(session, task, version, new_examples(), NOW)
