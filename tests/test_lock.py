"""The lock of the image: everything that pyproject.toml asks for there, with hashes, and from nowhere in particular."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
IN_IMAGE = ("photos", "text", "otel")


def pins(name: str) -> dict[str, list[str]]:
    """The versions of each package; each has hashes."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.lstrip().startswith("#")]
    found: dict[str, list[str]] = {}
    for each in re.split(r"\n(?! )", "\n".join(lines)):
        requirement, _, hashes = each.partition(" \\\n")
        pinned = re.fullmatch(r"([a-z0-9.-]+)==(\S+)( ; .+)?", requirement)
        assert pinned is not None, requirement
        assert re.fullmatch(r"(    --hash=sha256:[0-9a-f]{64}( \\\n)?)+\n?", hashes), requirement
        found.setdefault(pinned[1], []).append(pinned[2])
    return found


def test_all_that_is_asked_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [each for extra in IN_IMAGE for each in project["optional-dependencies"][extra]]
    locked = pins("requirements.lock") | pins("requirements-cpu.lock")
    for asked in map(Requirement, [*project["dependencies"], *extras]):
        assert all(version in asked.specifier for version in locked[asked.name]), asked


@pytest.mark.parametrize("name", ["requirements-cpu.lock", "requirements-cuda.lock"])
def test_torch_is_the_one_that_is_tested(name: str) -> None:
    assert [f"torch=={version}" for version in pins(name)["torch"]] == [
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch==")
    ]


def test_both_locks_agree() -> None:
    locked, cuda = pins("requirements.lock"), pins("requirements-cuda.lock")
    assert all(cuda[name] == locked[name] for name in cuda.keys() & locked.keys())
    assert "setuptools" in locked and "torch" not in locked
