"""The page docs/standalone.md is true: its lines predict what the service predicts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.client import Client
from service.schemas import Classification
from tests.e2e.server import environment, serving
from tests.service.codec.pictures import saved, stroke

PAGE = (Path(__file__).parents[1] / "docs/standalone.md").read_text()


def test_the_lines_predict_as_the_service_does(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in block.splitlines() if line]) <= 24 and "service" not in block
    pictures = [saved(stroke().rotate(30 * n)) for n in range(4)]
    (tmp_path / "unknown.png").write_bytes(saved(stroke().rotate(40)))
    with serving(tmp_path, models="glyphs") as server, Client(server.url) as kshot:
        task = kshot.adapt("glyphs", pictures, labels="abab")
        (tmp_path / "weights.safetensors").write_bytes(kshot.weights(task))
        (answer,) = kshot.predict(task, [tmp_path / "unknown.png"]).predictions
    told = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    ).stdout
    label, score = told.split()
    assert isinstance(answer, Classification) and label == answer.label
    assert float(score) == pytest.approx(answer.scores[label], abs=2e-3)
