"""The calls of docs/evaluations.md, run as a reader would run them, against a real server process."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.server import environment, serving

PAGE = (Path(__file__).parents[1] / "docs/evaluations.md").read_text("utf-8")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_calls_evaluate_two_versions(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    with serving(tmp_path) as server:
        script = block.replace("http://127.0.0.1:8000", server.url)
        told = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], env=environment(), capture_output=True, text=True, check=True
        ).stdout
    _, _, found = told.partition('"example_ids"')
    evaluation = json.loads(found[found.index('{"task"') :])
    assert (evaluation["version"], evaluation["comparison"]["version"], evaluation["num_examples"]) == (2, 1, 4)
    assert evaluation["mse"] < evaluation["comparison"]["mse"]
