"""`kshot serve` as a process: it stops cleanly on a signal, and what it answered survives being killed."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import restart
from tests.e2e.server import serving


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        port = int(server.url.rpartition(":")[2])
        assert server.stop(number) == 0
    socket.create_server(("127.0.0.1", port)).close()  # and the port is free


def test_the_demo_does_not_outlive_it(tmp_path: Path) -> None:
    with serving(tmp_path, ["--demo"], models="glyphs") as server:
        assert server.stop() == 0
        assert server.process.stdout is not None
        server.process.stdout.read()  # comes back when nobody holds the pipe any more


def test_demo(tmp_path: Path) -> None:
    with serving(tmp_path, models="glyphs") as server:
        command = [sys.executable, "-m", "service.cli", "demo", "--url", server.url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "1,747 others asked about" in output
    assert output.count("task_") == 5
    model, pixels = (float(share) for share in re.findall(r"(?:digit|pixels) +(\d+\.\d)% ±", output))
    assert model > pixels + 5


def test_answers_are_the_same_after_a_kill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with serving(tmp_path, models="") as server:
            restart.main(server.url, tmp_path / "answers.json")
            server.stop(signal.SIGKILL)
    assert "to the last digit" in capsys.readouterr().out
