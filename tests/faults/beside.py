"""Clients at work on any deployment, with no keys, while commands do something to it: an operator's own trial.

    python -m tests.faults.beside http://127.0.0.1:8000 'docker stop kshot-kshot-1' 'docker kill kshot-kshot-2'

Each knows what its tasks must be. The first error that one meets, or a stale read, ends it.
"""

import argparse
import asyncio
from pathlib import Path

from benchmarks import page
from tests.faults.replicas import HEAD, NUM_CLIENTS, Load, row
from tests.faults.telling import conclude, say


async def beside(url: str, command: str, seconds: float) -> Load:
    """Work for so long before the command, and as long after it."""
    load = Load(url)
    async with load.at_work():
        await asyncio.sleep(seconds)
        before = load.done.total()
        process = await asyncio.create_subprocess_shell(command)
        assert await process.wait() == 0, f"it failed: {command}"
        say(f"{before} calls before it, {load.done.total() - before} beside it")
        await asyncio.sleep(seconds)
    return load


def main() -> None:
    """Try it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.beside", description=__doc__)
    parser.add_argument("url", help="of what stands before the replicas")
    parser.add_argument("commands", nargs="+", help="for the shell, one after another")
    parser.add_argument("--seconds", type=float, default=10.0, help="before the command, and after it")
    parser.add_argument("--results", type=Path, help="the page to write to")
    asked = parser.parse_args()
    loads = {command: asyncio.run(beside(asked.url, command, asked.seconds)) for command in asked.commands}
    rows = [row(f"`{command}`", 1, load) for command, load in loads.items()]
    told = (
        f"`python -m tests.faults.beside`, {NUM_CLIENTS} clients at once, {asked.seconds:g} s before each and after it."
    )
    text = f"{told}\n\n{page.table(['what was done', *HEAD[1:]], rows)}"
    conclude(text, "containers", asked.results)


if __name__ == "__main__":
    main()
