"""The calls of pages beside the README, run as a reader would run them, against a real server process."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server, environment, serving

DOCS = Path(__file__).parents[1] / "docs"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("pages"), models="") as running:
        yield running


def told(page: str, server: Server, folder: Path) -> str:
    """What the only block of commands of a page prints."""
    (block,) = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    command = ["bash", "-euo", "pipefail", "-c", block.replace("http://127.0.0.1:8000", server.url)]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True).stdout


def test_two_versions_are_evaluated(server: Server, tmp_path: Path) -> None:
    _, _, found = told("evaluations.md", server, tmp_path).partition('"example_ids"')
    evaluation = json.loads(found[found.index('{"task"') :])
    assert (evaluation["version"], evaluation["comparison"]["version"], evaluation["num_examples"]) == (2, 1, 4)
    assert evaluation["mse"] < evaluation["comparison"]["mse"]


def test_frames_are_read_and_taught(server: Server, tmp_path: Path) -> None:
    output = told("frames.md", server, tmp_path)
    assert re.findall(r'"label":"(\w+)"', output) == ["play_music", "get_weather"]
    assert re.findall(r'"form":"\((\w+) ', output) == ["play_music", "get_weather"]
    assert '"version":2' in output
