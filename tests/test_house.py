"""The house rules that a machine can check: sizes, light imports, who touches torch, settings that are documented."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path
    for folder in ("service", "models", "migrations", "benchmarks", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
SHIPPED = [path for path in FILES if path.relative_to(ROOT).parts[0] in ("service", "models")]
AT_THE_TOP = {".ci", "benchmarks", "docs", "migrations", "models", "service", "tests"}
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 50
MAY_LOAD = ROOT / "models" / "encoders" / "efficientnet_lite.py"  # the weights that come only as such a file
TORCH = {"torch", "torch.serialization", "torch.jit"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", SHIPPED, ids=name)
def test_no_function_is_too_long(path: Path) -> None:
    long = [each.name for each in functions(path) if (each.end_lineno or 0) - each.lineno + 1 > MAX_FUNCTION_LINES]
    assert not long


def test_files_are_short_as_a_rule() -> None:
    lengths = sorted(len(path.read_text("utf-8").splitlines()) for path in SHIPPED)
    assert lengths[len(lengths) // 2] <= 90


@pytest.mark.parametrize("path", SHIPPED, ids=name)
def test_in_the_service_only_the_engine_imports_torch(path: Path) -> None:
    if path.is_relative_to(ROOT / "service") and not path.is_relative_to(ROOT / "service" / "engine"):
        assert not imported(path) & {"torch", "torchvision"}


def unpickling(source: str, *, may_load: bool = False) -> list[str]:
    """What could read a pickle by another library: `torch.load`, weights_only and allow_pickle unless they are safe.

    With `may_load`, `torch.load` passes where it says `weights_only=True`.
    """
    found = [node for node in ast.walk(ast.parse(source)) if _unpickles(node, may_load)]
    return [ast.unparse(node) for node in found]


def _unpickles(node: ast.AST, may_load: bool) -> bool:
    if isinstance(node, ast.Import):  # under another name its `load` would pass
        return any(alias.name in TORCH and alias.asname for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module in TORCH and any(alias.name in ("load", "serialization") for alias in node.names)
    if isinstance(node, ast.Attribute):
        return _is_torch_load(node) and not may_load
    if not isinstance(node, ast.Call):
        return False
    told = {each.arg: ast.unparse(each.value) for each in node.keywords}
    safe = "True" if "weights_only" in told or _is_torch_load(node.func) else None
    return told.get("weights_only") != safe or told.get("allow_pickle", "False") != "False"


def _is_torch_load(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "load" and ast.unparse(node.value) in TORCH


@pytest.mark.parametrize("path", SHIPPED, ids=name)
def test_nothing_is_ever_unpickled(path: Path) -> None:
    assert not imported(path) & {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
    assert not unpickling(path.read_text("utf-8"), may_load=path == MAY_LOAD)


@pytest.mark.parametrize(
    ("planted", "may_load"),
    [
        ("weights = torch.load(path, weights_only=True)", False),
        ("weights = torch.load(path)", True),
        ("weights = torch.load(path, weights_only=False)", True),
        ("weights = torch.load(path, weights_only=flag)", True),
        ("read = torch.serialization.load", False),
        ("import torch as t", True),
        ("from torch import load", True),
        ("from torch.serialization import load as read", True),
        ("rows = np.load(path, allow_pickle=True)", True),
        ("rows = load(path, allow_pickle=flag)", False),
        ("model = AnyLibrary.load(path, weights_only=False)", False),
    ],
)
def test_what_could_unpickle_is_found(planted: str, may_load: bool) -> None:
    assert unpickling(f"def read(path):\n    {planted}\n", may_load=may_load)


@pytest.mark.parametrize(
    ("harmless", "may_load"),
    [
        ("rows = np.load(path)", False),
        ("rows = np.load(path, allow_pickle=False)", False),
        ("weights = torch.load(path, map_location='cpu', weights_only=True)", True),
    ],
)
def test_what_cannot_unpickle_passes(harmless: str, may_load: bool) -> None:
    assert not unpickling(harmless, may_load=may_load)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("models", {"torch"}),
        ("models.inputs", {"torch"}),
        ("models.card", {"torch"}),
        ("service.client", {"torch", "fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "prometheus_client"}),
        ("service.cli", {"torch", "fastapi", "sqlalchemy", "sklearn"}),
        ("service.codec", {"torch", "fastapi", "sqlalchemy"}),
        ("service.schemas", {"torch", "fastapi", "sqlalchemy"}),
        ("service.tracing", {"opentelemetry"}),
        ("service.storage.queries", {"torch", "fastapi"}),
    ],
)
def test_imports_are_light(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted({heavy!r} & sys.modules.keys()))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.split() == []


def test_every_setting_says_what_it_is_for() -> None:
    assert [setting for setting, field in Settings.model_fields.items() if not field.description] == []


def test_no_other_folder_stands_at_the_top() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if not listed:
        pytest.skip("this is no checkout")
    assert {place.partition("/")[0] for place in listed.splitlines() if "/" in place} == AT_THE_TOP
