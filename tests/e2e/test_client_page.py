"""docs/client.md, run from top to bottom against a real server process: it prints what it says."""

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.server import environment, serving

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text()
ADDRESS = "http://127.0.0.1:8000"


def test_every_example_prints_what_it_says(tmp_path: Path) -> None:
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    expected = re.findall(r"^ *print\(.*\)  # (.*)$|^# (.*)$", program, re.MULTILINE)
    with serving(tmp_path, models="") as server:
        told = subprocess.run(
            [sys.executable, "-W", "error", "-c", program.replace(ADDRESS, server.url)],
            cwd=tmp_path,
            env=environment() | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == [printed or shown for printed, shown in expected]
