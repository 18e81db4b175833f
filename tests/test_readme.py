"""The README's blocks, run as a reader would run them, against a real server process."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli import app
from tests.e2e.server import Server, environment, serving

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str, containing: str) -> list[str]:
    """The code blocks of this language that contain a word."""
    return [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in text]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("readme"), models="") as running:
        yield running


def run(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_calls(server: Server, tmp_path: Path) -> None:
    (block,) = blocks("sh", '"curves"')
    assert block.count("curl") == 3
    output = run(["bash", "-euo", "pipefail", "-c", block.replace(ADDRESS, server.url)], tmp_path)
    assert output.count('"mean"') == 3
    assert '"name": "my first task"' in output


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_calls_with_sentences(server: Server, tmp_path: Path) -> None:
    (block,) = blocks("sh", '"text"')
    assert block.count("curl") == 3
    output = run(["bash", "-euo", "pipefail", "-c", block.replace(ADDRESS, server.url)], tmp_path)
    assert re.findall(r'"label": "(\w+)"', output)[:3] == ["lost", "pin", "refund"]
    unknown = [float(share) for share in re.findall(r'"unknown": ([\d.e-]+)', output)]
    assert max(unknown) == unknown[3] > 0.5
    assert '"version": 2' in output


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_calls_with_photographs(server: Server) -> None:
    (block,) = blocks("sh", "model=photos")
    assert block.count("curl") == 3
    output = run(["bash", "-euo", "pipefail", "-c", block.replace(ADDRESS, server.url)], ROOT)
    assert re.findall(r'"label": "(\w+)"', output)[:3] == ["kiwi", "peach", "leek"]
    assert output.rstrip().endswith("}") and '"version": 2' in output


def test_python_lines(server: Server, tmp_path: Path) -> None:
    (block,) = blocks("python", "Client")
    output = run([sys.executable, "-c", block.replace(ADDRESS, server.url)], tmp_path)
    assert len(re.findall(r"'\d'", output)) == 10


def test_commands_exist() -> None:
    (block,) = blocks("sh", "kshot serve")
    named = set(re.findall(r"^kshot (\w+)", block, re.MULTILINE))
    single = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert named and named <= single | {group.name for group in app.registered_groups}


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for block in blocks("sh", "make ") for target in re.findall(r"^make (\w+)", block, re.MULTILINE)}
    assert named == {"run", "test"} and named <= targets


def test_the_figures_are_those_of_the_cards() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]*) \|$", README, re.MULTILINE)
    assert rows
    for model, figure, *shown in rows:
        figures = json.loads((ROOT / f"models/zoo/{model}/model.json").read_text())["card"]["figures"]
        assert shown == [figures.get(dtype, {}).get(figure, "") for dtype in ("fp32", "bf16")], f"{model}: {figure}"


def test_the_line_that_writes_env(tmp_path: Path) -> None:
    (block,) = blocks("sh", ".env")
    line = block.splitlines()[0]
    run(["bash", "-c", line.replace("python3", sys.executable)], tmp_path)
    assert re.fullmatch(r"POSTGRES_PASSWORD=[0-9a-f]{48}\n", (tmp_path / ".env").read_text())


def test_links_lead_somewhere() -> None:
    pages = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_it_is_short() -> None:
    assert (
        len(README.splitlines()) <= 200
    )  # three calls each for numbers, sentences, frames, photographs; bad figures of each model too
