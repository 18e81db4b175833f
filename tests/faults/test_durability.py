"""What a kill cannot show: SQLite's log is on the disk before a write is answered."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from httpx import Client

from tests.faults.zygote import Zygote

TASK = {"model": "curves", "support": [{"input": [1.0], "target": 2.0}]}
NUM_WRITES = 3
CALLS = "trace=pwrite64,fdatasync,fsync,sendto,write,writev"
WRITTEN, FLUSHED, ANSWERED = r"pwrite64\(.*kshot\.db-wal>", r"f(data)?sync\(.*kshot\.db-wal>", r"HTTP/1\.1 201"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_log_is_flushed_before_the_answer(zygote: Zygote, sqlite_url: str, tmp_path: Path) -> None:
    seen = tmp_path / "calls"
    with (
        zygote.serving({"KSHOT_DATABASE_URL": sqlite_url, "KSHOT_AUTH": "off"}) as life,
        Client(base_url=life.url, verify=False, timeout=60) as http,
    ):
        command = ["strace", "-f", "-y", "-s", "40", "-e", CALLS, "-o", str(seen), "-p", str(life.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            if "attached" not in tracer.stderr.readline():
                pytest.skip("this machine lets nobody be traced")
            for _ in range(NUM_WRITES):
                assert http.post("/v1/tasks", json=TASK).status_code == 201
            time.sleep(0.1)  # the last answer may be noted after it has come
            tracer.send_signal(signal.SIGINT)
    order = [found[0] for line in seen.read_text().splitlines() if (found := marks(line))]
    assert re.fullmatch("(F|W)*" + "W+F+A(F|W)*" * NUM_WRITES, "".join(order)), order


def marks(line: str) -> list[str]:
    """Which of the three a call is."""
    return [mark for mark, pattern in (("W", WRITTEN), ("F", FLUSHED), ("A", ANSWERED)) if re.search(pattern, line)]
