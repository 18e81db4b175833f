"""Another process on the same database: a command in JSON a line, an answer a line."""

import asyncio
import json
import sys
from typing import Any

from service.storage import queries
from service.storage.database import Database
from service.storage.records import Wanted
from tests.service.storage.samples import new_task, storing


async def answer(database: Database, command: dict[str, Any]) -> object:
    """Do one command."""
    match command:
        case {"fetch": task_id}:
            async with database.read() as session:
                fetched = await queries.fetch_params(session, [Wanted("default", task_id, None)])
            return [each.version for each in fetched.values()]
        case {"store": count}:
            tasks = [new_task() for _ in range(count)]
            for task in tasks:
                await database.write(storing(task))
            return [task.id for task in tasks]
        case {"delete": task_id}:
            return await database.write(lambda session: queries.delete_task(session, "default", task_id))
    raise ValueError(command)


async def main(url: str) -> None:
    """Answer until the input ends."""
    database = Database(url, busy_timeout_s=20)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        sys.stdout.write(json.dumps(await answer(database, json.loads(line))) + "\n")
        sys.stdout.flush()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
